//! Sixteen groups of values at once, each in a lane of its own.

use super::bytes::of_five_bits;
use super::lanes::{LANES, Lanes};
use crate::kernels::half;

/// Value i of each group.
pub(super) type Values<L, const GROUP: usize> = [L; GROUP];

/// The groups of consecutive values, of 16 values or a multiple; zeros where there are no values.
#[inline(always)]
pub(super) fn transpose<L: Lanes, const GROUP: usize>(values: &[f32]) -> Values<L, GROUP> {
    let padded;
    let groups = values.as_chunks::<GROUP>().0;
    let groups = match groups.first_chunk() {
        Some(groups) => groups,
        None => {
            padded = pad(groups);
            &padded
        }
    };
    let mut x = [L::all(0.0); GROUP];
    for i in 0..GROUP / LANES {
        let mut square = [L::all(0.0); LANES];
        for lane in 0..LANES {
            square[lane] = L::load(&groups[lane].as_chunks().0[i]);
        }
        L::transpose(&mut square);
        x.as_chunks_mut().0[i] = square;
    }
    x
}

/// The same groups, and others of zeros.
#[cold]
fn pad<const GROUP: usize>(groups: &[[f32; GROUP]]) -> [[f32; GROUP]; LANES] {
    let mut padded = [[0.0; GROUP]; LANES];
    padded[..groups.len()].copy_from_slice(groups);
    padded
}

/// Codes from 0 to 255, group after group, of 16 values or a multiple.
#[inline(always)]
pub(super) fn codes<L: Lanes, const GROUP: usize>(
    values: &Values<L, GROUP>,
) -> [[u8; GROUP]; LANES] {
    let mut codes = [[0; GROUP]; LANES];
    for (i, values) in values.as_chunks().0.iter().enumerate() {
        let bytes = bytes(values);
        for lane in 0..LANES {
            codes[lane].as_chunks_mut().0[i] = bytes[lane];
        }
    }
    codes
}

/// How codes of 32 values lie in bytes.
pub(super) trait Packing {
    /// The bytes of a group.
    type Bytes;
    /// Those of each group.
    // Not a closure, which would be compiled without the level's instructions.
    fn pack<L: Lanes>(values: &Values<L, 32>) -> [Self::Bytes; LANES];
}

/// Codes from 0 to 15: the low halves of 16 bytes, and then the high ones.
pub(super) struct Nibbles;

impl Packing for Nibbles {
    type Bytes = [u8; 16];
    #[inline(always)]
    fn pack<L: Lanes>(values: &Values<L, 32>) -> [[u8; 16]; LANES] {
        let mut both = [L::all(0.0); 16];
        for i in 0..16 {
            both[i] = values[16 + i].mul_add(L::all(16.0), values[i]);
        }
        bytes(&both)
    }
}

/// Codes from 0 to 31: their low four bits as [`Nibbles`], and the fifth ones in four bytes.
pub(super) struct FiveBits;

impl Packing for FiveBits {
    type Bytes = ([u8; 16], [u8; 4]);
    #[inline(always)]
    fn pack<L: Lanes>(values: &Values<L, 32>) -> [Self::Bytes; LANES] {
        let codes = codes(values);
        let mut packed = [([0; 16], [0; 4]); LANES];
        for lane in 0..LANES {
            packed[lane] = of_five_bits(&codes[lane]);
        }
        packed
    }
}

/// Each lane's whole numbers from 0 to 255.
#[inline(always)]
fn bytes<L: Lanes>(values: &Values<L, 16>) -> [[u8; 16]; LANES] {
    let mut pairs = [L::all(0.0); 8];
    for i in 0..8 {
        pairs[i] = values[2 * i + 1].mul_add(L::all(256.0), values[2 * i]);
    }
    L::to_bytes(&pairs)
}

/// Each lane's share of a factor a block.
#[inline(always)]
pub(super) fn spread<L: Lanes, const BLOCKS: usize>(factors: [u16; BLOCKS]) -> L {
    let mut lanes = [0.0; LANES];
    for i in 0..LANES {
        lanes[i] = half::to_f32(factors[i * BLOCKS / LANES]);
    }
    L::load(&lanes)
}

/// The sum over the groups of each block.
#[inline(always)]
pub(super) fn sums<L: Lanes, const BLOCKS: usize>(x: L) -> [f32; BLOCKS] {
    let (x, groups) = (x.to_array(), LANES / BLOCKS);
    let mut sums = [0.0; BLOCKS];
    for b in 0..BLOCKS {
        sums[b] = x[b * groups];
        for i in 1..groups {
            sums[b] += x[b * groups + i];
        }
    }
    sums
}

/// `1 / x`; 0 where `x` is 0.
#[inline(always)]
pub(super) fn inverse<L: Lanes>(x: L) -> L {
    x.magnitude().if_positive(L::all(1.0).over(x), L::all(0.0))
}

/// `1 / x`; 0 where that is not finite, and `x` zero in half precision.
#[inline(always)]
pub(super) fn finite_inverse<L: Lanes>(x: L) -> L {
    let inverse = L::all(1.0).over(x);
    let finite = L::all(f32::INFINITY).minus(inverse.magnitude());
    finite.if_positive(inverse, L::all(0.0))
}

/// The value of largest magnitude in each group; of several the first.
#[inline(always)]
pub(super) fn farthest<L: Lanes, const GROUP: usize>(x: &Values<L, GROUP>) -> L {
    let mut largest = x[0].magnitude();
    for x in &x[1..] {
        largest = x.magnitude().at_least(largest);
    }
    // Backwards. A search that keeps the best so far would wait for each comparison.
    let mut farthest = x[GROUP - 1];
    for x in x[..GROUP - 1].iter().rev() {
        farthest = largest.minus(x.magnitude()).if_positive(farthest, *x);
    }
    farthest
}
