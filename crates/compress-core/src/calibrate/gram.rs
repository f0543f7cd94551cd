//! The Gram matrix XᵀX of each layer's inputs. Up to a factor, it is the Hessian of the layer's
//! squared error.

use ndarray::{Array2, ArrayView2};

use super::{entry, what};
use crate::Result;
use crate::kernels::gemm_f32::{Init, gemm};
use crate::kernels::reduce;
use crate::network::{LayerSpec, Tap};

/// XᵀX of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct InputGram {
    /// The layer's name.
    pub layer: String,
    /// Rows seen.
    pub samples: usize,
    /// `[inputs, inputs]`, not divided by the number of rows; symmetric to the bit. Each element
    /// is one chain of fused multiply-adds over the rows in order.
    pub matrix: Array2<f32>,
}

/// Collects [`InputGram`] for each layer. Memory: 4 · inputs² bytes for each layer.
///
/// # References
/// Frantar et al. 2022 (2210.17323), section 3: H = 2 X Xᵀ with samples as columns.
#[derive(Clone, Debug, Default)]
pub struct Gram {
    /// One entry for each layer, first layer first.
    pub layers: Vec<InputGram>,
}

impl Tap for Gram {
    /// # Errors
    /// Where a value is NaN or infinite, naming the layer.
    fn observe(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<()> {
        let entry = entry(&mut self.layers, index, layer, &inputs, || InputGram {
            layer: layer.name.clone(),
            samples: 0,
            matrix: Array2::zeros((layer.inputs, layer.inputs)),
        })?;
        let rows = inputs.as_standard_layout();
        reduce::absmax(&what(layer), rows.as_slice().unwrap_or_default())?;
        entry.samples += rows.nrows();
        gemm(
            rows.t(),
            rows.view(),
            Init::Accumulate,
            entry.matrix.view_mut(),
        )
    }
}
