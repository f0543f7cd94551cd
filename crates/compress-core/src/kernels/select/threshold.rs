//! What lies below a threshold goes, in place.

use rayon::prelude::*;

use crate::Result;
use crate::isa::Isa;
use crate::kernels::levels::by_level;

/// Values that a thread takes at once, and below which there is only one.
pub(super) const BLOCK: usize = 1 << 16;

/// Sets to +0 each value whose magnitude is below `threshold`.
///
/// Exactly `|x| < threshold` decides, as IEEE 754 compares: NaN stays, −0 becomes +0 where the
/// threshold is positive, and a threshold that is zero, negative or NaN changes nothing. Large
/// inputs are shared among the threads of the current pool.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn zero_below(values: &mut [f32], threshold: f32) -> Result<()> {
    zero_below_at(Isa::active()?, values, threshold);
    Ok(())
}

/// As [`zero_below`], at a given level.
pub fn zero_below_at(isa: Isa, values: &mut [f32], threshold: f32) {
    count_ties(isa, values, threshold);
}

/// As [`zero_below_at`]; how many magnitudes equal the threshold.
pub(super) fn count_ties(isa: Isa, values: &mut [f32], threshold: f32) -> usize {
    if values.len() <= BLOCK {
        return zero_at(isa, values, threshold);
    }
    let blocks = values.par_chunks_mut(BLOCK);
    blocks.map(|block| zero_at(isa, block, threshold)).sum()
}

by_level! {
    fn zero_at(values: &mut [f32], threshold: f32) -> usize = zero;
}

#[inline(always)]
fn zero(values: &mut [f32], threshold: f32) -> usize {
    let mut ties = 0u32;
    // A selection with an unconditional store costs the same at every sparsity.
    for x in values {
        let magnitude = x.abs();
        ties += u32::from(magnitude == threshold);
        *x = if magnitude < threshold { 0.0 } else { *x };
    }
    ties as usize
}
