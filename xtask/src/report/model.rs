//! What an experiment measured, as plain data: the input of every report format.

use compress_core::train::EpochReport;
use compress_report::plots::{FrontierPoint, Histogram, LayerWeights};

/// Everything that a report says. It holds no time, so the same seed gives the same report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The experiment's registry name.
    pub experiment: String,
    /// The profile that it ran with (`quick`, `full`, …).
    pub profile: String,
    /// The data set's name.
    pub data: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// Hash of the final model's file, hexadecimal.
    pub model_hash: String,
    /// Settings by name, in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// The result in a sentence, where it is not that of the last stage.
    pub headline: Option<String>,
    /// The model after each stage, in order; the last is the result.
    pub stages: Vec<Stage>,
    /// How many samples the validation errors are counted on.
    pub validation_samples: usize,
    /// How many samples the test errors are counted on; `None` where the test set stayed shut.
    pub test_samples: Option<usize>,
    /// The training runs, in order.
    pub curves: Vec<Curve>,
    /// The weights of each layer, before and after compression.
    pub histograms: Vec<Histogram>,
    /// The density of each layer after each stage that changed it.
    pub densities: Vec<LayerDensity>,
    /// Length of the final file, all of it. Where there are several, `settings` say which one is
    /// shown in detail.
    pub file_bytes: usize,
    /// How the final file stores each tensor.
    pub tensors: Vec<StoredRow>,
    /// Pixels in a row of the input image; 0 where the input is no image.
    pub image_width: usize,
    /// For each input pixel, row-major, how many non-zero weights read it, a front multiplied in; 0
    /// means unused.
    pub pixel_use: Vec<f32>,
    /// The weights of each layer of the final model, to be drawn; a front is multiplied into the
    /// first.
    pub weights: Vec<LayerWeights>,
    /// Points of the plot of error against bytes.
    pub frontier: Vec<FrontierPoint>,
    /// The command that reproduces the report.
    pub command: String,
}

/// The model after one stage of the pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The stage's name.
    pub stage: String,
    /// Weights and biases together.
    pub parameters: usize,
    /// Those that are not zero.
    pub nonzero: usize,
    /// Length of the file, all of it.
    pub bytes: usize,
    /// Bytes of the original over `bytes`.
    pub ratio: f64,
    /// Wrong predictions on the validation samples, in percent.
    pub validation_error_percent: f64,
    /// Wrong predictions on the test samples; `None` where the test set stayed shut.
    pub test_errors: Option<usize>,
}

/// One training run.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The stage that trained.
    pub stage: String,
    /// Its epochs, in order.
    pub epochs: Vec<EpochReport>,
}

/// The fraction of a layer's weights that a stage kept.
#[derive(Clone, Debug)]
pub(crate) struct LayerDensity {
    /// The stage's name.
    pub stage: String,
    /// The layer's name.
    pub layer: String,
    /// From 0 to 1.
    pub density: f64,
}

/// How the final file stores one tensor.
#[derive(Clone, Debug)]
pub(crate) struct StoredRow {
    /// The tensor's name.
    pub name: String,
    /// The coding's name.
    pub coding: String,
    /// Bytes in the file, its own header included.
    pub bytes: usize,
    /// What the runtime multiplies a weight with; empty for a bias.
    pub kernel: String,
}
