//! One student of the tracks `pixels` and `pooled`: learnt from the teachers' logits alone, pruned
//! meanwhile, then quantized, and refined code by code.

use compress_core::artifact::Artifact;
use compress_core::mask::Mask;
use compress_core::train::TrainHook;
use compress_nn::Mlp;
use compress_prune::{MaskHook, RateAware, compact, order_neurons};
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_quant::refine::{RefineOptions, refine};
use ndarray::Array2;

use super::lab::{Lab, Plan, StageError, Student};
use super::settings::Settings;

/// From untrained to as few weights as the target has, without what is dead.
pub(super) fn pruned(lab: &Lab<'_>, settings: &Settings, seed: u64) -> Result<Student, StageError> {
    let criterion = RateAware::default().of_images(settings.track.image_width());
    let criterion = Box::new(criterion);
    lab.pruned("pruned", seed, &settings.pruning(), criterion)
}

/// Changes codes and biases one by one for a smaller loss on the training images as they are, and
/// for fewer bits at the price that training had.
fn refine_codes(
    lab: &Lab<'_>,
    settings: &Settings,
    seed: u64,
    network: &mut Mlp,
    steps: &LearnedStep,
) -> Result<(), StageError> {
    let options = RefineOptions {
        penalty: settings.target.penalty,
        sweeps: settings.refine_sweeps,
        image_width: Some(settings.track.image_width()),
        seed,
    };
    let targets = lab.targets(settings.refine_samples)?;
    let indices: Vec<usize> = (0..targets.nrows()).collect();
    let bar = lab.progress.bar(&format!("refined, seed {seed}"), 1);
    refine(
        network,
        steps,
        &*lab.data,
        &indices,
        targets.view(),
        &options,
        &mut |done, of| bar.reach(done, of),
    )?;
    Ok(())
}

/// With learned steps and whole numbers, in the file that is the result.
pub(super) fn quantized(
    lab: &Lab<'_>,
    settings: &Settings,
    seed: u64,
    pruned: &Student,
) -> Result<Student, StageError> {
    let target = &settings.target;
    let network = Mlp::from_artifact(&Artifact::from_bytes(&pruned.file)?)?;
    let mut mask = MaskHook::new(Mask::of_nonzeros(&network));
    let options = LearnedStepOptions {
        bits: target.bits,
        penalty: target.penalty,
        ..LearnedStepOptions::default()
    };
    let mut steps = LearnedStep::fit(&network, options)?;
    let plan = Plan {
        stage: "quantized".into(),
        passes: target.quantize_passes,
        rate: target.quantize_rate,
        seed,
    };
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut mask, &mut steps];
    let (mut network, epochs) = lab.train(network, &plan, hooks)?;
    // What was rounded to zero may have left neurons without effect.
    steps.round(&mut network)?;
    compact(&mut network)?;
    order_neurons(&mut network)?;
    refine_codes(lab, settings, seed, &mut network, &steps)?;
    compact(&mut network)?;
    order_neurons(&mut network)?;
    let (folded, _) = fold_steps(&steps.to_artifact(&network)?)?;
    let count = settings.rounding_samples.min(lab.data.len());
    let indices: Vec<usize> = (0..count).collect();
    let mut inputs = Array2::zeros((count, lab.data.features()));
    lab.data.fill(0, &indices, inputs.view_mut())?;
    let mut artifact = round_biases(&folded, inputs.view(), target.bias_tolerance)?;
    if let Some(front) = settings.track.front() {
        artifact.architecture = artifact.architecture.behind(front)?;
    }
    let (file, _) = artifact.to_bytes()?;
    Ok(Student { file, epochs })
}
