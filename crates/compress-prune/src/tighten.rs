//! A mask that only ever gets tighter.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};

use crate::structure::{check_no_collapse, check_scores};

/// The mask that `structure` makes of `scores`, without anything that `earlier` has pruned.
///
/// # Errors
/// Where a score cannot be ranked, or a tensor would lose all of its weights at a density above 0;
/// those of the structure.
pub(crate) fn tighten(
    mut scores: Scores,
    earlier: &Mask,
    structure: &dyn Structure,
    density: f64,
) -> Result<Mask> {
    // A score that cannot be ranked is an error also where the earlier mask would hide it.
    check_scores(&scores)?;
    sink_pruned(&mut scores, earlier);
    let mut mask = structure.mask(&scores, density)?;
    intersect(&mut mask, earlier);
    check_no_collapse(&mask, density)?;
    Ok(mask)
}

/// Ranks what is pruned below everything else, whatever the criterion says of it.
fn sink_pruned(scores: &mut Scores, mask: &Mask) {
    /// The smallest positive f32: where a live weight scores zero, it still outranks the pruned.
    const LOWEST_LIVE: f32 = f32::from_bits(1);
    for tensor in &mask.tensors {
        let scored = scores.tensors.iter_mut().find(|s| s.name == tensor.name);
        for (score, &keep) in scored
            .into_iter()
            .flat_map(|s| &mut s.values)
            .zip(&tensor.keep)
        {
            *score = if keep { score.max(LOWEST_LIVE) } else { 0.0 };
        }
    }
}

/// Removes from `mask` what is not in `earlier`.
fn intersect(mask: &mut Mask, earlier: &Mask) {
    for tensor in &earlier.tensors {
        let found = mask.tensors.iter_mut().find(|t| t.name == tensor.name);
        for (keep, &before) in found
            .into_iter()
            .flat_map(|t| &mut t.keep)
            .zip(&tensor.keep)
        {
            *keep &= before;
        }
    }
}
