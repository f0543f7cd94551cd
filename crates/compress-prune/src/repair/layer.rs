//! A layer as plain arrays.

use compress_core::kernels::memory::row_major;
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// What a layer computes with: `x · weightᵀ + bias`.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// Its name in errors, such as that of the weight.
    pub name: &'a str,
    /// `[outputs, inputs]`.
    pub weight: ArrayView2<'a, f32>,
    /// `[outputs]`.
    pub bias: Option<&'a [f32]>,
}

/// A layer with new values.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairedLayer {
    /// `[outputs, inputs]`.
    pub weight: Array2<f32>,
    /// `[outputs]`, where the layer has one.
    pub bias: Option<Vec<f32>>,
}

impl LayerView<'_> {
    /// Fails where a value is not finite, or the bias is not one of the outputs.
    fn check(&self, which: &str) -> Result<()> {
        let what = format!("{} of the {which} layer", self.name);
        let weight = row_major(&what, self.weight)?;
        Error::check_finite(&what, weight.as_slice().unwrap_or_default())?;
        let Some(bias) = self.bias else {
            return Ok(());
        };
        let what = format!("the bias beside {what}");
        Error::check_shape(&what, &[self.weight.nrows()], &[bias.len()])?;
        Error::check_finite(&what, bias)
    }

    /// Whether an output is gone: nothing of it is left but zeros.
    pub(super) fn is_gone(&self, row: usize) -> bool {
        let zero = |value: &f32| *value == 0.0;
        self.weight.row(row).iter().all(zero) && self.bias.is_none_or(|bias| zero(&bias[row]))
    }
}

/// Fails unless both are layers with as many outputs, and both or neither has a bias.
pub(super) fn check_pair(original: &LayerView<'_>, pruned: &LayerView<'_>) -> Result<()> {
    original.check("original")?;
    pruned.check("pruned")?;
    let what = format!("outputs of {}", pruned.name);
    Error::check_shape(&what, &[original.weight.nrows()], &[pruned.weight.nrows()])?;
    if original.bias.is_some() == pruned.bias.is_some() {
        return Ok(());
    }
    let what = format!("the bias beside {}", pruned.name);
    Err(Error::invalid(
        what,
        "in one layer",
        "in both or in neither",
    ))
}
