//! One student of the tracks `pixels` and `pooled`: learnt from the teachers' logits alone, pruned
//! meanwhile, then quantized, refined code by code, repaired and refined again, and its neurons put
//! into an order that a search finds cheaper.

use std::sync::Arc;

use compress_core::mask::Mask;
use compress_core::network::Network;
use compress_core::train::TrainHook;
use compress_format::CoderPrices;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_nn::Mlp;
use compress_prune::{MaskHook, RateAware, compact, order_neurons};
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_quant::refine::{RefineOptions, refine};
use ndarray::Array2;
use serde_json::json;

use super::lab::{Lab, Plan, StageError, Student};
use super::lessons::append;
use super::ordered::ordered;
use super::settings::Settings;
use super::teachers;
use crate::experiments::network::of_file;
use crate::run::{Run, RunError, as_json};
use crate::store::Store;

/// Raise it where the same settings no longer give the same pruned students, so that none that an
/// earlier version has left is taken up.
pub(super) const RECIPE: u32 = 1;

/// The share of the logits' spread by which rounding biases may change them. They lie on a grid but
/// for what float arithmetic has left, so that it is that grid which is found.
const ROUNDING: f32 = 1e-4;
/// The same where they no longer do, as a constant has become a part of some.
const ROUNDING_OFF_GRID: f32 = 0.025;

/// Where pruned students are: a track's targets and its sweep differ in what comes after, so that
/// each goes on from the same.
pub(super) fn pruned_store(run: &Run, settings: &Settings) -> Result<Store, RunError> {
    let (pruning, lessons) = (settings.pruning(), settings.lessons());
    let name = format!("pruned-{}", settings.track.name());
    let of = json!({
        "recipes": [RECIPE, teachers::RECIPE],
        "pruning": as_json(&pruning)?,
        "lessons": as_json(&lessons)?,
    });
    run.kept(&name, of)
}

/// From untrained to as few weights as the target has, without what is dead.
pub(super) fn pruned(lab: &Lab<'_>, settings: &Settings, seed: u64) -> Result<Student, StageError> {
    let pruning = settings.pruning();
    let chain = lab.untrained(pruning.hidden, seed)?.architecture();
    let prices = CoderPrices::of_images(&chain, settings.track.images(settings.shape))?;
    let criterion = Box::new(RateAware::default().with_prices(Arc::new(prices)));
    lab.pruned("pruned", seed, &pruning, criterion)
}

/// Changes codes and biases one by one for a smaller loss on samples of the transfer set, and for
/// fewer bits at the price that training had; biases on a grid where one is given.
fn refine_codes(
    lab: &Lab<'_>,
    settings: &Settings,
    seed: u64,
    network: &mut Mlp,
    steps: &LearnedStep,
    bias_grid: Option<f32>,
) -> Result<(), StageError> {
    let options = RefineOptions {
        penalty: settings.target.penalty,
        temperature: settings.temperature,
        sweeps: settings.refine_sweeps,
        bias_grid,
        seed,
    };
    let images = settings.track.images(settings.shape);
    let chain = network.architecture();
    let prices = CoderPrices::of_images(&chain, images)?;
    let samples = lab.spread(settings.target.refine_samples);
    let targets = lab.targets(&samples, settings.temperature)?;
    let bar = lab.progress.bar(&format!("refined, seed {seed}"), Some(1));
    refine(
        &chain,
        network,
        steps,
        &*lab.data,
        &samples,
        targets.view(),
        &options,
        &prices,
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
    let network = of_file(&pruned.file)?;
    let options = LearnedStepOptions {
        bits: target.bits,
        penalty: target.penalty,
        ..LearnedStepOptions::default()
    };
    let mut steps = LearnedStep::fit(&network, options)?;
    let (mut network, mut epochs) = (network, Vec::new());
    let (first, last) = (target.quantize_rate, target.repair_rate);
    for (stage, passes, rate, bias_grid) in [
        ("quantized", target.quantize_passes, first, None),
        // Refinement leaves more zeros, for which other codes have made good one by one.
        (
            "repaired",
            target.repair_passes,
            last,
            Some(target.bias_grid),
        ),
    ] {
        let mut mask = MaskHook::new(Mask::of_nonzeros(&network)?);
        let plan = Plan {
            stage: stage.into(),
            temperature: settings.temperature,
            passes,
            rate,
            weight_decay: 0.0,
            seed,
        };
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut mask, &mut steps];
        let (trained, of_stage) = lab.train(network, &plan, hooks)?;
        network = trained;
        append(&mut epochs, of_stage);
        order_neurons(&mut network)?;
        refine_codes(lab, settings, seed, &mut network, &steps, bias_grid)?;
    }
    finished(lab, settings, seed, network, &steps).map(|file| Student { file, epochs })
}

/// The file: whole numbers without what is dead, in an order that a search finds cheaper.
fn finished(
    lab: &Lab<'_>,
    settings: &Settings,
    seed: u64,
    mut network: Mlp,
    steps: &LearnedStep,
) -> Result<Vec<u8>, StageError> {
    let target = &settings.target;
    // What has become zero may have left neurons without effect.
    let removed = compact(&mut network)?;
    let tolerance = match removed.neurons_folded {
        0 => ROUNDING,
        _ => ROUNDING_OFF_GRID,
    };
    order_neurons(&mut network)?;
    let chain = network.architecture();
    let (folded, _) = fold_steps(&chain, &steps.to_tensors(&network)?)?;
    let count = settings.rounding_samples.min(lab.data.len());
    let indices: Vec<usize> = (0..count).collect();
    let mut inputs = Array2::zeros((count, lab.data.features()));
    lab.data.fill(0, &indices, inputs.view_mut())?;
    let rounded = round_biases(&chain, &folded, tolerance, &|tensors| {
        let artifact = Artifact::of_chain(chain.clone(), tensors.to_vec())?;
        Runtime::new(artifact)?.predict(inputs.view())
    })?;
    let chain = match settings.track.front(settings.shape) {
        Some(front) => chain.behind(front)?,
        None => chain,
    };
    let artifact = Artifact::of_chain(chain, rounded)?;
    let bar = lab.progress.bar(&format!("ordered, seed {seed}"), Some(1));
    let artifact = ordered(&artifact, target.order_window, &mut |done, of| {
        bar.reach(done, of);
    })?;
    let (file, _) = artifact.to_bytes()?;
    Ok(file)
}
