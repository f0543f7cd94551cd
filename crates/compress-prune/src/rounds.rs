//! Pruning in rounds, without training in between.

use compress_core::Result as CoreResult;
use compress_core::evidence::Known;
use compress_core::mask::{Criterion, Mask, Structure, check_fit, score};
use compress_core::parameters::Parameters;

use crate::tighten::tighten;
use crate::{Iterative, Result};

/// Prunes `model` to `density` in equal factors: after round k of n, the fraction `densityᵏᐟⁿ` stays,
/// as [`Iterative::densities`] plans it.
/// Before each round, `know` finds out what the criterion needs to know of the model as it is then.
/// What a round prunes stays pruned. Returns the mask; the model has zeros there.
///
/// # Errors
/// Where there are no rounds, the density is not above 0 and at most 1, the structure cannot reach it
/// or that of a round, and those of `know`, the criterion, the structure and the model. The model is
/// left as after the last whole round.
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
    let densities = Iterative { rounds }.densities(1.0, density)?;
    check_fit(criterion, structure)?;
    structure.check_density(density)?;
    let mut mask = Mask::default();
    for density in densities {
        let known = know(model)?;
        let scores = score(model, criterion, &known)?;
        mask = tighten(scores, &mask, structure, density)?;
        mask.apply(model)?;
    }
    Ok(mask)
}
