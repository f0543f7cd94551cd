//! Edits of the structure: the architecture checks each before anything is changed.

use compress_core::Result;
use compress_core::kernels::gemm_f32;
use compress_core::network::{LayerRemoval, Parameter};
use ndarray::{Array2, ArrayView2, Axis};

use super::Mlp;

/// Keeps the marked neurons of `layer`: its rows, its biases, the next layer's columns.
pub(super) fn remove_neurons(mlp: &mut Mlp, layer: usize, keep: &[bool]) -> Result<()> {
    mlp.check_shapes()?;
    mlp.architecture = mlp.architecture.without_neurons(layer, keep)?;
    let kept = kept(keep);
    let (weight, bias) = mlp.layer_mut(layer);
    let rows = weight.matrix().select(Axis(0), &kept);
    *weight = Parameter::weight(weight.name().to_owned(), rows);
    let values = kept.iter().map(|&i| bias.values()[i]).collect();
    *bias = Parameter::bias(bias.name().to_owned(), values);
    keep_columns(mlp.layer_mut(layer + 1).0, &kept);
    Ok(())
}

/// Keeps the marked inputs of the first layer.
pub(super) fn remove_inputs(mlp: &mut Mlp, keep: &[bool]) -> Result<()> {
    mlp.check_shapes()?;
    mlp.architecture = mlp.architecture.without_inputs(keep)?;
    keep_columns(mlp.layer_mut(0).0, &kept(keep));
    Ok(())
}

/// Takes hidden layer `layer` out.
///
/// A fold drops its activation f, so that the next layer's `W₂·f(W₁·x + b₁) + b₂` becomes
/// `(W₂·W₁)·x + (W₂·b₁ + b₂)`.
pub(super) fn remove_layer(mlp: &mut Mlp, layer: usize, how: LayerRemoval) -> Result<()> {
    mlp.check_shapes()?;
    let edited = mlp.architecture.without_layer(layer, how)?;
    if how == LayerRemoval::Fold {
        let (weight, bias) = mlp.layer(layer);
        let (next_weight, next_bias) = mlp.layer(layer + 1);
        let folded_weight = product(next_weight.matrix(), weight.matrix())?;
        let folded_bias = product(next_weight.matrix(), column(bias))? + column(next_bias);
        let (weight_name, bias_name) = (next_weight.name().to_owned(), next_bias.name().to_owned());
        let (weight, bias) = mlp.layer_mut(layer + 1);
        *weight = Parameter::weight(weight_name, folded_weight);
        *bias = Parameter::bias(bias_name, Array2::into_iter(folded_bias).collect());
    }
    mlp.parameters.drain(2 * layer..2 * layer + 2);
    mlp.architecture = edited;
    Ok(())
}

fn kept(keep: &[bool]) -> Vec<usize> {
    (0..keep.len()).filter(|&i| keep[i]).collect()
}

fn keep_columns(weight: &mut Parameter, kept: &[usize]) {
    let columns = weight.matrix().select(Axis(1), kept);
    *weight = Parameter::weight(weight.name().to_owned(), columns);
}

/// A bias as a matrix of one column.
fn column(bias: &Parameter) -> ArrayView2<'_, f32> {
    bias.matrix().reversed_axes()
}

/// `a · b` as a new matrix.
fn product(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
    let mut c = Array2::zeros((a.nrows(), b.ncols()));
    gemm_f32::gemm(a, b, gemm_f32::Init::Zero, c.view_mut())?;
    Ok(c)
}
