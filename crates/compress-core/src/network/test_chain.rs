//! A chain of dense layers for the tests of this crate.

use ndarray::{Array2, ArrayView2};

use super::{Activation, Architecture, Edit, Forward, LayerSpec, Network, Parameter};
use crate::gradients::Gradients;
use crate::graph::{Graph, Group};
use crate::kernels::gemm_f32::{Init, gemm};
use crate::observe::{Place, Tap, Tapped};
use crate::parameters::{Change, Parameters, See};
use crate::{Error, Result};

/// Layers without activations, biases at zero. It supports no edit.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) parameters: Vec<Parameter>,
}

impl Chain {
    /// The chain of these weights `[out, in]`.
    pub(crate) fn new(weights: Vec<Array2<f32>>) -> Self {
        let layer = |(i, weight): (usize, Array2<f32>)| {
            let bias = vec![0.0; weight.nrows()];
            let weight = Parameter::weight(format!("layers.{i}.weight"), weight);
            [weight, Parameter::bias(format!("layers.{i}.bias"), bias)]
        };
        Chain {
            parameters: weights.into_iter().enumerate().flat_map(layer).collect(),
        }
    }

    /// What layer number `index` makes of `x`.
    pub(crate) fn forward_layer(&self, index: usize, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let (weight, bias) = (&self.parameters[2 * index], &self.parameters[2 * index + 1]);
        let mut y = Array2::zeros((x.nrows(), bias.values().len()));
        let init = Init::Bias(bias.values());
        gemm(x, weight.matrix().t(), init, y.view_mut()).unwrap();
        y
    }
}

impl Parameters for Chain {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.parameters.iter().try_for_each(|p| see(p.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut parameters = self.parameters.iter_mut();
        parameters.try_for_each(|p| change(p.tensor_mut()))
    }
}

impl Gradients for Chain {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut parameters = self.parameters.iter_mut();
        parameters.try_for_each(|p| change(p.gradient_tensor_mut()))
    }
}

impl Forward for Chain {
    fn features(&self) -> usize {
        self.parameters[0].shape()[1]
    }

    fn outputs(&self) -> usize {
        self.parameters[self.parameters.len() - 1].values().len()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let expected = [inputs.nrows(), self.features()];
        Error::check_shape("inputs", &expected, inputs.shape())?;
        let layers = 0..self.parameters.len() / 2;
        Ok(layers.fold(inputs.to_owned(), |x, i| self.forward_layer(i, x.view())))
    }
}

impl Tapped for Chain {
    fn run_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<()> {
        let mut x = inputs.to_owned();
        for (i, layer) in self.architecture().layers.iter().enumerate() {
            let y = self.forward_layer(i, x.view());
            let weight = layer.weight_name();
            for (place, rows) in [
                (Place::InputOf(&weight), &x),
                (Place::Value(&layer.name), &y),
            ] {
                if tap.wants(place) {
                    tap.observe(place, rows.view())?;
                }
            }
            x = y;
        }
        Ok(())
    }
}

impl Edit for Chain {
    fn graph(&self) -> Graph {
        self.architecture().graph()
    }

    fn keep(&mut self, group: &Group, _: &[bool]) -> Result<()> {
        Err(Error::Refused {
            layer: group.name.clone(),
            reason: "this network supports no edit".into(),
        })
    }
}

impl Network for Chain {
    fn architecture(&self) -> Architecture {
        let layer = |(i, pair): (usize, &[Parameter])| LayerSpec {
            name: format!("layers.{i}"),
            inputs: pair[0].shape()[1],
            outputs: pair[0].shape()[0],
            activation: Activation::Identity,
        };
        let layers: Vec<_> = self.parameters.chunks(2).enumerate().map(layer).collect();
        Architecture {
            features: layers[0].inputs,
            front: None,
            selected: None,
            layers,
        }
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}
