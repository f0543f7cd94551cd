//! Pruning in rounds, without training in between.

use compress_core::Result as CoreResult;
use compress_core::evidence::Known;
use compress_core::mask::{Criterion, Mask, Structure, score};
use compress_core::ops::scalar::{exp, ln};
use compress_core::parameters::Parameters;

use crate::Result;
use crate::error::check_fraction;
use crate::tighten::tighten;

/// Prunes `model` to `density` in equal factors: after round k of n, the fraction `densityᵏᐟⁿ` stays.
/// Before each round, `know` finds out what the criterion needs to know of the model as it is then.
/// What a round prunes stays pruned. Returns the mask; the model has zeros there.
///
/// # Errors
/// Where there are no rounds, the density is not from 0 to 1, the structure cannot reach it or that of
/// a round, and those of `know`, the criterion, the structure and the model. The model is left as after the last
/// whole round.
///
/// # Examples
/// Synaptic flow on any model that gives gradients, here with 6 features:
/// ```
/// use compress_core::differentiate::synaptic_flow;
/// use compress_prune::{Global, Known, PerValue, SynFlow, prune_in_rounds};
///
/// let mut model = compress_testing::Chain::random(&[6, 20, 3], 1);
/// let structure = Global::default();
/// let mask = prune_in_rounds(&mut model, &SynFlow, &structure, 0.1, 100, &mut |model| {
///     let mut known = Known::nothing();
///     known.set_values(PerValue::SynapticFlow, synaptic_flow(model, 6)?);
///     Ok(known)
/// })?;
/// assert_eq!((mask.kept(), mask.total()), (18, 180));
/// # Ok::<(), compress_prune::Error>(())
/// ```
///
/// # References
/// Tanaka, Kunin, Yamins, Ganguli 2020 (2006.05467), algorithm 1.
pub fn prune_in_rounds<M: Parameters + ?Sized>(
    model: &mut M,
    criterion: &dyn Criterion,
    structure: &dyn Structure,
    density: f64,
    rounds: usize,
    know: &mut dyn FnMut(&mut M) -> CoreResult<Known>,
) -> Result<Mask> {
    check_fraction("the density", density)?;
    structure.check_density(density)?;
    if rounds == 0 {
        let what = "the rounds of pruning";
        return Err(compress_core::Error::invalid(what, rounds, "at least 1").into());
    }
    let mut mask = Mask::default();
    for round in 1..=rounds {
        let known = know(model)?;
        let scores = score(model, criterion, &known)?;
        let density = after(round, rounds, density);
        mask = tighten(scores, &mask, structure, density)?;
        mask.apply(model)?;
    }
    Ok(mask)
}

/// The density after a round; exactly `density` after the last.
fn after(round: usize, rounds: usize, density: f64) -> f64 {
    if round == rounds {
        return density;
    }
    let share = round as f32 / rounds as f32;
    f64::from(exp(share * ln(density as f32))).clamp(density, 1.0)
}
