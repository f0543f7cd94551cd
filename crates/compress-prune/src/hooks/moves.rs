//! One update of the connections of dynamic sparse training, in one tensor.

use compress_core::Result;
use compress_core::rng::{self, Stream};

use crate::structure::keep_highest;

/// What the connections that grow are chosen by.
pub(super) enum Chosen<'a> {
    /// The largest magnitudes of these gradients, one for each weight.
    ByGradient(&'a [f32]),
    /// At random.
    AtRandom(Box<Stream>),
}

/// Drops the fraction `drop` of the live weights (rounded down), those with the smallest magnitudes,
/// and lets as many others grow among all that are then dead, those just dropped included. Of equal
/// magnitudes the first stay, and the first grow.
///
/// # Errors
/// Where a live weight, or a gradient, is not finite.
pub(super) fn update(
    keep: &mut [bool],
    values: &[f32],
    drop: f64,
    chosen: Chosen<'_>,
) -> Result<()> {
    let live = positions(keep, true);
    let dropped = ((drop * live.len() as f64) as usize).min(live.len());
    if dropped == 0 {
        return Ok(());
    }
    let stay = highest(values, &live, live.len() - dropped)?;
    keep.fill(false);
    stay.iter().for_each(|&position| keep[position] = true);
    let mut dead = positions(keep, false);
    let grown = match chosen {
        Chosen::ByGradient(gradient) => highest(gradient, &dead, dropped)?,
        Chosen::AtRandom(mut stream) => {
            rng::shuffle(&mut stream, &mut dead);
            dead.truncate(dropped);
            dead
        }
    };
    grown.iter().for_each(|&position| keep[position] = true);
    Ok(())
}

/// Where the marks are `marked`, ascending.
fn positions(marks: &[bool], marked: bool) -> Vec<usize> {
    (0..marks.len()).filter(|&i| marks[i] == marked).collect()
}

/// The `count` of `positions` where the magnitudes of `values` are largest.
fn highest(values: &[f32], positions: &[usize], count: usize) -> Result<Vec<usize>> {
    let candidates: Vec<f32> = positions.iter().map(|&i| values[i]).collect();
    let marks = keep_highest(&[&candidates], count)?;
    let marked = positions.iter().zip(marks.into_iter().flatten());
    Ok(marked.filter(|(_, mark)| *mark).map(|(&i, _)| i).collect())
}
