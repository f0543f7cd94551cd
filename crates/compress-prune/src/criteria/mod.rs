//! Criteria: how important weights ([`Criterion`]) and whole layers ([`LayerCriterion`]) are.
//!
//! A new criterion is one file here and one line in a registry.

mod activation_rate;
mod geometric_median;
mod grasp;
mod lamp;
mod layer_loss;
mod magnitude;
mod movement;
mod neuron_l1;
mod neuron_norm;
mod neuron_taylor;
mod neurons; // tidy: allow(what criteria of neurons share)
mod obd;
mod obs;
mod per_value; // tidy: allow(what criteria of single values share)
mod random;
mod rate_aware;
mod second_moments;
mod snip;
mod syn_flow;
mod taylor;
mod wanda;

pub use activation_rate::ActivationRate;
pub use geometric_median::GeometricMedian;
pub use grasp::Grasp;
pub use lamp::Lamp;
pub use layer_loss::LayerLoss;
pub use magnitude::Magnitude;
pub use movement::Movement;
pub use neuron_l1::NeuronL1;
pub use neuron_norm::NeuronNorm;
pub use neuron_taylor::NeuronTaylor;
pub use obd::Obd;
pub use obs::Obs;
pub use random::Random;
pub use rate_aware::RateAware;
pub use second_moments::SecondMoments;
pub use snip::Snip;
pub use syn_flow::SynFlow;
pub use taylor::Taylor;
pub use wanda::Wanda;

use compress_core::mask::Criterion;
use compress_core::registry::{Named, look_up};

use crate::Result;
use crate::layer_criterion::LayerCriterion;

/// The settings of a criterion that is made by name. Each takes those that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CriterionSettings {
    /// The seed of [`Random`].
    pub seed: u64,
    /// Whether [`NeuronNorm`] looks at outgoing weights too.
    pub outgoing: bool,
}

/// One line of [`CRITERIA`].
#[derive(Clone, Copy, Debug)]
pub struct CriterionEntry {
    /// The criterion's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it. [`Criterion::needs`] then says what it needs to know.
    pub make: fn(&CriterionSettings) -> Box<dyn Criterion>,
}

impl Named for CriterionEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// One line of [`LAYER_CRITERIA`].
#[derive(Clone, Copy, Debug)]
pub struct LayerCriterionEntry {
    /// The criterion's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: fn() -> Box<dyn LayerCriterion>,
}

impl Named for LayerCriterionEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

const fn entry(
    name: &'static str,
    about: &'static str,
    make: fn(&CriterionSettings) -> Box<dyn Criterion>,
) -> CriterionEntry {
    CriterionEntry { name, about, make }
}

/// The criteria of weights, by name.
pub const CRITERIA: &[CriterionEntry] = &[
    entry("magnitude", "the magnitude of each weight", |_| {
        Box::new(Magnitude)
    }),
    entry("random", "at random: the baseline", |s| {
        Box::new(Random { seed: s.seed })
    }),
    entry("wanda", "magnitude times the norm of the input", |_| {
        Box::new(Wanda)
    }),
    entry("neuron_norm", "the norm of each neuron's weights", |s| {
        Box::new(NeuronNorm {
            outgoing: s.outgoing,
        })
    }),
    entry(
        "neuron_l1",
        "the magnitudes of each neuron's weights",
        |_| Box::new(NeuronL1),
    ),
    entry("neuron_taylor", "the loss without each neuron", |_| {
        Box::new(NeuronTaylor)
    }),
    entry("activation_rate", "how often each neuron is active", |_| {
        Box::new(ActivationRate)
    }),
    entry("geometric_median", "how far neurons lie apart", |_| {
        Box::new(GeometricMedian)
    }),
    entry(
        "second_moments",
        "how much the loss would rise, by Adam's moments",
        |_| Box::new(SecondMoments),
    ),
    entry(
        "rate_aware",
        "second_moments for each bit that a weight costs",
        |_| Box::new(RateAware::default()),
    ),
    entry("taylor", "how much the loss would change", |_| {
        Box::new(Taylor)
    }),
    entry("snip", "the same, at initialization", |_| Box::new(Snip)),
    entry("grasp", "the flow of gradients", |_| Box::new(Grasp)),
    entry(
        "syn_flow",
        "the paths through each weight, in rounds",
        |_| Box::new(SynFlow),
    ),
    entry("movement", "which weights grow in training", |_| {
        Box::new(Movement)
    }),
    entry("obd", "how much the loss would rise, by its Fisher", |_| {
        Box::new(Obd)
    }),
    entry("lamp", "the magnitude, comparable between layers", |_| {
        Box::new(Lamp)
    }),
    entry("obs", "the error after repair by other weights", |_| {
        Box::new(Obs::default())
    }),
];

/// The criteria of layers, by name.
pub const LAYER_CRITERIA: &[LayerCriterionEntry] = &[LayerCriterionEntry {
    name: "layer_loss",
    about: "the validation loss without the layer",
    make: || Box::new(LayerLoss),
}];

/// The criterion of weights of this name.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// let criterion = compress_prune::criterion("wanda", &Default::default())?;
/// assert!(criterion.needs().inputs);
/// assert!(compress_prune::criterion("magic", &Default::default()).is_err());
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn criterion(name: &str, settings: &CriterionSettings) -> Result<Box<dyn Criterion>> {
    Ok((look_up("criterion", CRITERIA, name)?.make)(settings))
}

/// The criterion of layers of this name.
///
/// # Errors
/// Where there is none; the error lists those that exist.
pub fn layer_criterion(name: &str) -> Result<Box<dyn LayerCriterion>> {
    Ok((look_up("criterion of layers", LAYER_CRITERIA, name)?.make)())
}
