//! What the tests and the examples of the documentation prune: a chain of dense layers, the
//! plainest way to train it, and some data. Included by both.

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::network::*;
use compress_core::ops::{elementwise, softmax};
use compress_core::train::*;
use compress_core::{Error, Result, rng};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

#[derive(Clone)]
pub struct Chain {
    pub architecture: Architecture,
    pub parameters: Vec<Parameter>,
}

impl Chain {
    /// ReLU between layers, uniform weights and biases.
    pub fn random(widths: &[usize], seed: u64) -> Self {
        Self::with_activation(widths, Activation::Relu, seed)
    }

    pub fn with_activation(widths: &[usize], hidden: Activation, seed: u64) -> Self {
        let architecture = Architecture::mlp(widths, hidden).unwrap();
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
        let first = match &self.architecture.selected {
            None => inputs.as_standard_layout().into_owned(),
            Some(s) => inputs.select(Axis(1), &s.iter().map(|&i| i as usize).collect::<Vec<_>>()),
        };
        let mut all = vec![first];
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
            let values = y.as_slice_mut().unwrap();
            match layer.activation {
                Activation::Identity => {}
                Activation::Relu => elementwise::relu(values)?,
                Activation::Gelu => elementwise::gelu(values)?,
                Activation::Tanh => elementwise::tanh(values)?,
            }
            all.push(y);
        }
        Ok(all)
    }

    /// Gradients of all parameters, given that of the logits; hidden layers are ReLU.
    fn backward(&mut self, all: &[Array2<f32>], mut dy: Array2<f32>) -> Result<()> {
        for i in (0..self.architecture.layers.len()).rev() {
            let x = &all[i];
            let layer = &self.architecture.layers[i];
            let mut dw = Array2::zeros((layer.outputs, layer.inputs));
            gemm(dy.t(), x.view(), Init::Zero, dw.view_mut())?;
            let gradient = self.parameters[2 * i].gradient_mut();
            gradient.copy_from_slice(dw.as_slice().unwrap());
            for (g, column) in self.parameters[2 * i + 1]
                .gradient_mut()
                .iter_mut()
                .zip(dy.columns())
            {
                *g = column.iter().sum();
            }
            let mut dx = Array2::zeros(x.raw_dim());
            gemm(
                dy.view(),
                self.parameters[2 * i].matrix(),
                Init::Zero,
                dx.view_mut(),
            )?;
            if i > 0 {
                elementwise::relu_backward(x.as_slice().unwrap(), dx.as_slice_mut().unwrap())?;
            }
            dy = dx;
        }
        Ok(())
    }

    fn set_weight(&mut self, layer: usize, value: Array2<f32>) {
        let name = self.parameters[2 * layer].name().to_owned();
        self.parameters[2 * layer] = Parameter::weight(name, value);
    }

    fn set_bias(&mut self, layer: usize, value: Vec<f32>) {
        let name = self.parameters[2 * layer + 1].name().to_owned();
        self.parameters[2 * layer + 1] = Parameter::bias(name, value);
    }
}

fn positions(keep: &[bool]) -> Vec<usize> {
    (0..keep.len()).filter(|&i| keep[i]).collect()
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

    fn remove_neurons(&mut self, layer: usize, keep: &[bool]) -> Result<()> {
        self.architecture = self.architecture.without_neurons(layer, keep)?;
        let kept = positions(keep);
        self.set_weight(
            layer,
            self.parameters[2 * layer].matrix().select(Axis(0), &kept),
        );
        let bias = self.parameters[2 * layer + 1].values();
        self.set_bias(layer, kept.iter().map(|&i| bias[i]).collect());
        self.set_weight(
            layer + 1,
            self.parameters[2 * layer + 2]
                .matrix()
                .select(Axis(1), &kept),
        );
        Ok(())
    }

    fn remove_inputs(&mut self, keep: &[bool]) -> Result<()> {
        self.architecture = self.architecture.without_inputs(keep)?;
        self.set_weight(
            0,
            self.parameters[0]
                .matrix()
                .select(Axis(1), &positions(keep)),
        );
        Ok(())
    }

    fn remove_layer(&mut self, layer: usize, how: LayerRemoval) -> Result<()> {
        self.architecture = self.architecture.without_layer(layer, how)?;
        if how == LayerRemoval::Fold {
            let (this, next) = (&self.parameters[2 * layer], &self.parameters[2 * layer + 2]);
            let (bias, next_bias) = (
                &self.parameters[2 * layer + 1],
                &self.parameters[2 * layer + 3],
            );
            let mut weight = Array2::zeros((next.shape()[0], this.shape()[1]));
            gemm(next.matrix(), this.matrix(), Init::Zero, weight.view_mut())?;
            let mut joined = Array2::zeros((1, next.shape()[0]));
            let init = Init::Bias(next_bias.values());
            gemm(bias.matrix(), next.matrix().t(), init, joined.view_mut())?;
            self.set_weight(layer + 1, weight);
            self.set_bias(layer + 1, joined.into_raw_vec_and_offset().0);
        }
        self.parameters.drain(2 * layer..2 * layer + 2);
        Ok(())
    }
}

/// Stochastic gradient descent with momentum, batches in order.
pub struct Sgd {
    pub network: Chain,
    pub epochs: usize,
    pub momentum: f32,
    pub first_step: usize,
    velocity: Vec<Vec<f32>>,
}

pub const BATCH: usize = 16;

impl Sgd {
    pub fn new(network: Chain) -> Self {
        let velocity = network
            .parameters
            .iter()
            .map(|p| vec![0.0; p.values().len()])
            .collect();
        Sgd {
            network,
            epochs: 10,
            momentum: 0.9,
            first_step: 0,
            velocity,
        }
    }

    fn step(&mut self, rate: f32) {
        for (parameter, velocity) in self.network.parameters.iter_mut().zip(&mut self.velocity) {
            let (values, gradient) = parameter.values_and_gradient_mut();
            for ((w, g), v) in values.iter_mut().zip(gradient).zip(velocity) {
                *v = self.momentum * *v - rate * *g;
                *w += *v;
            }
        }
    }

    /// Runs the steps `steps` of a run of `total_steps`.
    pub fn run(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
        steps: std::ops::Range<usize>,
        total_steps: usize,
    ) -> Result<f32> {
        let per_epoch = data.len().div_ceil(BATCH);
        let mut last = 0.0;
        for step in steps {
            let epoch = step / per_epoch;
            let now = Step {
                epoch,
                step,
                total_steps,
                learning_rate: 0.02,
            };
            let start = step % per_epoch * BATCH;
            let indices: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
            let mut inputs = Array2::zeros((indices.len(), data.features()));
            data.fill(epoch as u64, &indices, inputs.view_mut())?;
            let labels: Vec<u32> = indices.iter().map(|&i| data.labels()[i]).collect();
            for hook in hooks.iter_mut() {
                hook.before_forward(&mut self.network, &now)?;
            }
            let all = self.network.activations(inputs.view())?;
            let logits = &all[all.len() - 1];
            let mut gradient = Array2::zeros(logits.raw_dim());
            let batch = Batch {
                inputs: inputs.view(),
                labels: &labels,
                indices: &indices,
                epoch: epoch as u64,
            };
            last = loss.evaluate(logits.view(), &batch, gradient.view_mut())?;
            self.network.backward(&all, gradient)?;
            for hook in hooks.iter_mut().rev() {
                hook.after_backward(&mut self.network, &now)?;
            }
            self.step(now.learning_rate);
            for hook in hooks.iter_mut() {
                hook.after_step(&mut self.network, &now)?;
            }
        }
        Ok(last)
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
        let total = self.epochs * data.len().div_ceil(BATCH);
        let training_loss = self.run(data, loss, hooks, 0..total, total)?;
        let last = EpochReport {
            epoch: self.epochs - 1,
            training_loss,
            ..EpochReport::default()
        };
        Ok(FitReport {
            epochs: vec![last],
            stopped_early: false,
        })
    }
}

/// Mean cross-entropy with the labels.
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        softmax::log_softmax(logits, 1.0, gradient.view_mut())?;
        let rows = batch.labels.len() as f32;
        let mut sum = 0.0;
        for (mut row, &label) in gradient.rows_mut().into_iter().zip(batch.labels) {
            sum -= row[label as usize];
            elementwise::exp(row.as_slice_mut().unwrap())?;
            row[label as usize] -= 1.0;
            row.mapv_inplace(|g| g / rows);
        }
        Ok(sum / rows)
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
        centers[(i % classes, j)] + 0.5 * (rng::uniform(&mut stream) - 0.5)
    });
    ArraySamples::new(inputs, labels).unwrap()
}
