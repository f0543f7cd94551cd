//! The vectors of a level: 8 or 16 lanes, one output in each.

/// How wide codes are.
pub(super) trait Width {
    /// Bits of a code, as integers are computed.
    const BITS: u32;
}

/// The operations that tiles are made of. Lanes are the outputs of a panel, or of a half of one.
///
/// # Safety
/// Every function may be called only where the processor has the level, and pointers must be
/// valid for what is said to be read or written. All are inlined into functions that are compiled
/// for the level.
pub(super) trait Simd {
    /// Lanes of a vector.
    const LANES: usize;
    /// The most rows of a tile of floats, a power of two.
    const FLOAT_ROWS: usize;
    /// Whether codes of 8 bits are multiplied as signed ones.
    const SIGNED: bool;
    /// 32 bits a lane.
    type I: Copy;
    /// An f32 a lane.
    type F: Copy;

    /// Reads `4·LANES` bytes.
    unsafe fn load(from: *const u8) -> Self::I;
    /// Asks for the cache line at an address, which may be any.
    unsafe fn prefetch(from: *const u8);
    /// Reads `LANES` values.
    unsafe fn load_f32(from: *const f32) -> Self::F;
    /// Reads `LANES` values of half precision.
    unsafe fn load_f16(from: *const u8) -> Self::F;
    /// Reads `LANES` signed bytes, as f32.
    unsafe fn load_i8(from: *const i8) -> Self::F;
    /// Writes `LANES` values.
    unsafe fn store(to: *mut f32, from: Self::F);
    /// The same integer in all lanes.
    unsafe fn splat(value: i32) -> Self::I;
    /// The same value in all lanes.
    unsafe fn splat_f32(value: f32) -> Self::F;
    /// `a + b`.
    unsafe fn add(a: Self::I, b: Self::I) -> Self::I;
    /// `a & b`.
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I;
    /// `a | b`.
    unsafe fn or(a: Self::I, b: Self::I) -> Self::I;
    /// Shifts each lane right by a constant, filling with zeros.
    unsafe fn shift_right(a: Self::I, by: i32) -> Self::I;
    /// Shifts each lane left by a constant.
    unsafe fn shift_left(a: Self::I, by: i32) -> Self::I;
    /// The f32 nearest to each integer.
    unsafe fn to_f32(a: Self::I) -> Self::F;
    /// `a · b`.
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `c − a · b`, rounded once.
    unsafe fn fnma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// For each byte below 16 the byte of `table` (16 bytes) at its place.
    unsafe fn lookup_bytes(table: *const u8, index: Self::I) -> Self::I;
    /// For each lane the value of `table` (16 values) at the place that its low 4 bits name.
    unsafe fn lookup(table: *const f32, index: Self::I) -> Self::F;
    /// For each of `V` vectors, `sum + Σ w·x` over 4 quads of codes without sign and `x`, 16
    /// activations.
    ///
    /// With 8 bits a code and [`Simd::SIGNED`] it is `sum + Σ (w − 128)·x`.
    unsafe fn dot<C: Width, const V: usize>(
        sums: [Self::I; V],
        w: &[[Self::I; 4]; V],
        x: *const i8,
    ) -> [Self::I; V];
    /// `sum + a·b` over the two signed 16-bit halves of each lane.
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
}
