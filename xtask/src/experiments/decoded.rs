//! A model as its file says it is, which is what experiments measure.

use compress_core::network::{Network, Parameter, Role};
use compress_format::artifact::Artifact;
use compress_format::coding::meter::Part;
use compress_format::runtime::Runtime;
use compress_nn::Mlp;
use compress_report::plots::{FrontierPoint, LayerWeights};

use crate::report::StoredRow;
use crate::run::RunError;

/// A file, decoded.
pub(super) struct Decoded {
    pub(super) runtime: Runtime,
    pub(super) network: Mlp,
    pub(super) stored: Vec<StoredRow>,
    /// Bytes by what they are spent on, where the file is one stream.
    pub(super) parts: Option<Vec<(Part, f64)>>,
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
        let parts = artifact.parts()?;
        let network = Mlp::from_tensors(artifact.architecture.clone(), &artifact.tensors)?;
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
            parts,
        })
    }
}

/// The weights of each layer, the first over all features (such as pixels): what stands before it
/// is multiplied in.
pub(super) fn layer_weights(network: &Mlp) -> compress_core::Result<Vec<LayerWeights>> {
    let architecture = network.architecture();
    let parameters = network.parameters().into_iter();
    let weights = parameters.filter(|p| p.role() == Role::Weight);
    let layers = architecture.layers.iter().zip(weights).enumerate();
    let layers = layers.map(|(i, (layer, weight))| {
        let values = match i {
            0 => architecture.plain_first_weight(weight.matrix())?,
            _ => weight.matrix().to_owned(),
        };
        Ok(LayerWeights {
            layer: layer.name.clone(),
            inputs: values.ncols(),
            values: values.into_iter().collect(),
        })
    });
    layers.collect()
}

/// For each feature (such as a pixel) how many weights read it.
pub(super) fn pixel_use(layers: &[LayerWeights]) -> Vec<f32> {
    let Some(first) = layers.first() else {
        return Vec::new();
    };
    let mut counts = vec![0.0; first.inputs];
    for neuron in first.values.chunks_exact(first.inputs.max(1)) {
        for (count, weight) in counts.iter_mut().zip(neuron) {
            *count += if *weight == 0.0 { 0.0 } else { 1.0 };
        }
    }
    counts
}

/// How many values of a parameter are not zero.
pub(crate) fn nonzero(parameter: &Parameter) -> usize {
    parameter.values().iter().filter(|v| **v != 0.0).count()
}

/// How many weights of a network are not zero.
pub(super) fn nonzero_weights(network: &Mlp) -> usize {
    let parameters = network.parameters().into_iter();
    let weights = parameters.filter(|p| p.role() == Role::Weight);
    weights.map(nonzero).sum()
}

/// What others published for LeNet-300-100 on MNIST.
pub(super) struct Published {
    pub(super) name: &'static str,
    /// On arXiv.
    pub(super) source: &'static str,
    pub(super) bytes: usize,
    pub(super) error_percent: f64,
    /// What is counted.
    pub(super) counts: &'static str,
}

pub(super) const PUBLISHED: [Published; 3] = [
    Published {
        name: "Deep Compression (Han et al. 2016)",
        source: "1510.00149",
        bytes: 27_000,
        error_percent: 1.58,
        counts: "positions, codebooks and codes, Huffman coded; given as 27 KB",
    },
    Published {
        name: "RigL+ (Evci et al. 2020)",
        source: "1911.11134, appendix B",
        bytes: 16_113,
        error_percent: 1.69,
        counts: "weights in f32 and a bit for each position; the final checkpoint",
    },
    Published {
        name: "Oktay et al. 2020",
        source: "1906.06624",
        bytes: 8_560,
        error_percent: 1.9,
        counts: "reparameterized weights, entropy coded; given as 8.56 KB",
    },
];

/// [`PUBLISHED`] for the plot of error against bytes.
pub(super) fn published() -> impl Iterator<Item = FrontierPoint> {
    PUBLISHED.iter().map(|of| FrontierPoint {
        label: of.name.to_owned(),
        bytes: of.bytes,
        error_percent: of.error_percent,
        published: true,
    })
}

pub(super) fn percent(errors: usize, samples: usize) -> f64 {
    100.0 * errors as f64 / samples as f64
}

pub(super) fn failed(reason: &str) -> RunError {
    RunError::measure(reason.into())
}
