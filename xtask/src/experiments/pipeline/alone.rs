//! Each technique by itself on one dense student, to show what each one gives.

use compress_core::codec::Granularity;
use compress_core::evidence::Known;
use compress_core::network::Role;
use compress_core::train::TrainHook;
use compress_distill::{Joint, Teacher, teacher_logits};
use compress_nn::{CrossEntropy, Mlp};
use compress_prune::{LayerLoss, NeuronNorm, NeuronsKept, prune_layer, prune_neurons};
use compress_quant::ptq::{Others, quantize_model};
use compress_quant::qat::{FakeQuantize, Refit, Target};
use compress_quant::schemes::{Codebook, LinearSymmetric, PowerOfTwo, Range, Scheme, ZeroLevel};

use super::lab::{Lab, Outcome, Plan, StageError};
use super::together::gradual_pruning;
use crate::experiments::network::artifact_of;

/// What a stage does to the dense student.
pub(super) type Technique = fn(&Lab<'_>, &Outcome) -> Result<Outcome, StageError>;

/// Every technique alone, by its label in the report.
pub(super) const ALL: &[(&str, Technique)] = &[
    ("pruned: weights", weights),
    ("pruned: neurons", neurons),
    ("pruned: a layer", layer),
    ("quantized: linear 8 bit (rounded)", |_, dense| {
        rounded(dense, &linear(8)?)
    }),
    ("quantized: linear 4 bit (rounded)", |_, dense| {
        rounded(dense, &linear(4)?)
    }),
    ("quantized: linear 2 bit (fine-tuned)", two_bits),
    ("quantized: codebook 4 bit (rounded)", |_, dense| {
        rounded(dense, &Codebook::new(16, ZeroLevel::Pinned)?)
    }),
    ("quantized: power of two 4 bit (rounded)", |_, dense| {
        rounded(dense, &PowerOfTwo::new(4)?)
    }),
];

/// The student as one trains it without a teacher: hard labels, no augmentation.
pub(super) fn dense(lab: &Lab<'_>) -> Result<Outcome, StageError> {
    let network = lab.untrained(&lab.settings.student, "dense")?;
    let plan = Plan::new("dense", lab.settings.dense_epochs, lab.settings.rates.dense);
    let (network, epochs) = lab.train(network, &plan, &lab.training, &CrossEntropy, &mut [])?;
    Outcome::float(&network, epochs)
}

/// Single weights by magnitude, gradually, over all layers together.
fn weights(lab: &Lab<'_>, dense: &Outcome) -> Result<Outcome, StageError> {
    let mut pruning = gradual_pruning(lab, lab.settings.alone_density)?;
    tune(
        lab,
        "pruned: weights",
        dense.network()?,
        &mut [&mut pruning],
    )
}

/// Whole neurons by the norm of their weights.
fn neurons(lab: &Lab<'_>, dense: &Outcome) -> Result<Outcome, StageError> {
    let mut network = dense.network()?;
    let kept = NeuronsKept::Fraction(lab.settings.alone_neurons);
    prune_neurons(
        &mut network,
        &NeuronNorm::default(),
        Known::nothing(),
        &kept,
    )?;
    tune(lab, "pruned: neurons", network, &mut [])
}

/// The hidden layer that is missed least, repaired by distillation from the whole student.
fn layer(lab: &Lab<'_>, dense: &Outcome) -> Result<Outcome, StageError> {
    let teacher = dense.network()?;
    let mut network = teacher.clone();
    prune_layer(&mut network, &LayerLoss, &lab.validation)?;
    let plan = Plan::new(
        "pruned: a layer",
        lab.settings.tune_epochs,
        lab.settings.rates.tune,
    );
    let logits = teacher_logits(&teacher, &lab.training)?;
    let loss = Joint::new(
        Teacher::Cached(logits),
        lab.settings.temperature,
        lab.settings.soft_weight,
    )?;
    let (network, epochs) = lab.train(network, &plan, &lab.training, &loss, &mut [])?;
    Outcome::float(&network, epochs)
}

/// Two bits are too few for rounding alone: the student learns on the rounded weights.
fn two_bits(lab: &Lab<'_>, dense: &Outcome) -> Result<Outcome, StageError> {
    let network = dense.network()?;
    let scheme = linear(2)?;
    let quantize = FakeQuantize::fit(&network, &[(Target::Role(Role::Weight), &scheme)])?;
    let mut quantize = quantize.with_refit(Refit::Never)?;
    let plan = Plan::new(
        "quantized: linear 2 bit",
        lab.settings.tune_epochs,
        lab.settings.rates.two_bits,
    );
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut quantize];
    let (network, epochs) = lab.train(network, &plan, &lab.training, &CrossEntropy, hooks)?;
    let (file, _) = artifact_of(&network, quantize.to_tensors(&network)?)?.to_bytes()?;
    Ok(Outcome::with_file(&network, file, epochs))
}

/// Rounded after training, the biases left in f32.
fn rounded(dense: &Outcome, scheme: &dyn Scheme) -> Result<Outcome, StageError> {
    let network = dense.network()?;
    let tensors = quantize_model(&network, scheme, Others::Float)?;
    let (file, _) = artifact_of(&network, tensors)?.to_bytes()?;
    Ok(Outcome::with_file(&network, file, Vec::new()))
}

fn linear(bits: u8) -> compress_core::Result<LinearSymmetric> {
    LinearSymmetric::new(bits, Granularity::Channel, Range::LeastSquares)
}

/// Fine-tuning on the hard labels.
fn tune(
    lab: &Lab<'_>,
    stage: &str,
    network: Mlp,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<Outcome, StageError> {
    let plan = Plan::new(stage, lab.settings.tune_epochs, lab.settings.rates.tune);
    let (network, epochs) = lab.train(network, &plan, &lab.training, &CrossEntropy, hooks)?;
    Outcome::float(&network, epochs)
}
