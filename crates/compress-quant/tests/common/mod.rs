//! A small network that meets the contract, and values to quantize.
#![allow(
    dead_code,
    reason = "each test file uses a part of it; it is compiled into every one"
)]

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::network::{Activation, Architecture, LayerSpec, Network, Parameter, Tap};
use compress_core::train::Step;
use compress_core::{Result, ops::elementwise, rng};
use ndarray::{Array2, ArrayView2};

/// Dense layers with ReLU between them.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) architecture: Architecture,
    pub(crate) parameters: Vec<Parameter>,
}

impl Chain {
    /// Normal weights whose deviation is `1/√inputs`, biases of deviation 0.1.
    pub(crate) fn new(widths: &[usize], seed: u64) -> Chain {
        let architecture = Architecture::mlp(widths, Activation::Relu).unwrap();
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            let (rows, columns) = (layer.outputs, layer.inputs);
            let mut weights = normal(seed, &layer.weight_name(), rows * columns);
            let deviation = 1.0 / (columns as f32).sqrt();
            weights.iter_mut().for_each(|w| *w *= deviation);
            let matrix = Array2::from_shape_vec((rows, columns), weights).unwrap();
            parameters.push(Parameter::weight(layer.weight_name(), matrix));
            let bias = normal(seed, &layer.bias_name(), rows);
            let bias = bias.iter().map(|b| 0.1 * b).collect();
            parameters.push(Parameter::bias(layer.bias_name(), bias));
        }
        Chain {
            architecture,
            parameters,
        }
    }

    pub(crate) fn values(&self) -> Vec<Vec<f32>> {
        let values = |p: &Parameter| p.values().to_vec();
        self.parameters.iter().map(values).collect()
    }

    fn run(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut seen: impl FnMut(usize, &LayerSpec, ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<Array2<f32>> {
        let mut x = inputs.to_owned();
        for (i, layer) in self.architecture.layers.iter().enumerate() {
            seen(i, layer, x.view())?;
            let mut y = Array2::zeros((x.nrows(), layer.outputs));
            let bias = Init::Bias(self.parameters[2 * i + 1].values());
            let weight = self.parameters[2 * i].matrix();
            gemm(x.view(), weight.t(), bias, y.view_mut())?;
            if layer.activation == Activation::Relu {
                elementwise::relu(y.as_slice_mut().unwrap())?;
            }
            x = y;
        }
        Ok(x)
    }
}

impl Network for Chain {
    fn architecture(&self) -> Architecture {
        self.architecture.clone()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.run(inputs, |_, _, _| Ok(()))
    }

    fn forward_tapped(
        &self,
        inputs: ArrayView2<'_, f32>,
        tap: &mut dyn Tap,
    ) -> Result<Array2<f32>> {
        self.run(inputs, |i, layer, x| tap.observe(i, layer, x))
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}

/// About standard normal: sums of twelve uniform numbers, so tails end at ±6.
pub(crate) fn normal(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let mut stream = rng::stream(seed, name);
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}

/// A step of a run that nobody asks for more.
pub(crate) const STEP: Step = Step {
    epoch: 0,
    step: 0,
    total_steps: 1,
    learning_rate: 0.1,
};

/// The sum of squared differences.
pub(crate) fn squared_error(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    differences.map(|d| d * d).sum()
}
