//! The tiles: a panel's outputs for a few rows of activations, written once for all levels.
//!
//! Everything here is inlined into functions that are compiled for a level.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use std::marker::PhantomData;

use super::codes::Codes;
use super::panels::{BLOCK, HALF, PANEL, Panels, VECTOR};
use super::simd::Simd;

/// Bytes of codes between those that a single row takes and those that it asks for.
const AHEAD: usize = 3072;

/// A tile of the result, and what it is computed from.
///
/// It is valid where all of this holds:
/// - `codes` and `scales` are those of a panel of `weights`, and of the next panel if there are
///   more than 16 columns;
/// - `y` can be written at `row·y_stride + lane + i` for the tile's rows and `i < cols`, and
///   `bias`, if there is one, can be read at `lane + i`;
/// - nobody else touches that part of `y` meanwhile;
/// - `codes_x`, `scales_x`, `terms` are the buffers of [`super::activations`] from the tile's first
///   row on; or `x` has the tile's rows of `k` values at `x_stride`, and `scales_x` their sums.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub weights: &'a Panels,
    pub codes: *const u8,
    pub scales: *const u8,
    /// The panel's output that the vectors begin at.
    pub lane: usize,
    /// Rows of the tile.
    pub rows: usize,
    pub x: *const f32,
    pub x_stride: isize,
    pub codes_x: *const i8,
    pub scales_x: *const f32,
    pub terms: *const i32,
    /// Rows that the buffers are interleaved for.
    pub height: usize,
    pub bias: Option<*const f32>,
    pub y: *mut f32,
    pub y_stride: usize,
    /// Outputs from `lane` on.
    pub cols: usize,
}

impl Tile<'_> {
    /// The part of the tile in its panel `index`.
    pub(super) fn panel(self, index: usize) -> Self {
        let w = self.weights;
        let first = index * PANEL;
        Tile {
            codes: self.codes.wrapping_add(index * w.panel_codes()),
            scales: self.scales.wrapping_add(index * w.panel_scales()),
            bias: self.bias.map(|bias| bias.wrapping_add(first)),
            y: self.y.wrapping_add(first),
            cols: (self.cols - first).min(PANEL),
            ..self
        }
    }

    /// The part of a panel's tile from an output on.
    pub(super) fn at_lane(self, lane: usize) -> Self {
        Tile {
            lane,
            cols: self.cols - lane,
            ..self
        }
    }

    /// Rows of the same tile.
    pub(super) fn part(self, top: usize, rows: usize) -> Self {
        let terms = top * self.weights.kind.terms();
        Tile {
            rows,
            x: self.x.wrapping_offset(top as isize * self.x_stride),
            codes_x: self.codes_x.wrapping_add(top * BLOCK),
            scales_x: self.scales_x.wrapping_add(top),
            terms: self.terms.wrapping_add(terms),
            y: self.y.wrapping_add(top * self.y_stride),
            ..self
        }
    }

    /// What the sums of the first `rows` rows start from.
    #[inline(always)]
    pub(super) unsafe fn starts<S: Simd, const V: usize, const R: usize>(
        &self,
        rows: usize,
    ) -> [[S::F; V]; R] {
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let mut sums = [[S::splat_f32(0.0); V]; R];
            for row in 0..rows {
                for v in 0..V {
                    sums[row][v] = self.start::<S>(v);
                }
            }
            sums
        }
    }

    /// What the sums of vector `v` start from.
    #[inline(always)]
    unsafe fn start<S: Simd>(&self, v: usize) -> S::F {
        let first = v * S::LANES;
        // SAFETY: by the contract of `Tile`; what the vector has beyond its columns is zero.
        unsafe {
            match self.bias {
                None => S::splat_f32(0.0),
                Some(bias) if self.cols >= first + S::LANES => {
                    S::load_f32(bias.add(self.lane + first))
                }
                Some(bias) => {
                    let mut values = [0.0; PANEL];
                    let (from, to) = (bias.add(self.lane + first), values.as_mut_ptr());
                    std::ptr::copy_nonoverlapping(from, to, self.cols - first);
                    S::load_f32(values.as_ptr())
                }
            }
        }
    }

    /// Writes the first `rows` rows.
    #[inline(always)]
    pub(super) unsafe fn finish<S: Simd, const V: usize, const R: usize>(
        &self,
        rows: usize,
        sums: &[[S::F; V]; R],
    ) {
        for row in 0..rows {
            for v in 0..V {
                // SAFETY: by the contract of `Tile`.
                unsafe { self.write::<S>(row, v, sums[row][v]) };
            }
        }
    }

    /// Writes vector `v` of a row.
    #[inline(always)]
    unsafe fn write<S: Simd>(&self, row: usize, v: usize, sum: S::F) {
        let first = v * S::LANES;
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let to = self.y.add(row * self.y_stride + self.lane + first);
            if self.cols >= first + S::LANES {
                S::store(to, sum);
            } else {
                let mut values = [0.0; PANEL];
                S::store(values.as_mut_ptr(), sum);
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, self.cols - first);
            }
        }
    }

    /// Field `index` of a unit's scales, where these are f16 or all f32.
    #[inline(always)]
    pub(super) unsafe fn scale<S: Simd>(&self, unit: *const u8, index: usize) -> S::F {
        // SAFETY: a unit has 16 of each field.
        unsafe {
            if self.weights.wide {
                S::load_f32(unit.add((index * PANEL + self.lane) * 4).cast())
            } else {
                S::load_f16(unit.add((index * PANEL + self.lane) * 2))
            }
        }
    }
}

/// The largest power of two that is at most `left` and `most`.
pub(super) fn power_of_two(left: usize, most: usize) -> usize {
    1 << left.clamp(1, most).ilog2()
}

/// A way to compute a tile of at most `R` rows, `V` vectors side by side.
pub(super) trait Kernel {
    /// # Safety
    /// The processor has the level, and the tile is as [`Tile`] says, with more outputs than
    /// `V − 1` vectors have lanes. With one row, `R` is 1.
    unsafe fn run<S: Simd, const V: usize, const R: usize>(tile: &Tile<'_>);
}

/// A level that runs kernels over tiles of any size.
///
/// # Safety
/// Of each function: the processor has the level, and the tile is as [`Tile`] says.
pub(super) trait Runs: Simd {
    /// Runs a kernel over a tile of any width: on one row, or on as many as a tile has at most.
    unsafe fn tile<K: Kernel>(tile: &Tile<'_>);
    /// The same where the kernel takes exactly as many rows as it is made for.
    unsafe fn short_tiles<K: Kernel>(tile: &Tile<'_>);
}

/// Integers, a scale for each group. `OFFSET` is what a code stands above its value; with none
/// there is a minimum.
pub(super) struct Grouped<C, const OFFSET: i32>(PhantomData<C>);

impl<C: Codes, const OFFSET: i32> Kernel for Grouped<C, OFFSET> {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let rows = if R == 1 { 1 } else { t.rows.min(R) };
        let blocks_of_group = w.group / BLOCK;
        let (next_codes, next_scales) = (w.panel_codes(), w.panel_scales());
        let unit_bytes = w.unit_bytes();
        // SAFETY: by the contract of `Tile`: each buffer has what the number of blocks asks for,
        // and panels follow each other.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut sums = t.starts::<S, V, R>(rows);
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            let (mut scale, mut minimum) = ([zero; V], [zero; V]);
            let mut left = 0;
            for _ in 0..w.blocks() {
                if left == 0 {
                    left = blocks_of_group;
                    if R == 1 {
                        ask_scales::<S, V>(unit, 1, next_scales);
                    }
                    for v in 0..V {
                        let unit = unit.add(v * next_scales);
                        scale[v] = t.scale::<S>(unit, 0);
                        if C::BITS == 8 {
                            scale[v] = S::mul(scale[v], S::splat_f32(w.step));
                        }
                        if OFFSET == 0 {
                            minimum[v] = t.scale::<S>(unit, 1);
                        }
                    }
                    unit = unit.add(unit_bytes);
                }
                left -= 1;
                if R == 1 {
                    ask_codes::<S, V>(codes, 2 * C::HALF_BYTES, next_codes);
                }
                let block = Block::<S, V>::unpack::<C>(w, codes, next_codes);
                for row in 0..rows {
                    let start = if OFFSET == 0 || (C::BITS == 8 && S::SIGNED) {
                        0
                    } else {
                        *terms.add(row)
                    };
                    let dots = block.dot::<C>(start, x.add(row * BLOCK));
                    let scale_x = S::splat_f32(*scales.add(row));
                    for v in 0..V {
                        let factor = S::mul(scale[v], scale_x);
                        let mut sum = S::fma(S::to_f32(dots[v]), factor, sums[row][v]);
                        if OFFSET == 0 {
                            let term = f32::from_bits(*terms.add(row) as u32);
                            sum = S::fma(minimum[v], S::splat_f32(term), sum);
                        }
                        sums[row][v] = sum;
                    }
                }
                codes = codes.add(2 * C::HALF_BYTES);
                x = x.add(t.height * BLOCK);
                scales = scales.add(t.height);
                terms = terms.add(t.height);
            }
            t.finish::<S, V, R>(rows, &sums);
        }
    }
}

/// Asks for codes that a single row will soon need: as many as `bytes` that it takes now, in the
/// panel of each vector, the panels `next` bytes from each other. A row of one panel after the
/// other reads a single stream, so that this serves the next panel too.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
pub(super) unsafe fn ask_codes<S: Simd, const V: usize>(
    codes: *const u8,
    bytes: usize,
    next: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe { ask::<S, V>(codes.wrapping_add(AHEAD), bytes, next) }
}

/// As [`ask_codes`], for the `bytes` of a unit's scales, for as many k ahead.
///
/// As [`ask_codes`].
#[inline(always)]
pub(super) unsafe fn ask_scales<S: Simd, const V: usize>(
    scales: *const u8,
    bytes: usize,
    next: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe { ask::<S, V>(scales.wrapping_add(AHEAD / 8), bytes, next) }
}

#[inline(always)]
unsafe fn ask<S: Simd, const V: usize>(from: *const u8, bytes: usize, next: usize) {
    for v in 0..V {
        for line in (0..bytes).step_by(VECTOR) {
            // SAFETY: passed on from the caller.
            unsafe { S::prefetch(from.wrapping_add(v * next + line)) };
        }
    }
}

/// The unpacked codes of 32 k.
pub(super) struct Block<S: Simd, const V: usize> {
    halves: [[[S::I; 4]; V]; 2],
}

impl<S: Simd, const V: usize> Block<S, V> {
    /// # Safety
    /// At `codes`, and at `next` bytes from it for each further vector, there is a block.
    #[inline(always)]
    pub(super) unsafe fn unpack<C: Codes>(w: &Panels, codes: *const u8, next: usize) -> Self {
        // SAFETY: passed on from the caller.
        unsafe {
            let mut halves = [[[S::splat(0); 4]; V]; 2];
            for (half, vectors) in halves.iter_mut().enumerate() {
                for (v, vector) in vectors.iter_mut().enumerate() {
                    let from = codes.add(v * next + half * C::HALF_BYTES);
                    *vector = C::unpack::<S>(w, from);
                }
            }
            Block { halves }
        }
    }

    /// `start + Σ w·x`.
    ///
    /// # Safety
    /// `x` has 32 activations.
    #[inline(always)]
    pub(super) unsafe fn dot<C: Codes>(&self, start: i32, x: *const i8) -> [S::I; V] {
        // SAFETY: passed on from the caller.
        unsafe {
            // Two chains, as the latency of one would be in the way.
            let mut first = S::dot::<C, V>([S::splat(start); V], &self.halves[0], x);
            let second = S::dot::<C, V>([S::splat(0); V], &self.halves[1], x.add(HALF));
            for v in 0..V {
                first[v] = S::add(first[v], second[v]);
            }
            first
        }
    }
}
