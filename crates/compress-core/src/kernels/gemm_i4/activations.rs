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

use ndarray::{ArrayView2, Axis};

use super::panels::{BLOCK, Kind, Panels};
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::kernels::levels::by_level;

/// The most rows of a tile.
pub(super) const TILE_ROWS: usize = 64;
/// Values that are not worth giving to another thread.
const PART: usize = 1 << 14;
/// Values of a row that are prepared before those of the next row, and blocks of them. What the
/// rows of a tile then write lies within the first cache.
const STRETCH: usize = 256;
const BLOCKS: usize = STRETCH / BLOCK;

/// How activations enter the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activations {
    /// Unchanged, in f32.
    F32,
    /// Rounded to 8 bits, with a scale for each row and block.
    I8,
}

impl Activations {
    /// What suits the weights: [`Activations::F32`] for a codebook, whose values 8-bit integers
    /// only approximate, and [`Activations::I8`] for all else.
    pub fn default_of(weights: &Panels) -> Self {
        match weights.kind {
            Kind::Codebook => Activations::F32,
            _ => Activations::I8,
        }
    }
}

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
    /// [`Activations`].
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
    pub(super) fn quantize(
        &mut self,
        isa: Isa,
        threads: Threads,
        weights: &Panels,
        x: ArrayView2<'_, f32>,
    ) {
        let plan = Plan::integers(weights);
        self.run(isa, threads, &plan, x);
    }

    /// Sums each group of activations, where the weights have minimums.
    pub(super) fn sum(
        &mut self,
        isa: Isa,
        threads: Threads,
        weights: &Panels,
        x: ArrayView2<'_, f32>,
    ) {
        if weights.kind.has_minimum() {
            self.run(isa, threads, &Plan::sums(weights), x);
        }
    }

    fn run(&mut self, isa: Isa, threads: Threads, plan: &Plan, x: ArrayView2<'_, f32>) {
        let rows = x.nrows();
        self.grow(plan, rows);
        let parts = Parts {
            codes: &mut self.codes[..rows * plan.blocks * BLOCK],
            scales: &mut self.scales[..rows * plan.units],
            terms: &mut self.terms[..rows * plan.units * plan.per_unit],
        };
        // Quantizing a value is worth some multiply-adds.
        let share = threads.share(8 * x.len());
        prepare(isa, share, plan, x, parts);
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
        let unit = weights.kind.unit();
        Plan {
            kind: weights.kind,
            blocks: weights.blocks(),
            unit,
            units: weights.k.div_ceil(unit),
            per_unit: weights.kind.terms(),
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

impl Parts<'_> {
    /// Cuts after a number of rows' units.
    fn split(self, plan: &Plan, units: usize) -> (Self, Self) {
        let blocks = if plan.blocks == 0 {
            0
        } else {
            plan.unit / BLOCK
        };
        let (codes, codes_below) = self.codes.split_at_mut(units * blocks * BLOCK);
        let (scales, scales_below) = self.scales.split_at_mut(units);
        let (terms, terms_below) = self.terms.split_at_mut(units * plan.per_unit);
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
        (above, below)
    }
}

/// Prepares rows, whose first one begins a tile, from a unit on: tile by tile, and of a tile the
/// halves of its units, where there is enough for other threads.
fn prepare(isa: Isa, share: bool, plan: &Plan, x: ArrayView2<'_, f32>, parts: Parts<'_>) {
    let (rows, k) = x.dim();
    let share = share && rows * k >= 2 * PART;
    let units = k.div_ceil(plan.unit);
    let (x, below, cut) = if rows > TILE_ROWS {
        let cut = rows.div_ceil(2).next_multiple_of(TILE_ROWS);
        let (above, below) = x.split_at(Axis(0), cut);
        (above, below, cut * units)
    } else if share && units > 1 {
        let cut = units / 2;
        let (left, right) = x.split_at(Axis(1), cut * plan.unit);
        (left, right, cut * rows)
    } else {
        return tile_at(isa, x, plan, parts);
    };
    let (parts, parts_below) = parts.split(plan, cut);
    let first = || prepare(isa, share, plan, x, parts);
    let second = || prepare(isa, share, plan, below, parts_below);
    if share {
        rayon::join(first, second);
    } else {
        first();
        second();
    }
}

by_level! {
    fn tile_at(x: ArrayView2<'_, f32>, plan: &Plan, parts: Parts<'_>) = tile_body;
}

/// All rows of a tile, a stretch of k after the other.
#[inline(always)]
fn tile_body(x: ArrayView2<'_, f32>, plan: &Plan, parts: Parts<'_>) {
    let height = x.nrows();
    let units = (STRETCH / plan.unit).max(1);
    for (i, x) in x.axis_chunks_iter(Axis(1), units * plan.unit).enumerate() {
        for (row, x) in x.rows().into_iter().enumerate() {
            // Rows are contiguous, as the caller has checked.
            let x = x.as_slice().unwrap_or(&[]);
            let place = Place {
                first: i * units,
                height,
                row,
            };
            if plan.blocks == 0 {
                sum_body(x, plan, place, parts.scales);
            } else {
                quantize_body(x, plan, place, parts.codes, parts.scales, parts.terms);
            }
        }
    }
}

/// A row of a tile, from a unit on.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    height: usize,
    row: usize,
}

impl Place {
    /// The index of a unit, or of block `block` of `blocks` in each.
    fn index(self, blocks: usize, block: usize) -> usize {
        (self.first * blocks + block) * self.height + self.row
    }
}

/// At most [`STRETCH`] values. The steps go over all blocks each, so that they need not wait for
/// each other.
#[inline(always)]
fn quantize_body(
    x: &[f32],
    plan: &Plan,
    place: Place,
    codes: &mut [i8],
    scales: &mut [f32],
    terms: &mut [i32],
) {
    let copy: [f32; STRETCH];
    let (blocks, _) = if x.len() == STRETCH {
        x.as_chunks::<BLOCK>()
    } else {
        copy = padded(x);
        copy[..x.len().next_multiple_of(BLOCK)].as_chunks::<BLOCK>()
    };
    let mut largest = [0; BLOCKS];
    for (i, x) in blocks.iter().enumerate() {
        // By an index that is checked: the compiler would otherwise put blocks, and not values,
        // side by side in vectors.
        largest[i] = largest_of(x);
    }
    let per_unit = plan.unit / BLOCK;
    if per_unit > 1 {
        largest = [largest.into_iter().fold(0, u32::max); BLOCKS];
    }
    let (mut steps, mut inverses) = ([0.0; BLOCKS], [0.0; BLOCKS]);
    for i in 0..BLOCKS {
        (steps[i], inverses[i]) = factors_of(largest[i]);
    }
    for (i, x) in blocks.iter().enumerate() {
        let (scale, inverse) = (steps[i], inverses[i]);
        let block = place.index(per_unit, i);
        let wide = round(x, inverse);
        for (code, wide) in codes[block * BLOCK..][..BLOCK].iter_mut().zip(wide) {
            *code = wide as i8;
        }
        let unit = place.index(1, i / per_unit);
        scales[unit] = scale;
        let terms = &mut terms[unit * plan.per_unit..][..plan.per_unit];
        match plan.kind {
            // Pairs of 16 bits: sums 0 and 2, 1 and 3, 4 and 6, 5 and 7.
            Kind::K4 => {
                let (pair, sum) = (i / 4 * 2 + i % 2, sum(&wide) & 0xffff);
                terms[pair] = match i % 4 / 2 {
                    0 => sum,
                    _ => terms[pair] | sum << 16,
                };
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

/// Values, and zeros where they have ended.
#[inline(always)]
fn padded<const N: usize>(x: &[f32]) -> [f32; N] {
    let mut padded = [0.0; N];
    padded[..x.len()].copy_from_slice(x);
    padded
}

/// The scale of a unit, and what values are multiplied with to get their codes.
pub(super) fn scale_of(x: &[f32]) -> (f32, f32) {
    let blocks = x.chunks(BLOCK).map(|x| largest_of(&padded(x)));
    factors_of(blocks.max().unwrap_or(0))
}

/// The largest bits of a magnitude. Those of what is not finite are above all others.
#[inline(always)]
fn largest_of(x: &[f32; BLOCK]) -> u32 {
    let mut lanes = [0; BLOCK];
    for (lane, x) in lanes.iter_mut().zip(x) {
        *lane = x.abs().to_bits();
    }
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = lanes[i].max(lanes[i + half]);
        }
    }
    lanes[0]
}

/// The scale and its reciprocal, of the largest bits.
///
/// A value that is not finite makes the scale NaN. Values too small for `127 / absmax` to be
/// finite (below 4e-37) count as zero.
#[inline(always)]
fn factors_of(bits: u32) -> (f32, f32) {
    let largest = f32::from_bits(bits);
    let inverse = 127.0 / largest;
    let finite = largest.is_finite();
    let usable = finite & inverse.is_finite();
    let none = if finite { 0.0 } else { f32::NAN };
    (
        if usable { largest / 127.0 } else { none },
        if usable { inverse } else { 0.0 },
    )
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
fn sum_body(x: &[f32], plan: &Plan, place: Place, sums: &mut [f32]) {
    for (unit, x) in x.chunks(plan.unit).enumerate() {
        sums[place.index(1, unit)] = lane_sum(x);
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
