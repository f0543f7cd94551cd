//! The layers of two models, weight by weight.

use compress_core::parameters::{self, Parameters};
use compress_core::tensor::{Role, matrix_shape};
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};

use super::layer::LayerView;

/// The names of a weight and of its bias.
pub(super) struct Names {
    pub(super) weight: String,
    pub(super) bias: Option<String>,
}

/// The weights of a model, in order, each with the bias of the same module where it has one of each.
pub(super) fn pairs(model: &impl Parameters) -> Result<Vec<Names>> {
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    model.visit(&mut |tensor| {
        match tensor.role {
            Role::Weight => weights.push(tensor.name.to_owned()),
            Role::Bias => biases.push(tensor.name.to_owned()),
            Role::Other => {}
        }
        Ok(())
    })?;
    if weights.is_empty() {
        let what = "the list of weights to repair".into();
        return Err(Error::Empty { what });
    }
    let pairs = weights.iter().map(|weight| {
        let same = |other: &&String| module(other) == module(weight);
        let mut beside = biases.iter().filter(same);
        let bias = match (
            weights.iter().filter(same).count(),
            beside.next(),
            beside.next(),
        ) {
            (1, Some(bias), None) => Some(bias.clone()),
            _ => None,
        };
        let weight = weight.clone();
        Names { weight, bias }
    });
    Ok(pairs.collect())
}

/// The name up to the last dot.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}

impl Names {
    /// Writes new values.
    pub(super) fn write(
        &self,
        model: &mut impl Parameters,
        weight: Option<&Array2<f32>>,
        bias: Option<&[f32]>,
    ) -> Result<()> {
        let weight = weight.and_then(|weight| weight.as_slice());
        let changes = [(Some(&self.weight), weight), (self.bias.as_ref(), bias)];
        for (name, values) in changes {
            if let (Some(name), Some(values)) = (name, values) {
                parameters::with_mut(model, name, |tensor| {
                    Error::check_shape(tensor.name, &[values.len()], &[tensor.values.len()])?;
                    tensor.values.copy_from_slice(values);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

/// One layer of two models.
pub(super) struct Pair {
    pub(super) names: Names,
    layers: [Values; 2],
}

struct Values {
    shape: (usize, usize),
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Pair {
    /// Of tensors that have the same shapes in both models.
    pub(super) fn read(
        original: &impl Parameters,
        pruned: &impl Parameters,
        names: Names,
    ) -> Result<Self> {
        let shape = |tensor: compress_core::tensor::TensorRef<'_>| Ok(tensor.shape.to_vec());
        let before = parameters::with(original, &names.weight, shape)?;
        let now = parameters::with(pruned, &names.weight, shape)?;
        Error::check_shape(&names.weight, &before, &now)?;
        let layers = [
            Values::read(original, &names)?,
            Values::read(pruned, &names)?,
        ];
        Ok(Pair { names, layers })
    }

    /// How many features the two layers read.
    pub(super) fn columns(&self) -> [usize; 2] {
        [0, 1].map(|i| self.layers[i].shape.1)
    }

    /// The original and the pruned one.
    pub(super) fn layers(&self) -> Result<[LayerView<'_>; 2]> {
        let [before, now] = &self.layers;
        let name = &self.names.weight;
        Ok([before.layer(name)?, now.layer(name)?])
    }
}

impl Values {
    fn read(model: &impl Parameters, names: &Names) -> Result<Self> {
        let bias = names.bias.as_ref();
        let bias = bias
            .map(|bias| parameters::values(model, bias))
            .transpose()?;
        parameters::with(model, &names.weight, |tensor| {
            Ok(Values {
                shape: matrix_shape(tensor.shape),
                weight: tensor.values.to_vec(),
                bias,
            })
        })
    }

    fn layer<'a>(&'a self, name: &'a str) -> Result<LayerView<'a>> {
        Ok(LayerView {
            name,
            weight: ArrayView2::from_shape(self.shape, &self.weight).map_err(Error::other)?,
            bias: self.bias.as_deref(),
        })
    }
}
