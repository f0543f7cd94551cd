//! How often each digit occurs among the magnitudes that share the digits above it.

use rayon::prelude::*;

/// Values that a thread counts at once; far fewer than a count of 32 bits can hold.
const BLOCK: usize = 1 << 18;
/// Histograms that take turns. Neighbouring weights often share a digit, and an increment of a
/// counter that was just written would wait for that write.
const TURNS: usize = 4;
/// Digits of the longest kind.
const DIGITS: usize = 1 << 11;

/// One of the three digits of the 31 bits of a magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digit {
    /// The exponent and 3 bits of the mantissa: 11 bits.
    High,
    /// 10 bits.
    Middle,
    /// The last 10 bits.
    Low,
}

impl Digit {
    /// Highest first.
    pub(super) const ALL: [Digit; 3] = [Digit::High, Digit::Middle, Digit::Low];
    /// The first high digit of infinities and NaN.
    pub(super) const NON_FINITE: usize = 0x7f80_0000 >> 20;

    /// The position of its lowest bit.
    pub(super) fn shift(self) -> u32 {
        match self {
            Digit::High => 20,
            Digit::Middle => 10,
            Digit::Low => 0,
        }
    }

    /// The bits above it.
    fn above(self) -> u32 {
        match self {
            Digit::High => 0,
            Digit::Middle => 0x7ff0_0000,
            Digit::Low => 0x7fff_fc00,
        }
    }

    /// The digit's own bits, moved to the lowest place.
    fn mask(self) -> u32 {
        match self {
            Digit::High => 0x7ff,
            Digit::Middle | Digit::Low => 0x3ff,
        }
    }
}

/// Counts each value of `digit` among the magnitudes whose digits above it are those of `found`.
pub(super) fn count(tensors: &[&[f32]], digit: Digit, found: u32) -> Vec<u64> {
    let blocks: Vec<&[f32]> = tensors.iter().flat_map(|t| t.chunks(BLOCK)).collect();
    let of_block = |mut counts: Vec<u64>, block: &&[f32]| {
        count_block(block, digit, found, &mut counts);
        counts
    };
    let none = || vec![0; digit.mask() as usize + 1];
    if blocks.len() == 1 {
        return of_block(none(), &blocks[0]);
    }
    let add = |mut a: Vec<u64>, b: Vec<u64>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    blocks.par_iter().fold(none, of_block).reduce(none, add)
}

/// Adds the counts of one block.
fn count_block(x: &[f32], digit: Digit, found: u32, counts: &mut [u64]) {
    let (shift, above, mask) = (digit.shift(), digit.above(), digit.mask());
    let mut turns = [[0u32; DIGITS]; TURNS];
    let mut add = |turn: usize, v: f32| {
        let bits = v.to_bits();
        let place = (bits >> shift) & mask;
        // Without a branch, which random weights would mispredict.
        turns[turn][place as usize % DIGITS] += u32::from(bits & above == found);
    };
    let mut whole = x.chunks_exact(TURNS);
    for values in whole.by_ref() {
        for (turn, &v) in values.iter().enumerate() {
            add(turn, v);
        }
    }
    whole.remainder().iter().for_each(|&v| add(0, v));
    for turn in &turns {
        for (count, &n) in counts.iter_mut().zip(turn) {
            *count += u64::from(n);
        }
    }
}
