//! A network that implements the contract, including edits of its structure.

use compress_core::differentiate::Differentiate;
use compress_core::gradients::Gradients;
use compress_core::graph::{Graph, Group};
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::network::{
    Activation, Architecture, Edit, Forward, LayerRemoval, LayerSpec, Network, Parameter,
};
use compress_core::observe::{Place, Tap, Tapped};
use compress_core::ops::elementwise;
use compress_core::parameters::{Change, Parameters, See};
use compress_core::train::{Batch, Loss, Value};
use compress_core::{Error, Result, rng};
use ndarray::{Array2, ArrayView2};

use crate::normal;

/// A chain of dense layers. Its fields are public, so that a test can change anything.
#[derive(Clone)]
pub struct Chain {
    /// The layers; the parameters must fit them.
    pub architecture: Architecture,
    /// For each layer its weight and its bias.
    pub parameters: Vec<Parameter>,
}

impl Chain {
    /// ReLU between layers, uniform weights and biases.
    pub fn random(widths: &[usize], seed: u64) -> Self {
        Self::with_activation(widths, Activation::Relu, seed)
    }

    /// As [`Chain::random`], with `hidden` between layers.
    pub fn with_activation(widths: &[usize], hidden: Activation, seed: u64) -> Self {
        let mut stream = rng::stream(seed, "tests.chain");
        Self::of(widths, hidden, |layer, _, count| {
            let bound = (3.0 / layer.inputs as f32).sqrt();
            let mut draw = || (2.0 * rng::uniform(&mut stream) - 1.0) * bound;
            (0..count).map(|_| draw()).collect()
        })
    }

    /// ReLU between layers, [`normal`] weights whose deviation is `1/√inputs`, biases of
    /// deviation 0.1.
    pub fn normal(widths: &[usize], seed: u64) -> Self {
        Self::of(widths, Activation::Relu, |layer, name, count| {
            let is_bias = name == layer.bias_name();
            let inputs = (layer.inputs as f32).sqrt();
            let deviation = if is_bias { 0.1 } else { 1.0 / inputs };
            let values = normal(seed, name, count).into_iter();
            values.map(|x| deviation * x).collect()
        })
    }

    /// Makes the parameters with `draw`, which is given their layer, name and count.
    fn of(
        widths: &[usize],
        hidden: Activation,
        mut draw: impl FnMut(&LayerSpec, &str, usize) -> Vec<f32>,
    ) -> Self {
        let architecture = Architecture::mlp(widths, hidden).unwrap();
        let mut parameters = Vec::new();
        for layer in &architecture.layers {
            let (weight, bias) = (layer.weight_name(), layer.bias_name());
            let values = draw(layer, &weight, layer.outputs * layer.inputs);
            let values = Array2::from_shape_vec((layer.outputs, layer.inputs), values).unwrap();
            parameters.push(Parameter::weight(weight, values));
            let values = draw(layer, &bias, layer.outputs);
            parameters.push(Parameter::bias(bias, values));
        }
        Chain {
            architecture,
            parameters,
        }
    }

    /// The values of each parameter.
    pub fn values(&self) -> Vec<Vec<f32>> {
        let values = |p: &Parameter| p.values().to_vec();
        self.parameters.iter().map(values).collect()
    }

    /// The input of each layer, and the logits at the end.
    fn activations(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<Array2<f32>>> {
        let wanted = [inputs.nrows(), self.architecture.features];
        Error::check_shape("inputs", &wanted, inputs.shape())?;
        let mut first = Array2::zeros((inputs.nrows(), self.architecture.inputs()));
        self.architecture
            .read_into(inputs, first.view_mut(), &mut Vec::new())?;
        let mut all = vec![first];
        for (layer, pair) in self
            .architecture
            .layers
            .iter()
            .zip(self.parameters.chunks(2))
        {
            let x = all[all.len() - 1].view();
            let mut y = Array2::zeros((x.nrows(), layer.outputs));
            let bias = Init::Bias(pair[1].values());
            gemm(x, pair[0].matrix().t(), bias, y.view_mut())?;
            elementwise::activate(layer.activation, y.as_slice_mut().unwrap())?;
            all.push(y);
        }
        Ok(all)
    }

    /// Gradients of all parameters, given that of the logits, and the layers whose outputs the loss
    /// reads with its gradients of those. Hidden layers must be ReLU, tanh or without activation.
    fn backward(
        &mut self,
        all: &[Array2<f32>],
        mut dy: Array2<f32>,
        read: &[(usize, Array2<f32>)],
    ) -> Result<()> {
        let layers = &self.architecture.layers;
        let of_layer = |i: usize| read.iter().filter(move |(layer, _)| *layer == i);
        for (_, gradient) in of_layer(layers.len() - 1) {
            dy += gradient;
        }
        for (i, pair) in self.parameters.chunks_mut(2).enumerate().rev() {
            let x = &all[i];
            let (inputs, outputs) = (x.ncols(), dy.ncols());
            let mut dw = Array2::zeros((outputs, inputs));
            gemm(dy.t(), x.view(), Init::Zero, dw.view_mut())?;
            let gradient = pair[0].gradient_mut();
            gradient.copy_from_slice(dw.as_slice().unwrap());
            for (g, column) in pair[1].gradient_mut().iter_mut().zip(dy.columns()) {
                *g = column.iter().sum();
            }
            if i > 0 {
                let mut dx = Array2::zeros(x.raw_dim());
                gemm(dy.view(), pair[0].matrix(), Init::Zero, dx.view_mut())?;
                for (_, gradient) in of_layer(i - 1) {
                    dx += gradient;
                }
                let (output, gradient) = (x.as_slice().unwrap(), dx.as_slice_mut().unwrap());
                match layers[i - 1].activation {
                    Activation::Relu => elementwise::relu_backward(output, gradient)?,
                    Activation::Tanh => elementwise::tanh_backward(output, gradient)?,
                    Activation::Identity => {}
                    other => panic!("no gradient of {other:?}"),
                }
                dy = dx;
            }
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

    /// The parameters, to change.
    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }

    /// The parameters.
    pub fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }
}

impl Parameters for Chain {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.parameters.iter().try_for_each(|p| see(p.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let parameters = self.parameters.iter_mut();
        parameters
            .into_iter()
            .try_for_each(|p| change(p.tensor_mut()))
    }
}

impl Gradients for Chain {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let parameters = self.parameters.iter_mut();
        parameters
            .into_iter()
            .try_for_each(|p| change(p.gradient_tensor_mut()))
    }
}

impl Differentiate for Chain {
    fn differentiate(&mut self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<f32> {
        let all = self.activations(batch.inputs)?;
        let names = loss.reads_values().into_iter();
        let read = names.map(|name| {
            let layer = self.architecture.position(name)?;
            Ok((layer, Array2::zeros(all[layer + 1].raw_dim())))
        });
        let mut read = read.collect::<Result<Vec<_>>>()?;
        let values = read.iter_mut().map(|(layer, gradient)| Value {
            rows: all[*layer + 1].view(),
            gradient: gradient.view_mut(),
        });
        let mut values: Vec<Value<'_>> = values.collect();
        let logits = &all[all.len() - 1];
        let mut gradient = Array2::zeros(logits.raw_dim());
        let value = loss.evaluate_with(logits.view(), &mut values, batch, gradient.view_mut())?;
        self.backward(&all, gradient, &read)?;
        Ok(value)
    }
}

impl Forward for Chain {
    fn features(&self) -> usize {
        self.architecture.features
    }

    fn outputs(&self) -> usize {
        self.architecture.outputs()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        Ok(self.activations(inputs)?.pop().unwrap())
    }
}

impl Tapped for Chain {
    fn run_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<()> {
        let all = self.activations(inputs)?;
        for (i, layer) in self.architecture.layers.iter().enumerate() {
            let weight = layer.weight_name();
            for (place, rows) in [
                (Place::InputOf(&weight), &all[i]),
                (Place::Value(&layer.name), &all[i + 1]),
            ] {
                if tap.wants(place) {
                    tap.observe(place, rows.view())?;
                }
            }
        }
        Ok(())
    }
}

impl Edit for Chain {
    fn graph(&self) -> Graph {
        self.architecture.graph()
    }

    fn keep(&mut self, group: &Group, keep: &[bool]) -> Result<()> {
        let edited = self.architecture.keeping(group, keep)?;
        for member in &group.members {
            let found = self
                .parameters
                .iter_mut()
                .find(|p| p.name() == member.tensor);
            let parameter = found.unwrap();
            let (shape, values) = member.cut(parameter.tensor(), keep)?;
            let (name, role) = (parameter.name().to_owned(), parameter.role());
            *parameter = Parameter::new(name, role, shape, values)?;
        }
        self.architecture = edited;
        Ok(())
    }
}

impl Network for Chain {
    fn architecture(&self) -> Architecture {
        self.architecture.clone()
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }

    fn remove_layer(&mut self, layer: &str, how: LayerRemoval) -> Result<()> {
        let layer = self.architecture.position(layer)?;
        self.architecture = self.architecture.without_layer(layer, how)?;
        if how == LayerRemoval::Fold {
            let [this, bias, next, next_bias] =
                [0, 1, 2, 3].map(|i| &self.parameters[2 * layer + i]);
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
