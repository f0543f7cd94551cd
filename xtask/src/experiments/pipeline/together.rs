//! The chain: teacher, distilled student, gradual pruning while distilling, compaction,
//! quantization-aware fine-tuning.

use compress_core::codec::Granularity;
use compress_core::mask::Mask;
use compress_core::network::Role;
use compress_core::train::{EpochReport, TrainHook};
use compress_distill::{SoftTargets, Teacher};
use compress_nn::{CrossEntropy, Mlp};
use compress_prune::{Cubic, Global, GradualOptions, GradualPruning, Magnitude, MaskHook, compact};
use compress_quant::qat::{FakeQuantize, Refit, Target};
use compress_quant::schemes::{LinearSymmetric, Range};

use super::lab::{Lab, Outcome, Plan, StageError};
use crate::experiments::network::artifact_of;

/// A wide network with dropout on augmented images; the last epochs see little augmentation, so
/// that it ends on images like those it will be asked about.
pub(super) fn teacher(lab: &Lab<'_>) -> Result<Outcome, StageError> {
    let settings = &lab.settings;
    let network = lab.untrained(&settings.teacher, "teacher")?;
    let [strength, last_strength, _] = settings.strengths;
    let rates = &settings.rates;
    let mut plan = Plan::new("teacher", settings.teacher_epochs, rates.teacher);
    plan.batch = Some(settings.teacher_batch);
    plan.dropout = settings.teacher_dropout;
    let strong = lab.augmented(strength, "teacher.augment")?;
    let (network, mut epochs) = lab.train(network, &plan, &strong, &CrossEntropy, &mut [])?;
    plan.epochs = settings.teacher_last_epochs;
    plan.first_epoch = settings.teacher_epochs as u64;
    plan.rate = rates.teacher_last;
    let weak = lab.augmented(last_strength, "teacher.augment")?;
    let (network, last) = lab.train(network, &plan, &weak, &CrossEntropy, &mut [])?;
    epochs.extend(last.into_iter().map(|report| EpochReport {
        epoch: report.epoch + settings.teacher_epochs,
        ..report
    }));
    Outcome::float(&network, epochs)
}

/// The student, from the teacher's soft labels on the transfer set.
pub(super) fn distilled(lab: &Lab<'_>, teacher: &Outcome) -> Result<Outcome, StageError> {
    let network = lab.untrained(&lab.settings.student, "distilled")?;
    let plan = Plan::new(
        "distilled",
        lab.settings.distill_passes,
        lab.settings.rates.distill,
    );
    let (network, epochs) = from_teacher(lab, teacher, network, &plan, &mut [])?;
    Outcome::float(&network, epochs)
}

/// The distilled student, pruned to its final density while it goes on to learn; what is dead
/// then is removed.
pub(super) fn pruned(
    lab: &Lab<'_>,
    teacher: &Outcome,
    student: &Outcome,
) -> Result<Outcome, StageError> {
    let plan = Plan::new(
        "distilled, pruned",
        lab.settings.prune_passes,
        lab.settings.rates.prune,
    );
    let mut pruning = gradual_pruning(lab, lab.settings.density)?;
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruning];
    let (mut network, epochs) = from_teacher(lab, teacher, student.network()?, &plan, hooks)?;
    compact(&mut network)?;
    Outcome::float(&network, epochs)
}

/// The pruned student, which learns on the numbers that its file will hold.
pub(super) fn quantized(
    lab: &Lab<'_>,
    teacher: &Outcome,
    student: &Outcome,
) -> Result<Outcome, StageError> {
    let network = student.network()?;
    let settings = &lab.settings;
    let weights = LinearSymmetric::new(
        settings.weight_bits,
        Granularity::Tensor,
        Range::LeastSquares,
    )?;
    let biases = LinearSymmetric::new(settings.bias_bits, Granularity::Tensor, Range::AbsMax)?;
    let mut mask = MaskHook::new(Mask::of_nonzeros(&network)?);
    let quantize = FakeQuantize::fit(
        &network,
        &[
            (Target::Role(Role::Weight), &weights),
            (Target::Role(Role::Bias), &biases),
        ],
    )?;
    let mut quantize = quantize.with_refit(Refit::Never)?;
    let plan = Plan::new(
        "all together",
        settings.quantize_passes,
        settings.rates.quantize,
    );
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut mask, &mut quantize];
    let (network, epochs) = from_teacher(lab, teacher, network, &plan, hooks)?;
    let (file, _) = artifact_of(&network, quantize.to_tensors(&network)?)?.to_bytes()?;
    Ok(Outcome::with_file(&network, file, epochs))
}

/// Magnitude pruning over all layers together, along the cubic schedule.
pub(super) fn gradual_pruning(lab: &Lab<'_>, density: f64) -> Result<GradualPruning, StageError> {
    let options = GradualOptions {
        target: density,
        interval: lab.settings.prune_interval,
        ..GradualOptions::default()
    };
    let (criterion, structure) = (Box::new(Magnitude), Box::new(Global::default()));
    Ok(GradualPruning::new(
        criterion,
        structure,
        Box::new(Cubic),
        options,
    )?)
}

/// Trains on the teacher's soft labels alone: there are enough images of them.
fn from_teacher(
    lab: &Lab<'_>,
    teacher: &Outcome,
    student: Mlp,
    plan: &Plan<'_>,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<(Mlp, Vec<EpochReport>), StageError> {
    let transfer = lab.transfer(&teacher.network()?)?;
    let loss = SoftTargets::new(
        Teacher::Cached(transfer.logits.clone()),
        lab.settings.temperature,
    )?;
    lab.train(student, plan, &transfer.images, &loss, hooks)
}
