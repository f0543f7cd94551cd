//! Measures every stage's file, the test set last, and makes the report of it.

use compress_core::kernels::reduce;
use compress_core::network::Network;
use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use compress_report::plots::{FrontierPoint, Histogram};
use rayon::prelude::*;

use super::Finished;
use super::lab::{Lab, densities};
use crate::data::sha256;
use crate::evaluate::count_errors;
use crate::experiments::decoded::{
    Decoded, failed, layer_weights, nonzero, percent, pixel_use, published,
};
use crate::report::{Curve, LayerDensity, Report, Stage};
use crate::run::{Run, RunError};

/// Bars of a weight histogram.
const BINS: usize = 61;

/// Measures the stages and writes the report; `stages` ends with the model that ships.
pub(super) fn report(lab: &Lab<'_>, stages: &[Finished]) -> Result<(), RunError> {
    let progress = &lab.run.progress;
    let (report, file) = progress.during("measuring", || measured(lab, stages))?;
    lab.run.finish(&report, file)
}

fn measured<'s>(lab: &Lab<'_>, stages: &'s [Finished]) -> Result<(Report, &'s [u8]), RunError> {
    let last = stages.last().ok_or_else(|| failed("there are no stages"))?;
    let dense = find(stages, "dense")?;
    let distilled = find(stages, "distilled")?;
    // The test set is opened here, when every stage is finished, and not before.
    let test = lab.run.test_images(lab.settings.test_limit)?;
    let original = dense
        .outcome
        .network()
        .map_err(RunError::measure)?
        .architecture();
    let original_bytes = 4 * original.parameter_count();
    let (validation, test_images) = (&lab.validation, test.as_ref());
    let measured = stages.par_iter().map(|finished| {
        let decoded = Decoded::of(&finished.outcome.file)?;
        let row = row(&decoded, finished, validation, test_images, original_bytes)?;
        let densities = densities(&decoded.network).into_iter();
        let densities = densities.map(|(layer, density)| LayerDensity {
            stage: finished.label.to_owned(),
            layer,
            density,
        });
        Ok((row, densities.collect::<Vec<_>>()))
    });
    let measured = measured.collect::<Result<Vec<_>, RunError>>()?;
    let (rows, layer_densities): (Vec<Stage>, Vec<_>) = measured.into_iter().unzip();
    let shipped = Decoded::of(&last.outcome.file)?;
    let report = Report {
        headline: None,
        experiment: lab.run.experiment.to_owned(),
        profile: lab.run.profile.name().to_owned(),
        data: lab.run.data(),
        seed: lab.run.seed,
        model_hash: sha256(&last.outcome.file),
        settings: lab.run.described(lab.settings.describe()),
        frontier: frontier(lab.run, &rows, test.as_ref()),
        stages: rows,
        validation_samples: lab.validation.len(),
        test_samples: test.as_ref().map(|images| images.len()),
        curves: stages
            .iter()
            .filter(|s| !s.outcome.epochs.is_empty())
            .map(curve)
            .collect(),
        histograms: histograms(distilled, &shipped)?,
        densities: layer_densities.concat(),
        file_bytes: last.outcome.file.len(),
        tensors: shipped.stored,
        image_width: lab.training.width(),
        pixel_use: pixel_use(&layer_weights(&shipped.network)?),
        weights: Vec::new(),
        command: lab.run.command(),
    };
    Ok((report, &last.outcome.file))
}

fn row(
    decoded: &Decoded,
    finished: &Finished,
    validation: &ImageSet,
    test: Option<&ImageSet>,
    original_bytes: usize,
) -> Result<Stage, RunError> {
    let bytes = finished.outcome.file.len();
    let validation_errors = count_errors(&decoded.runtime, validation)?;
    Ok(Stage {
        stage: finished.label.to_owned(),
        parameters: decoded.network.architecture().parameter_count(),
        nonzero: decoded.network.parameters().into_iter().map(nonzero).sum(),
        bytes,
        ratio: original_bytes as f64 / bytes as f64,
        validation_error_percent: percent(validation_errors, validation.len()),
        test_errors: test
            .map(|images| count_errors(&decoded.runtime, images))
            .transpose()?,
    })
}

/// Error against bytes: ours by the test set where it is open, and what others published of MNIST.
fn frontier(run: &Run, rows: &[Stage], test: Option<&ImageSet>) -> Vec<FrontierPoint> {
    let ours = rows.iter().map(|row| FrontierPoint {
        label: row.stage.clone(),
        bytes: row.bytes,
        error_percent: match (row.test_errors, test) {
            (Some(errors), Some(images)) => percent(errors, images.len()),
            _ => row.validation_error_percent,
        },
        published: false,
    });
    ours.chain(published().filter(|_| run.is_mnist())).collect()
}

fn curve(finished: &Finished) -> Curve {
    Curve {
        stage: finished.label.to_owned(),
        epochs: finished.outcome.epochs.clone(),
    }
}

/// Weights of the distilled student, layer by layer, and of the model that ships.
fn histograms(before: &Finished, after: &Decoded) -> Result<Vec<Histogram>, RunError> {
    let mut all = Vec::new();
    let shipped: Vec<_> = after.network.parameters().into_iter().step_by(2).collect();
    for ((layer, weights), shipped) in before.outcome.weights().zip(shipped) {
        let bound = reduce::absmax(layer, weights)?.max(reduce::absmax(layer, shipped.values())?);
        let bound = bound.max(f32::MIN_POSITIVE);
        let count = |weights: &[f32]| reduce::histogram(layer, weights, -bound, bound, BINS);
        all.push(Histogram {
            layer: layer.to_owned(),
            low: -bound,
            high: bound,
            before: count(weights)?,
            after: count(shipped.values())?,
        });
    }
    Ok(all)
}

fn find<'s>(stages: &'s [Finished], label: &str) -> Result<&'s Finished, RunError> {
    stages
        .iter()
        .find(|s| s.label == label)
        .ok_or_else(|| failed(&format!("no stage {label:?}")))
}
