//! Calibration: streaming statistics of each layer's inputs. Memory grows with the layers, not with
//! the samples.
//!
//! Each kind of statistic is a [`Tap`]; a pair of taps can watch the same pass. [`observe`] runs
//! the samples through a network in batches of fixed size. The results do not depend on that size:
//! sums go over the samples in order, and the rest are counts and extremes. `compress-quant`'s
//! observers find ranges for quantization this way.

mod gram;
mod histogram;

#[cfg(test)]
mod tests;

use ndarray::{Array2, ArrayView2, s};

use crate::kernels::reduce;
use crate::network::{LayerSpec, Network, Tap};
use crate::ops::rows::add_column_squares;
use crate::train::Samples;
use crate::{Error, Result};

pub use gram::{Gram, InputGram};
pub use histogram::{Histograms, InputHistogram};

/// Samples of a batch: enough to fill the kernels, few enough for the cache.
const BATCH: usize = 512;

/// Statistics of the inputs of one layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputStatistics {
    /// The layer's name.
    pub layer: String,
    /// Rows seen.
    pub samples: usize,
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// For each input feature the sum of squares over all rows.
    pub square_sums: Vec<f64>,
}

impl InputStatistics {
    /// The largest magnitude.
    pub fn absmax(&self) -> f32 {
        self.max.abs().max(self.min.abs())
    }

    /// For each input feature the Euclidean norm over all rows.
    ///
    /// Sun et al. 2023 (2306.11695), equation 1, where it is the factor ‖Xⱼ‖₂ of a weight's score.
    pub fn norms(&self) -> Vec<f64> {
        self.square_sums.iter().map(|s| s.sqrt()).collect()
    }
}

/// Collects [`InputStatistics`] for each layer.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// One entry for each layer, first layer first.
    pub layers: Vec<InputStatistics>,
}

impl Tap for Calibration {
    /// # Errors
    /// Where a value is NaN or infinite, naming the layer.
    fn observe(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<()> {
        let entry = entry(&mut self.layers, index, layer, &inputs, || {
            InputStatistics {
                layer: layer.name.clone(),
                samples: 0,
                min: f32::INFINITY,
                max: f32::NEG_INFINITY,
                square_sums: vec![0.0; layer.inputs],
            }
        })?;
        if inputs.is_empty() {
            return Ok(());
        }
        let values = inputs.as_standard_layout();
        let values = values.as_slice().unwrap_or_default();
        let (min, max) = reduce::min_max(&what(layer), values)?;
        entry.samples += inputs.nrows();
        entry.min = entry.min.min(min);
        entry.max = entry.max.max(max);
        add_column_squares(inputs, &mut entry.square_sums)
    }
}

/// Two taps on the same pass.
impl<A: Tap, B: Tap> Tap for (A, B) {
    fn observe(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<()> {
        self.0.observe(index, layer, inputs)?;
        self.1.observe(index, layer, inputs)
    }
}

/// Calibrates: runs `network` over `samples` (as in epoch 0) and collects statistics of what each
/// layer reads.
///
/// # Errors
/// Where there is no sample, a layer was not shown, or an input is NaN or infinite; the error
/// names the layer.
pub fn calibrate(network: &dyn Network, samples: &dyn Samples) -> Result<Calibration> {
    let mut calibration = Calibration::default();
    observe(network, samples, &mut calibration)?;
    let seen = calibration.layers.iter().filter(|l| l.samples > 0).count();
    let layers = network.architecture().layers.len();
    Error::check_shape("layers seen in calibration", &[layers], &[seen])?;
    Ok(calibration)
}

/// Runs `network` over `samples` (as in epoch 0), showing `tap` what each layer reads.
///
/// # Errors
/// Where there is no sample, and those of the network and the tap.
pub fn observe(network: &dyn Network, samples: &dyn Samples, tap: &mut dyn Tap) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::Empty {
            what: "the calibration data".into(),
        });
    }
    let indices: Vec<usize> = (0..samples.len()).collect();
    let mut batch = Array2::zeros((BATCH.min(samples.len()), samples.features()));
    for chunk in indices.chunks(BATCH) {
        let mut rows = batch.slice_mut(s![..chunk.len(), ..]);
        samples.fill(0, chunk, rows.view_mut())?;
        network.forward_tapped(rows.view(), tap)?;
    }
    tracing::debug!(samples = samples.len(), "observed what each layer reads");
    Ok(())
}

/// The name of a layer's inputs in errors.
fn what(layer: &LayerSpec) -> String {
    format!("the inputs of {}", layer.name)
}

/// The entry of layer number `index`, made when the layer is seen first.
///
/// # Errors
/// Where `inputs` does not fit the layer, or layers are shown out of order.
fn entry<'a, T>(
    entries: &'a mut Vec<T>,
    index: usize,
    layer: &LayerSpec,
    inputs: &ArrayView2<'_, f32>,
    new: impl FnOnce() -> T,
) -> Result<&'a mut T> {
    if inputs.ncols() != layer.inputs {
        let expected = [inputs.nrows(), layer.inputs];
        Error::check_shape(&what(layer), &expected, inputs.shape())?;
    }
    if entries.len() == index {
        entries.push(new());
    }
    let seen = entries.len();
    entries.get_mut(index).ok_or_else(|| {
        Error::invalid(
            format!("the number of {}", layer.name),
            index,
            format!("at most {seen}: layers are shown in order"),
        )
    })
}
