//! A chain of dense layers for the tests of this crate.

use ndarray::{Array2, ArrayView2};

use super::{Activation, Architecture, LayerSpec, Network, Parameter, Tap};
use crate::kernels::gemm_f32::{Init, gemm};
use crate::{Error, Result};

/// Layers without activations, biases at zero. It supports no edit.
#[derive(Clone)]
pub(crate) struct Chain {
    parameters: Vec<Parameter>,
    /// Whether it forgets to show the tap anything.
    pub(crate) silent: bool,
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
            silent: false,
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

    fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        struct Blind;
        impl Tap for Blind {
            fn observe(&mut self, _: usize, _: &LayerSpec, _: ArrayView2<'_, f32>) -> Result<()> {
                Ok(())
            }
        }
        self.forward_tapped(inputs, &mut Blind)
    }

    fn forward_tapped(
        &self,
        inputs: ArrayView2<'_, f32>,
        tap: &mut dyn Tap,
    ) -> Result<Array2<f32>> {
        let layers = self.architecture().layers;
        let expected = [inputs.nrows(), layers[0].inputs];
        Error::check_shape("inputs", &expected, inputs.shape())?;
        let mut x = inputs.to_owned();
        for (i, layer) in layers.iter().enumerate() {
            if !self.silent {
                tap.observe(i, layer, x.view())?;
            }
            x = self.forward_layer(i, x.view());
        }
        Ok(x)
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}
