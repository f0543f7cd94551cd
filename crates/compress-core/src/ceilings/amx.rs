//! Products of tiles of int8, in inline assembly: Rust has no stable intrinsics for them yet.

use std::arch::asm;

/// Operations of one `tdpbssd` on whole tiles: 16 × 16 sums of 64 products each.
const OPERATIONS: u64 = 2 * 16 * 16 * 64;

/// Accumulators side by side: at 16 cycles an instruction they hide its latency of 52.
const ACCUMULATORS: u64 = 4;

/// What `ldtilecfg` reads: 64 bytes, as the processor's manual lays them out.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row, for tiles 0 to 7.
    row_bytes: [u16; 8],
    reserved_row_bytes: [u8; 16],
    /// Rows, for tiles 0 to 7.
    rows: [u8; 8],
    reserved_rows: [u8; 8],
}

const _: () = assert!(size_of::<TileConfig>() == 64);

/// Eight tiles of 16 rows of 64 bytes.
static WHOLE_TILES: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64; 8],
    reserved_row_bytes: [0; 16],
    rows: [16; 8],
    reserved_rows: [0; 8],
};

/// See [`super::amx_i8`]. Configures the tiles, works on zeros (the time does not depend on the
/// values) and releases them.
///
/// # Safety
/// The processor has AMX with int8, and the system lets the process use it.
pub(super) unsafe fn products_i8(rounds: u32) -> u64 {
    if rounds == 0 {
        return 0;
    }
    // SAFETY: the configuration is valid and 64 bytes long; the tiles are set before they are
    // used, released after, and named as overwritten. `rounds` is not 0, so the loop ends.
    unsafe {
        asm!(
            "ldtilecfg [{config}]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tilezero tmm4",
            "tilezero tmm5",
            "tilezero tmm6",
            "tilezero tmm7",
            "2:",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbssd tmm1, tmm4, tmm7",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "dec {rounds:e}",
            "jnz 2b",
            "tilerelease",
            config = in(reg) &raw const WHOLE_TILES,
            rounds = inout(reg) rounds => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, readonly),
        );
    }
    u64::from(rounds) * ACCUMULATORS * OPERATIONS
}
