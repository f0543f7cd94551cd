//! What a product needs of its activations beside their values: 8-bit codes, or sums of groups.
//!
//! The rows of a tile are interleaved block by block, so that a tile reads one stream:
//!
//! | buffer | for each | index |
//! | --- | --- | --- |
//! | `codes` | 32 codes of a block | `32·(top·blocks + block·height + row)` |
//! | `scales` | scale of a unit | `top·units + unit·height + row` |
//! | `terms` | `per_unit` terms of a unit | `per_unit·(top·units + unit·height + row)` |
//!
//! where `top` is the tile's first row, and a unit is a block or, in K formats, a superblock.

use ndarray::{ArrayView2, s};

use super::panels::{BLOCK, Kind, Panels, SUPER};
use crate::isa::Isa;
use crate::kernels::levels::by_level;

/// The most rows of a tile.
pub(super) const TILE_ROWS: usize = 32;
/// Values below which the calling thread prepares all activations.
const SERIAL: usize = 1 << 16;

/// Buffers of a product, to be kept from one call to the next. They grow where they must, and so
/// a call with no more rows and inputs than one before allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
    pub(super) terms: Vec<i32>,
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Scratch::default()
    }

    /// Buffers large enough for `rows` rows of activations, with either kind of
    /// [`super::Activations`].
    pub fn for_rows(weights: &Panels, rows: usize) -> Self {
        let mut scratch = Scratch::new();
        scratch.grow(&Plan::integers(weights), rows);
        scratch.grow(&Plan::sums(weights), rows);
        scratch
    }

    fn grow(&mut self, plan: &Plan, rows: usize) {
        fn grow<T: Clone + Default>(buffer: &mut Vec<T>, length: usize) {
            if buffer.len() < length {
                buffer.resize(length, T::default());
            }
        }
        grow(&mut self.codes, rows * plan.blocks * BLOCK);
        grow(&mut self.scales, rows * plan.units);
        grow(&mut self.terms, rows * plan.units * plan.per_unit);
    }

    /// Quantizes rows of activations to 8 bits.
    pub(super) fn quantize(&mut self, isa: Isa, weights: &Panels, x: ArrayView2<'_, f32>) {
        let plan = Plan::integers(weights);
        self.run(isa, &plan, x);
    }

    /// Sums each group of activations, where the weights have minimums.
    pub(super) fn sum(&mut self, isa: Isa, weights: &Panels, x: ArrayView2<'_, f32>) {
        if weights.kind.has_minimum() {
            self.run(isa, &Plan::sums(weights), x);
        }
    }

    fn run(&mut self, isa: Isa, plan: &Plan, x: ArrayView2<'_, f32>) {
        let rows = x.nrows();
        self.grow(plan, rows);
        let parts = Parts {
            codes: &mut self.codes[..rows * plan.blocks * BLOCK],
            scales: &mut self.scales[..rows * plan.units],
            terms: &mut self.terms[..rows * plan.units * plan.per_unit],
        };
        prepare(isa, plan, x, parts);
    }
}

/// The height of the tile that begins where `left` rows are left.
pub(super) fn tile_height(left: usize) -> usize {
    left.min(TILE_ROWS)
}

/// Sizes of the buffers, per row.
#[derive(Clone, Copy)]
struct Plan {
    kind: Kind,
    blocks: usize,
    /// k of a unit.
    unit: usize,
    units: usize,
    per_unit: usize,
}

impl Plan {
    fn integers(weights: &Panels) -> Self {
        let (unit, per_unit) = match weights.kind {
            Kind::K4 => (SUPER, 4),
            Kind::K6 => (SUPER, 16),
            _ => (BLOCK, 1),
        };
        Plan {
            kind: weights.kind,
            blocks: weights.blocks(),
            unit,
            units: weights.k.div_ceil(unit),
            per_unit,
        }
    }

    /// With no codes and no terms.
    fn sums(weights: &Panels) -> Self {
        Plan {
            kind: weights.kind,
            blocks: 0,
            unit: weights.group,
            units: weights.groups(),
            per_unit: 0,
        }
    }
}

/// The parts of the buffers that belong to some rows.
struct Parts<'a> {
    codes: &'a mut [i8],
    scales: &'a mut [f32],
    terms: &'a mut [i32],
}

/// Prepares rows, whose first one begins a tile. Large ones are halved between threads.
fn prepare(isa: Isa, plan: &Plan, x: ArrayView2<'_, f32>, parts: Parts<'_>) {
    let (rows, k) = x.dim();
    let cut = rows.div_ceil(2).next_multiple_of(TILE_ROWS);
    if cut < rows && rows * k >= SERIAL {
        let (codes, codes_below) = parts.codes.split_at_mut(cut * plan.blocks * BLOCK);
        let (scales, scales_below) = parts.scales.split_at_mut(cut * plan.units);
        let (terms, terms_below) = parts.terms.split_at_mut(cut * plan.units * plan.per_unit);
        let above = Parts {
            codes,
            scales,
            terms,
        };
        let below = Parts {
            codes: codes_below,
            scales: scales_below,
            terms: terms_below,
        };
        rayon::join(
            || prepare(isa, plan, x.slice(s![..cut, ..]), above),
            || prepare(isa, plan, x.slice(s![cut.., ..]), below),
        );
        return;
    }
    let mut top = 0;
    while top < rows {
        let height = tile_height(rows - top);
        for row in 0..height {
            let values = x.row(top + row);
            // Rows are contiguous, as the caller has checked.
            let values = values.as_slice().unwrap_or(&[]);
            let at = Place { top, height, row };
            if plan.blocks == 0 {
                sum_at(isa, values, plan, at, parts.scales);
            } else {
                quantize_at(
                    isa,
                    values,
                    plan,
                    at,
                    parts.codes,
                    parts.scales,
                    parts.terms,
                );
            }
        }
        top += height;
    }
}

/// A row of a tile.
#[derive(Clone, Copy)]
struct Place {
    top: usize,
    height: usize,
    row: usize,
}

impl Place {
    /// The index of part `part` of `parts`.
    fn index(self, parts: usize, part: usize) -> usize {
        self.top * parts + part * self.height + self.row
    }
}

by_level! {
    fn quantize_at(x: &[f32], plan: &Plan, at: Place, codes: &mut [i8], scales: &mut [f32], terms: &mut [i32])
        = quantize_body;
    fn sum_at(x: &[f32], plan: &Plan, at: Place, sums: &mut [f32]) = sum_body;
}

#[inline(always)]
fn quantize_body(
    x: &[f32],
    plan: &Plan,
    at: Place,
    codes: &mut [i8],
    scales: &mut [f32],
    terms: &mut [i32],
) {
    let blocks_of_unit = plan.unit / BLOCK;
    for (unit, x) in x.chunks(plan.unit).enumerate() {
        let (scale, inverse) = scale_of(x);
        let index = at.index(plan.units, unit);
        scales[index] = scale;
        let terms = &mut terms[index * plan.per_unit..][..plan.per_unit];
        if plan.unit > BLOCK {
            terms.fill(0);
        }
        for (i, x) in x.chunks(BLOCK).enumerate() {
            let block = at.index(plan.blocks, unit * blocks_of_unit + i);
            let wide = round(&padded(x), inverse);
            for (code, wide) in codes[block * BLOCK..][..BLOCK].iter_mut().zip(wide) {
                *code = wide as i8;
            }
            match plan.kind {
                // Pairs of 16 bits: sums 0 and 2, 1 and 3, 4 and 6, 5 and 7.
                Kind::K4 => {
                    let shift = i % 4 / 2 * 16;
                    terms[i / 4 * 2 + i % 2] |= (sum(&wide) & 0xffff) << shift;
                }
                Kind::K6 => {
                    terms[2 * i] = -32 * wide[..16].iter().sum::<i32>();
                    terms[2 * i + 1] = -32 * wide[16..].iter().sum::<i32>();
                }
                Kind::Affine => terms[0] = (sum(&wide) as f32 * scale).to_bits() as i32,
                kind => terms[0] = -kind.offset() * sum(&wide),
            }
        }
    }
}

/// A block of activations, with zeros where the row has ended.
#[inline(always)]
fn padded(x: &[f32]) -> [f32; BLOCK] {
    if let Ok(&x) = x.try_into() {
        return x;
    }
    let mut padded = [0.0; BLOCK];
    padded[..x.len()].copy_from_slice(x);
    padded
}

/// The scale of a unit, and what values are multiplied with to get their codes.
///
/// A value that is not finite makes the scale NaN. Values too small for `127 / absmax` to be
/// finite (below 4e-37) count as zero.
#[inline(always)]
pub(super) fn scale_of(x: &[f32]) -> (f32, f32) {
    let mut lanes = [0; BLOCK];
    for x in x.chunks(BLOCK) {
        for (lane, x) in lanes.iter_mut().zip(padded(x)) {
            *lane = x.abs().to_bits().max(*lane);
        }
    }
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = lanes[i].max(lanes[i + half]);
        }
    }
    let largest = f32::from_bits(lanes[0]);
    let inverse = 127.0 / largest;
    if !largest.is_finite() {
        (f32::NAN, 0.0)
    } else if inverse.is_finite() {
        (largest / 127.0, inverse)
    } else {
        (0.0, 0.0)
    }
}

/// `round_ties_even(x · inverse)`, which is −127 to 127; any byte where `x` is not finite.
#[inline(always)]
fn round(x: &[f32; BLOCK], inverse: f32) -> [i32; BLOCK] {
    /// Added to a small number, it leaves that number, rounded to the nearest integer and at a
    /// tie to the even one, in the low bits.
    const MAGIC: f32 = (3 << 22) as f32;
    let mut codes = [0; BLOCK];
    for (code, x) in codes.iter_mut().zip(x) {
        *code = ((x * inverse + MAGIC).to_bits() << 24) as i32 >> 24;
    }
    codes
}

#[inline(always)]
fn sum(codes: &[i32; BLOCK]) -> i32 {
    let mut lanes = *codes;
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

#[inline(always)]
fn sum_body(x: &[f32], plan: &Plan, at: Place, sums: &mut [f32]) {
    for (unit, x) in x.chunks(plan.unit).enumerate() {
        sums[at.index(plan.units, unit)] = lane_sum(x);
    }
}

/// The sum of values in 16 lanes, value `i` in lane `i mod 16`, and then of the lanes by halves.
#[inline(always)]
pub(super) fn lane_sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    for x in x.chunks(16) {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane += x;
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}
