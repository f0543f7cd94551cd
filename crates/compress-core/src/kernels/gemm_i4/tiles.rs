//! The tiles: a panel's outputs for a few rows of activations, written once for all levels.
//!
//! Everything here is inlined into functions that are compiled for a level.

use std::marker::PhantomData;

use super::codes::Codes;
use super::panels::{BLOCK, HALF, Kind, PANEL, Panels};
use super::simd::Simd;

/// A tile of the result, and what it is computed from.
///
/// It is valid where `codes` and `scales` are those of a panel of `weights`; `y` can be written
/// at `row·y_stride + lane + i` for the tile's rows and `i < cols`, and `bias`, where there is
/// one, be read at `lane + i`; nobody else touches that part of `y` meanwhile; and `codes_x`,
/// `scales_x`, `terms` are the buffers of [`super::activations`] from the tile's first row on, or
/// `x` has the tile's rows of `k` values at `x_stride` and `scales_x` their sums.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub weights: &'a Panels,
    pub codes: *const u8,
    pub scales: *const u8,
    /// The panel's output that the vectors begin at.
    pub lane: usize,
    pub x: *const f32,
    pub x_stride: isize,
    pub codes_x: *const i8,
    pub scales_x: *const f32,
    pub terms: *const i32,
    /// Rows of the tile that the buffers are interleaved for.
    pub height: usize,
    pub bias: Option<*const f32>,
    pub y: *mut f32,
    pub y_stride: usize,
    /// Outputs from `lane` on; may be more than a vector has.
    pub cols: usize,
}

impl Tile<'_> {
    /// The same tile without its first rows.
    pub(super) fn below(self, rows: usize) -> Self {
        let terms = match self.weights.kind {
            Kind::K4 => 4,
            Kind::K6 => 16,
            _ => 1,
        };
        Tile {
            x: self.x.wrapping_offset(rows as isize * self.x_stride),
            codes_x: self.codes_x.wrapping_add(rows * BLOCK),
            scales_x: self.scales_x.wrapping_add(rows),
            terms: self.terms.wrapping_add(rows * terms),
            y: self.y.wrapping_add(rows * self.y_stride),
            ..self
        }
    }

    /// What the sums start from.
    #[inline(always)]
    pub(super) unsafe fn start<S: Simd>(&self) -> S::F {
        // SAFETY: by the contract of `Tile`; what the vector has beyond its columns is zero.
        unsafe {
            match self.bias {
                None => S::splat_f32(0.0),
                Some(bias) if self.cols >= S::LANES => S::load_f32(bias.add(self.lane)),
                Some(bias) => {
                    let mut values = [0.0; PANEL];
                    let from = bias.add(self.lane);
                    std::ptr::copy_nonoverlapping(from, values.as_mut_ptr(), self.cols);
                    S::load_f32(values.as_ptr())
                }
            }
        }
    }

    #[inline(always)]
    pub(super) unsafe fn finish<S: Simd, const R: usize>(&self, sums: &[S::F; R]) {
        for (row, &sum) in sums.iter().enumerate() {
            // SAFETY: by the contract of `Tile`.
            unsafe {
                let to = self.y.add(row * self.y_stride + self.lane);
                if self.cols >= S::LANES {
                    S::store(to, sum);
                } else {
                    let mut values = [0.0; PANEL];
                    S::store(values.as_mut_ptr(), sum);
                    std::ptr::copy_nonoverlapping(values.as_ptr(), to, self.cols);
                }
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

/// A way to compute a tile of `R` rows.
pub(super) trait Kernel {
    /// # Safety
    /// The processor has the level, and the tile is as [`Tile`] says.
    unsafe fn run<S: Simd, const R: usize>(tile: &Tile<'_>);
}

/// Integers, a scale for each group. `OFFSET` is what a code stands above its value; with none
/// there is a minimum.
pub(super) struct Grouped<C, const OFFSET: i32>(PhantomData<C>);

impl<C: Codes, const OFFSET: i32> Kernel for Grouped<C, OFFSET> {
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let blocks_of_group = w.group / BLOCK;
        // SAFETY: by the contract of `Tile`: each buffer has what the number of blocks asks for.
        unsafe {
            let mut sums = [t.start::<S>(); R];
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            let step = S::splat_f32(w.step);
            let (mut scale, mut minimum) = (step, step);
            let mut left = 0;
            for _ in 0..w.blocks() {
                if left == 0 {
                    left = blocks_of_group;
                    scale = t.scale::<S>(unit, 0);
                    if C::BITS == 8 {
                        scale = S::mul(scale, step);
                    }
                    if OFFSET == 0 {
                        minimum = t.scale::<S>(unit, 1);
                    }
                    unit = unit.add(w.unit_bytes());
                }
                left -= 1;
                let first = C::unpack::<S>(w, codes);
                let second = C::unpack::<S>(w, codes.add(C::HALF_BYTES));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let term = if OFFSET == 0 || (C::BITS == 8 && S::SIGNED) {
                        0
                    } else {
                        *terms.add(row)
                    };
                    let x = x.add(row * BLOCK);
                    let dot = C::dot::<S>(S::splat(term), first, x);
                    let dot = C::dot::<S>(dot, second, x.add(HALF));
                    let factor = S::mul(scale, S::splat_f32(*scales.add(row)));
                    *sum = S::fma(S::to_f32(dot), factor, *sum);
                    if OFFSET == 0 {
                        let term = f32::from_bits(*terms.add(row) as u32);
                        *sum = S::fma(minimum, S::splat_f32(term), *sum);
                    }
                }
                codes = codes.add(2 * C::HALF_BYTES);
                x = x.add(t.height * BLOCK);
                scales = scales.add(t.height);
                terms = terms.add(t.height);
            }
            t.finish::<S, R>(&sums);
        }
    }
}
