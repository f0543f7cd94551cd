//! Measures every stage's file, the test set last, and makes the report of it.

use compress_core::artifact::Artifact;
use compress_core::kernels::reduce;
use compress_core::network::Network;
use compress_core::runtime::Runtime;
use compress_core::train::Samples;
use compress_nn::Mlp;
use compress_nn::data::ImageSet;
use sha2::{Digest, Sha256};

use super::Finished;
use super::lab::{Lab, densities, nonzero};
use crate::data::hexadecimal;
use crate::evaluate::count_errors;
use crate::report::{Curve, FrontierPoint, Histogram, LayerDensity, Report, Stage, StoredRow};
use crate::run::RunError;

/// Bars of a weight histogram.
const BINS: usize = 61;

/// Published whole-file results for 784-300-100-10: name, bytes, test error in percent.
const PUBLISHED: &[(&str, usize, f64)] = &[
    ("Deep Compression (Han et al. 2016)", 27_000, 1.58),
    ("RigL+ (Evci et al. 2020)", 16_113, 1.69),
    ("Oktay et al. 2020", 8_560, 1.9),
];

/// Measures the stages and writes the report; `stages` ends with the model that ships.
pub(super) fn report(lab: &Lab<'_>, stages: &[Finished]) -> Result<(), RunError> {
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
    let mut rows = Vec::new();
    let mut layer_densities = Vec::new();
    for finished in stages {
        let decoded = Decoded::of(finished)?;
        rows.push(row(&decoded, finished, lab, test.as_ref(), original_bytes)?);
        layer_densities.extend(
            densities(&decoded.network)
                .into_iter()
                .map(|(layer, density)| LayerDensity {
                    stage: finished.label.to_owned(),
                    layer,
                    density,
                }),
        );
    }
    let shipped = Decoded::of(last)?;
    let report = Report {
        experiment: lab.run.experiment.to_owned(),
        profile: lab.run.profile.name().to_owned(),
        seed: lab.run.seed,
        model_hash: hexadecimal(&Sha256::digest(&last.outcome.file)),
        settings: lab.settings.describe(),
        frontier: frontier(&rows, test.as_ref()),
        stages: rows,
        validation_samples: lab.validation.len(),
        test_samples: test.as_ref().map(|images| images.len()),
        curves: stages
            .iter()
            .filter(|s| !s.outcome.epochs.is_empty())
            .map(curve)
            .collect(),
        histograms: histograms(distilled, &shipped)?,
        densities: layer_densities,
        tensors: shipped.stored,
        image_width: 28,
        pixel_use: pixel_use(&shipped.network),
        command: lab.run.command(),
    };
    lab.run.finish(&report, &last.outcome.file)
}

/// A stage's model as it comes out of its file.
struct Decoded {
    runtime: Runtime,
    network: Mlp,
    stored: Vec<StoredRow>,
}

impl Decoded {
    fn of(finished: &Finished) -> Result<Self, RunError> {
        let artifact = Artifact::from_bytes(&finished.outcome.file)?;
        let (bytes, stored) = artifact.to_bytes()?;
        if bytes != finished.outcome.file {
            return Err(failed(
                "a decoded file is not encoded to the same bytes again",
            ));
        }
        let network = Mlp::from_artifact(&artifact)?;
        let runtime = Runtime::new(artifact)?;
        // A layer is a weight and a bias.
        let kernels = runtime
            .kernels()
            .flat_map(|k| [k.to_string(), String::new()]);
        let stored = stored
            .into_iter()
            .zip(kernels)
            .map(|(t, kernel)| StoredRow {
                name: t.name,
                coding: t.coding.to_owned(),
                bytes: t.bytes,
                kernel,
            })
            .collect();
        Ok(Decoded {
            network,
            runtime,
            stored,
        })
    }
}

fn row(
    decoded: &Decoded,
    finished: &Finished,
    lab: &Lab<'_>,
    test: Option<&ImageSet>,
    original_bytes: usize,
) -> Result<Stage, RunError> {
    let bytes = finished.outcome.file.len();
    let validation_errors = count_errors(&decoded.runtime, &lab.validation)?;
    Ok(Stage {
        stage: finished.label.to_owned(),
        parameters: decoded.network.architecture().parameter_count(),
        nonzero: nonzero(&decoded.network),
        bytes,
        ratio: original_bytes as f64 / bytes as f64,
        validation_error_percent: percent(validation_errors, lab.validation.len()),
        test_errors: test
            .map(|images| count_errors(&decoded.runtime, images))
            .transpose()?,
    })
}

/// Error against bytes: ours by the test set where it is open, and what others published.
fn frontier(rows: &[Stage], test: Option<&ImageSet>) -> Vec<FrontierPoint> {
    let ours = rows.iter().map(|row| FrontierPoint {
        label: row.stage.clone(),
        bytes: row.bytes,
        error_percent: match (row.test_errors, test) {
            (Some(errors), Some(images)) => percent(errors, images.len()),
            _ => row.validation_error_percent,
        },
        published: false,
    });
    let published = PUBLISHED
        .iter()
        .map(|&(label, bytes, error_percent)| FrontierPoint {
            label: label.to_owned(),
            bytes,
            error_percent,
            published: true,
        });
    ours.chain(published).collect()
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

/// For each pixel how many weights of the first layer read it.
fn pixel_use(network: &Mlp) -> Vec<f32> {
    let architecture = network.architecture();
    let mut counts = vec![0.0; architecture.features];
    let parameters = network.parameters();
    let Some(first) = parameters.first() else {
        return counts;
    };
    for (column, weights) in first.matrix().columns().into_iter().enumerate() {
        let feature = architecture
            .selected
            .as_ref()
            .map_or(column, |s| s[column] as usize);
        counts[feature] = weights.iter().filter(|w| **w != 0.0).count() as f32;
    }
    counts
}

fn find<'s>(stages: &'s [Finished], label: &str) -> Result<&'s Finished, RunError> {
    stages
        .iter()
        .find(|s| s.label == label)
        .ok_or_else(|| failed(&format!("no stage {label:?}")))
}

fn failed(reason: &str) -> RunError {
    RunError::measure(reason.into())
}

fn percent(errors: usize, samples: usize) -> f64 {
    100.0 * errors as f64 / samples as f64
}
