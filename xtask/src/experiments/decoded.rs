//! A model as its file says it is, which is what experiments measure.

use compress_core::artifact::Artifact;
use compress_core::network::{Network, Parameter};
use compress_core::runtime::Runtime;
use compress_nn::Mlp;

use crate::report::{FrontierPoint, StoredRow};
use crate::run::RunError;

/// A file, decoded.
pub(super) struct Decoded {
    pub(super) runtime: Runtime,
    pub(super) network: Mlp,
    pub(super) stored: Vec<StoredRow>,
}

impl Decoded {
    pub(super) fn of(file: &[u8]) -> Result<Self, RunError> {
        let artifact = Artifact::from_bytes(file)?;
        let (bytes, stored) = artifact.to_bytes()?;
        if bytes != file {
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

/// For each feature that may be selected (each pixel, or each value of a front) how many weights
/// read it.
pub(super) fn pixel_use(network: &Mlp) -> Vec<f32> {
    let architecture = network.architecture();
    let mut counts = vec![0.0; architecture.selectable()];
    let parameters = network.parameters();
    let Some(first) = parameters.first() else {
        return counts;
    };
    for (column, weights) in first.matrix().columns().into_iter().enumerate() {
        let selected = architecture.selected.as_ref();
        let feature = selected.map_or(column, |s| s[column] as usize);
        counts[feature] = weights.iter().filter(|w| **w != 0.0).count() as f32;
    }
    counts
}

/// How many values of a parameter are not zero.
pub(super) fn nonzero(parameter: &Parameter) -> usize {
    parameter.values().iter().filter(|v| **v != 0.0).count()
}

/// What others published for LeNet-300-100 on MNIST: name, bytes, error in percent.
pub(super) const PUBLISHED: &[(&str, usize, f64)] = &[
    ("Deep Compression (Han et al. 2016)", 27_000, 1.58),
    ("RigL+ (Evci et al. 2020)", 16_113, 1.69),
    ("Oktay et al. 2020", 8_560, 1.9),
];

/// [`PUBLISHED`] for the plot of error against bytes.
pub(super) fn published() -> impl Iterator<Item = FrontierPoint> {
    let points = PUBLISHED.iter();
    points.map(|&(label, bytes, error_percent)| FrontierPoint {
        label: label.to_owned(),
        bytes,
        error_percent,
        published: true,
    })
}

pub(super) fn percent(errors: usize, samples: usize) -> f64 {
    100.0 * errors as f64 / samples as f64
}

pub(super) fn failed(reason: &str) -> RunError {
    RunError::measure(reason.into())
}
