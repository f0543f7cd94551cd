//! What the tests and the examples of the documentation distil: a chain of dense layers, the
//! plainest way to train it, and some data. Included by both.

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::network::*;
use compress_core::ops::elementwise;
use compress_core::train::*;
use compress_core::{Error, Result, rng};
use ndarray::{Array2, ArrayView2};

/// Dense layers with ReLU between them.
#[derive(Clone)]
pub struct Chain {
    pub architecture: Architecture,
    pub parameters: Vec<Parameter>,
}

impl Chain {
    /// Uniform weights and biases.
    pub fn random(widths: &[usize], seed: u64) -> Self {
        let architecture = Architecture::mlp(widths, Activation::Relu).unwrap();
        let mut stream = rng::stream(seed, "tests.chain");
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            let bound = (3.0 / layer.inputs as f32).sqrt();
            let mut draw = || (2.0 * rng::uniform(&mut stream) - 1.0) * bound;
            let weight = Array2::from_shape_simple_fn((layer.outputs, layer.inputs), &mut draw);
            let bias = (0..layer.outputs).map(|_| draw()).collect();
            parameters.push(Parameter::weight(layer.weight_name(), weight));
            parameters.push(Parameter::bias(layer.bias_name(), bias));
        }
        Chain {
            architecture,
            parameters,
        }
    }

    /// The input of each layer, and last the logits.
    pub fn activations(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<Array2<f32>>> {
        let wanted = [inputs.nrows(), self.architecture.features];
        Error::check_shape("inputs", &wanted, inputs.shape())?;
        let mut all = vec![inputs.as_standard_layout().into_owned()];
        let last = self.architecture.layers.len() - 1;
        for (i, layer) in self.architecture.layers.iter().enumerate() {
            let x = &all[i];
            let mut y = Array2::zeros((x.nrows(), layer.outputs));
            let bias = Init::Bias(self.parameters[2 * i + 1].values());
            gemm(
                x.view(),
                self.parameters[2 * i].matrix().t(),
                bias,
                y.view_mut(),
            )?;
            if i < last {
                elementwise::relu(y.as_slice_mut().unwrap())?;
            }
            all.push(y);
        }
        Ok(all)
    }

    /// Gradients of all parameters, given that of the logits.
    fn backward(&mut self, all: &[Array2<f32>], mut dy: Array2<f32>) -> Result<()> {
        for i in (0..self.architecture.layers.len()).rev() {
            let (x, layer) = (&all[i], &self.architecture.layers[i]);
            let mut dw = Array2::zeros((layer.outputs, layer.inputs));
            gemm(dy.t(), x.view(), Init::Zero, dw.view_mut())?;
            let gradient = self.parameters[2 * i].gradient_mut();
            gradient.copy_from_slice(dw.as_slice().unwrap());
            let gradient = self.parameters[2 * i + 1].gradient_mut();
            for (g, column) in gradient.iter_mut().zip(dy.columns()) {
                *g = column.iter().sum();
            }
            if i > 0 {
                let mut dx = Array2::zeros(x.raw_dim());
                let weight = self.parameters[2 * i].matrix();
                gemm(dy.view(), weight, Init::Zero, dx.view_mut())?;
                elementwise::relu_backward(x.as_slice().unwrap(), dx.as_slice_mut().unwrap())?;
                dy = dx;
            }
        }
        Ok(())
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
        Ok(self.activations(inputs)?.pop().unwrap())
    }

    fn forward_tapped(
        &self,
        inputs: ArrayView2<'_, f32>,
        tap: &mut dyn Tap,
    ) -> Result<Array2<f32>> {
        let mut all = self.activations(inputs)?;
        for (i, layer) in self.architecture.layers.iter().enumerate() {
            tap.observe(i, layer, all[i].view())?;
        }
        Ok(all.pop().unwrap())
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}

/// Stochastic gradient descent with momentum, batches of 16 in order.
pub struct Sgd {
    pub network: Chain,
    pub epochs: usize,
    pub learning_rate: f32,
    velocity: Vec<Vec<f32>>,
}

impl Sgd {
    pub fn new(network: Chain) -> Self {
        let zeros = |p: &Parameter| vec![0.0; p.values().len()];
        let velocity = network.parameters.iter().map(zeros).collect();
        Sgd {
            network,
            epochs: 10,
            learning_rate: 0.02,
            velocity,
        }
    }

    fn step(&mut self) {
        for (parameter, velocity) in self.network.parameters.iter_mut().zip(&mut self.velocity) {
            let (values, gradient) = parameter.values_and_gradient_mut();
            for ((w, g), v) in values.iter_mut().zip(gradient).zip(velocity) {
                *v = 0.9 * *v - self.learning_rate * *g;
                *w += *v;
            }
        }
    }
}

impl Fit for Sgd {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<FitReport> {
        let all: Vec<usize> = (0..data.len()).collect();
        let steps = all.chunks(16).len();
        let mut report = FitReport::default();
        for epoch in 0..self.epochs {
            let mut sum = 0.0;
            for (i, indices) in all.chunks(16).enumerate() {
                let (step, total_steps) = (epoch * steps + i, self.epochs * steps);
                let now = Step {
                    epoch,
                    step,
                    total_steps,
                    learning_rate: self.learning_rate,
                };
                let epoch = epoch as u64;
                let mut inputs = Array2::zeros((indices.len(), data.features()));
                data.fill(epoch, indices, inputs.view_mut())?;
                let labels: Vec<u32> = indices
                    .iter()
                    .filter_map(|&i| data.labels().get(i).copied())
                    .collect();
                for hook in hooks.iter_mut() {
                    hook.before_forward(&mut self.network, &now)?;
                }
                let activations = self.network.activations(inputs.view())?;
                let logits = &activations[activations.len() - 1];
                let mut gradient = Array2::zeros(logits.raw_dim());
                let batch = Batch {
                    inputs: inputs.view(),
                    labels: &labels,
                    indices,
                    epoch,
                };
                sum += loss.evaluate(logits.view(), &batch, gradient.view_mut())?;
                self.network.backward(&activations, gradient)?;
                for hook in hooks.iter_mut().rev() {
                    hook.after_backward(&mut self.network, &now)?;
                }
                self.step();
                for hook in hooks.iter_mut() {
                    hook.after_step(&mut self.network, &now)?;
                }
            }
            let training_loss = sum / steps as f32;
            report.epochs.push(EpochReport {
                epoch,
                training_loss,
                ..EpochReport::default()
            });
        }
        Ok(report)
    }
}

/// One cloud of points for each class.
pub fn blobs(samples: usize, features: usize, classes: usize, seed: u64) -> ArraySamples {
    let mut stream = rng::stream(seed, "tests.blobs");
    let mut centers = rng::stream(7, "tests.blobs.centers");
    let mut draw = || 2.0 * rng::uniform(&mut centers) - 1.0;
    let centers = Array2::from_shape_simple_fn((classes, features), &mut draw);
    let labels: Vec<u32> = (0..samples).map(|i| (i % classes) as u32).collect();
    let inputs = Array2::from_shape_fn((samples, features), |(i, j)| {
        centers[(i % classes, j)] + 1.5 * (rng::uniform(&mut stream) - 0.5)
    });
    ArraySamples::new(inputs, labels).unwrap()
}
