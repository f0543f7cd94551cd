//! Criteria: how important weights ([`Criterion`]) and whole layers ([`LayerCriterion`]) are.
//!
//! A new criterion is one file here and one line in a registry.

mod fisher;
mod layer_loss;
mod magnitude;
mod neuron_norm;
mod rate_aware;

pub use fisher::Fisher;
pub use layer_loss::LayerLoss;
pub use magnitude::Magnitude;
pub use neuron_norm::NeuronNorm;
pub use rate_aware::RateAware;

use compress_core::mask::{Criterion, Scores, TensorScores};
use compress_core::network::{Network, Parameter, Role};
use compress_core::train::Samples;

use crate::Result;
use crate::error::look_up;

/// Scores a network from which a layer was removed.
pub trait LayerCriterion {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// What is lost if `candidate`, from which a layer was removed, replaces the network. The
    /// candidate with the lowest value wins. `None` where it cannot be ranked.
    fn score(&self, candidate: &dyn Network, validation: &dyn Samples) -> Result<Option<f32>>;
}

/// Makes a criterion with its default settings.
pub type MakeCriterion = fn() -> Box<dyn Criterion>;

/// Makes a criterion of layers.
pub type MakeLayerCriterion = fn() -> Box<dyn LayerCriterion>;

/// The criteria of weights, by name.
pub const CRITERIA: &[(&str, MakeCriterion)] = &[
    ("magnitude", || Box::new(Magnitude)),
    ("neuron_norm", || Box::new(NeuronNorm::default())),
    ("fisher", || Box::new(Fisher::default())),
    ("rate_aware", || Box::new(RateAware::default())),
];

/// The criteria of layers, by name.
pub const LAYER_CRITERIA: &[(&str, MakeLayerCriterion)] = &[("layer_loss", || Box::new(LayerLoss))];

/// The criterion of weights of this name, with its default settings.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// assert_eq!(compress_prune::criterion("magnitude")?.name(), "magnitude");
/// assert!(compress_prune::criterion("magic").is_err());
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn criterion(name: &str) -> Result<Box<dyn Criterion>> {
    Ok(look_up("criterion", CRITERIA, name)?())
}

/// The criterion of layers of this name.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// assert_eq!(compress_prune::layer_criterion("layer_loss")?.name(), "layer_loss");
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn layer_criterion(name: &str) -> Result<Box<dyn LayerCriterion>> {
    Ok(look_up("criterion of layers", LAYER_CRITERIA, name)?())
}

/// The weights of `network` in their order, each known to be finite.
fn finite_weights(network: &dyn Network) -> compress_core::Result<Vec<&Parameter>> {
    let mut weights = network.parameters();
    weights.retain(|p| p.role() == Role::Weight);
    for weight in &weights {
        compress_core::Error::check_finite(weight.name(), weight.values())?;
    }
    Ok(weights)
}

/// The scores of `weights`, computed one tensor at a time.
fn score_each(weights: &[&Parameter], score: impl Fn(usize) -> Vec<f32>) -> Scores {
    let entry = |(i, weight): (usize, &&Parameter)| TensorScores {
        name: weight.name().to_owned(),
        shape: weight.shape().to_vec(),
        values: score(i),
    };
    Scores {
        tensors: weights.iter().enumerate().map(entry).collect(),
    }
}
