//! Edits of the structure: the architecture checks each before anything is changed.

use compress_core::Result;
use compress_core::graph::Group;
use compress_core::kernels::gemm_f32;
use compress_core::network::{LayerRemoval, Parameter};
use compress_core::parameters;
use ndarray::{Array2, ArrayView2};

use super::Mlp;

/// Keeps the marked features of a group, along all of its axes.
pub(super) fn keep(mlp: &mut Mlp, group: &Group, keep: &[bool]) -> Result<()> {
    mlp.check_shapes()?;
    let edited = mlp.architecture.keeping(group, keep)?;
    let mut smaller = Vec::new();
    for member in &group.members {
        smaller.push(parameters::with(mlp, &member.tensor, |tensor| {
            let (shape, values) = member.cut(tensor, keep)?;
            Parameter::new(tensor.name, tensor.role, shape, values)
        })?);
    }
    for parameter in smaller {
        let mut places = mlp.parameters_mut().into_iter();
        if let Some(place) = places.find(|p| p.name() == parameter.name()) {
            *place = parameter;
        }
    }
    mlp.architecture = edited;
    Ok(())
}

/// Takes hidden layer `layer` out.
///
/// A fold drops its activation f, so that the next layer's `W₂·f(W₁·x + b₁) + b₂` becomes
/// `(W₂·W₁)·x + (W₂·b₁ + b₂)`.
pub(super) fn remove_layer(mlp: &mut Mlp, layer: &str, how: LayerRemoval) -> Result<()> {
    mlp.check_shapes()?;
    let layer = mlp.architecture.position(layer)?;
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
    mlp.parameters.remove(layer);
    mlp.architecture = edited;
    Ok(())
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
