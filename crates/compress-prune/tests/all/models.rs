//! Models that are no networks: a struct of arrays that trains, and a graph of operations that can be
//! edited.

use std::collections::HashMap;

use compress_core::gradients::Gradients;
use compress_core::graph::{Graph, Group, Node, Operation, Part};
use compress_core::network::{Activation, Parameter};
use compress_core::ops::elementwise;
use compress_core::parameters::{Change, Parameters, See};
use compress_core::tensor::{TensorMut, TensorRef};
use compress_core::train::Run;
use compress_core::{Error, Result};
use compress_prune::{Edit, Role};
use compress_testing::normal;
use ndarray::{Array1, Array2, Array4};

/// The name of the weight of a [`Convolution`].
pub(crate) const WEIGHT: &str = "conv.weight";

/// A stranger's struct of arrays: a convolution that learns to be its targets.
#[derive(Clone)]
pub(crate) struct Convolution {
    /// `[16, 3, 3, 3]`.
    pub(crate) weight: Array4<f32>,
    pub(crate) bias: Array1<f32>,
    weight_gradient: Array4<f32>,
    bias_gradient: Array1<f32>,
    /// What the weights are drawn to.
    pub(crate) targets: Array4<f32>,
    /// The second moments of an optimizer that keeps some.
    pub(crate) moments: Option<Array4<f32>>,
}

impl Convolution {
    pub(crate) fn new(seed: u64) -> Self {
        let array = |name: &str| {
            let values = normal(seed, name, 16 * 27);
            Array4::from_shape_vec((16, 3, 3, 3), values).unwrap()
        };
        Convolution {
            weight: array("weight"),
            bias: Array1::ones(16),
            weight_gradient: Array4::zeros((16, 3, 3, 3)),
            bias_gradient: Array1::zeros(16),
            targets: array("targets"),
            moments: None,
        }
    }

    /// How many weights are not zero.
    pub(crate) fn kept(&self) -> usize {
        self.weight.iter().filter(|w| **w != 0.0).count()
    }

    /// One step of a loop of one's own: plain gradient descent. Returns the loss.
    pub(crate) fn step(&mut self, run: &mut Run<'_, '_>) -> Result<f32> {
        run.step(
            self,
            0.1,
            |model, _| Ok(model.learn()),
            |model, _| {
                model.descend();
                Ok(())
            },
        )
    }

    /// Leaves the gradients; returns the loss, half the squared distance from the targets.
    pub(crate) fn learn(&mut self) -> f32 {
        self.weight_gradient = &self.weight - &self.targets;
        self.bias_gradient = self.bias.clone();
        0.5 * self.weight_gradient.iter().map(|d| d * d).sum::<f32>()
    }

    pub(crate) fn descend(&mut self) {
        self.weight.scaled_add(-0.1, &self.weight_gradient);
        self.bias.scaled_add(-0.1, &self.bias_gradient);
    }
}

fn lend<'a>(name: &'a str, role: Role, shape: &'a [usize], values: &'a [f32]) -> TensorRef<'a> {
    TensorRef {
        name,
        role,
        shape,
        values,
    }
}

impl Parameters for Convolution {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        let values = self.weight.as_slice().unwrap();
        see(lend(WEIGHT, Role::Weight, self.weight.shape(), values))?;
        let values = self.bias.as_slice().unwrap();
        see(lend("conv.bias", Role::Bias, self.bias.shape(), values))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        change_both(&mut self.weight, &mut self.bias, change)
    }
}

impl Gradients for Convolution {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        change_both(&mut self.weight_gradient, &mut self.bias_gradient, change)
    }

    fn visit_second_moments(&self, see: &mut See<'_>) -> Result<()> {
        match &self.moments {
            Some(moments) => {
                let values = moments.as_slice().unwrap();
                see(lend(WEIGHT, Role::Weight, moments.shape(), values))
            }
            None => Ok(()),
        }
    }
}

fn change_both(
    weight: &mut Array4<f32>,
    bias: &mut Array1<f32>,
    change: &mut Change<'_>,
) -> Result<()> {
    change(TensorMut {
        name: WEIGHT,
        role: Role::Weight,
        shape: &[16, 3, 3, 3],
        values: weight.as_slice_mut().unwrap(),
    })?;
    change(TensorMut {
        name: "conv.bias",
        role: Role::Bias,
        shape: &[16],
        values: bias.as_slice_mut().unwrap(),
    })
}

/// A model that is nothing but tensors, a graph of operations on them, and edits. An operation that
/// is not known to the graph adds up what it reads.
#[derive(Clone, Default)]
pub(crate) struct Operations {
    nodes: Vec<Node>,
    outputs: Vec<String>,
    pub(crate) tensors: Vec<Parameter>,
    /// For each input how many features there are, and which of them are read.
    inputs: HashMap<String, (usize, Vec<usize>)>,
    /// How many positions each feature has, less one; convolutions slide along them.
    more_positions: usize,
}

impl Operations {
    /// The model with an input from outside.
    pub(crate) fn input(mut self, name: &str, features: usize, selectable: bool) -> Self {
        let all = (features, (0..features).collect());
        self.inputs.insert(name.into(), all);
        self.node(name, Operation::Input { selectable }, &[], features)
    }

    /// The model without nodes whose inputs are features of so many positions each.
    pub(crate) fn of_positions(positions: usize) -> Self {
        Operations {
            more_positions: positions - 1,
            ..Operations::default()
        }
    }

    fn positions(&self) -> usize {
        self.more_positions + 1
    }

    /// The model with a convolution of three positions, with zeros around them.
    pub(crate) fn convolution(mut self, name: &str, reads: &str, outputs: usize) -> Self {
        let [weight, bias] = ["weight", "bias"].map(|tensor| format!("{name}.{tensor}"));
        let inputs = self.features(reads);
        let shape = vec![outputs, inputs, 3];
        let values = normal(1, &weight, outputs * inputs * 3);
        let parameter = Parameter::new(&weight, Role::Weight, shape, values).unwrap();
        self.tensors.push(parameter);
        let values = normal(1, &bias, outputs);
        self.tensors.push(Parameter::bias(&bias, values));
        let bias = Some(bias);
        self.node(name, Operation::Linear { weight, bias }, &[reads], outputs)
    }

    /// The model with a scale and a shift of each feature.
    pub(crate) fn scaled(mut self, name: &str, reads: &str) -> Self {
        let tensors = ["scale", "shift"].map(|tensor| format!("{name}.{tensor}"));
        let features = self.features(reads);
        for tensor in &tensors {
            let values = normal(1, tensor, features);
            let parameter = Parameter::new(tensor, Role::Other, vec![features], values);
            self.tensors.push(parameter.unwrap());
        }
        let tensors = tensors.to_vec();
        self.node(name, Operation::PerFeature { tensors }, &[reads], features)
    }

    /// The model with the positions of a value as features.
    pub(crate) fn flatten(self, name: &str, reads: &str) -> Self {
        let positions = self.positions();
        let features = self.features(reads) * positions;
        self.node(name, Operation::Flatten { positions }, &[reads], features)
    }

    /// The model with a sum of values whose groups become one.
    pub(crate) fn add(self, name: &str, reads: &[&str]) -> Self {
        let features = self.features(reads[0]);
        self.node(name, Operation::Add, reads, features)
    }

    /// The model with random weights `name.weight` and biases `name.bias`.
    pub(crate) fn linear(mut self, name: &str, reads: &str, outputs: usize) -> Self {
        let [weight, bias] = ["weight", "bias"].map(|tensor| format!("{name}.{tensor}"));
        let inputs = self.features(reads);
        let values = normal(1, &weight, outputs * inputs);
        let matrix = Array2::from_shape_vec((outputs, inputs), values).unwrap();
        self.tensors.push(Parameter::weight(&weight, matrix));
        let values = normal(1, &bias, outputs);
        self.tensors.push(Parameter::bias(&bias, values));
        let bias = Some(bias);
        self.node(name, Operation::Linear { weight, bias }, &[reads], outputs)
    }

    pub(crate) fn activation(self, name: &str, reads: &str, activation: Activation) -> Self {
        let features = self.features(reads);
        self.node(name, Operation::Activation(activation), &[reads], features)
    }

    /// The model with the sum of some values.
    pub(crate) fn sum(self, name: &str, reads: &[&str]) -> Self {
        let features = self.features(reads[0]);
        self.node(name, Operation::Other("Add".into()), reads, features)
    }

    /// The model with another value that leaves it.
    pub(crate) fn output(mut self, name: &str) -> Self {
        self.outputs.push(name.into());
        self
    }

    fn node(mut self, name: &str, operation: Operation, reads: &[&str], features: usize) -> Self {
        self.nodes.push(Node {
            name: name.into(),
            operation,
            inputs: reads.iter().map(|&value| value.to_owned()).collect(),
            output: name.into(),
            features,
        });
        self
    }

    fn features(&self, value: &str) -> usize {
        let node = self.nodes.iter().find(|node| node.output == value);
        node.unwrap().features
    }

    /// Another weight and bias for a linear operation; its own tensors go.
    pub(crate) fn using(mut self, name: &str, weight: &str, bias: Option<&str>) -> Self {
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        node.unwrap().operation = Operation::Linear {
            weight: weight.into(),
            bias: bias.map(str::to_owned),
        };
        let used: Vec<String> = self.nodes.iter().flat_map(tensors_of).collect();
        self.tensors.retain(|t| used.iter().any(|n| n == t.name()));
        self
    }

    pub(crate) fn tensor(&self, name: &str) -> &Parameter {
        let found = self.tensors.iter().find(|tensor| tensor.name() == name);
        found.unwrap()
    }

    fn tensor_mut(&mut self, name: &str) -> &mut Parameter {
        let found = self.tensors.iter_mut().find(|t| t.name() == name);
        found.unwrap()
    }

    pub(crate) fn values_mut(&mut self, name: &str) -> &mut [f32] {
        self.tensor_mut(name).values_mut()
    }

    /// Sets a row of a weight, or an element of a bias.
    pub(crate) fn set_row(&mut self, name: &str, row: usize, value: f32) {
        let tensor = self.tensor_mut(name);
        let width: usize = tensor.shape()[1..].iter().product();
        tensor.values_mut()[row * width..(row + 1) * width].fill(value);
    }

    pub(crate) fn set_column(&mut self, name: &str, column: usize, value: f32) {
        let tensor = self.tensor_mut(name);
        let width = tensor.shape()[1];
        let values = tensor.values_mut().iter_mut().skip(column);
        values.step_by(width).for_each(|w| *w = value);
    }

    /// What leaves the model, for five rows of values that depend on the names of its inputs alone.
    pub(crate) fn run(&self) -> Vec<f32> {
        const ROWS: usize = 5;
        let mut values: HashMap<&str, Array2<f32>> = HashMap::new();
        for node in &self.nodes {
            let read = |i: usize| &values[node.inputs[i].as_str()];
            let value = match &node.operation {
                Operation::Input { .. } => {
                    let (features, selected) = &self.inputs[&node.name];
                    let n = self.positions();
                    let all = normal(2, &node.name, ROWS * features * n);
                    Array2::from_shape_fn((ROWS, selected.len() * n), |(row, i)| {
                        all[(row * features + selected[i / n]) * n + i % n]
                    })
                }
                Operation::Linear { weight, bias } => {
                    let bias = bias.as_ref().map(|bias| self.tensor(bias).values());
                    match self.tensor(weight).shape().len() {
                        3 => convolve(read(0), self.tensor(weight), bias, self.positions()),
                        _ => multiply(read(0), self.tensor(weight), bias),
                    }
                }
                Operation::PerFeature { tensors } => {
                    let [scale, shift] = [0, 1].map(|i| self.tensor(&tensors[i]).values());
                    let mut value = read(0).clone();
                    let n = value.ncols() / scale.len();
                    for ((_, column), x) in value.indexed_iter_mut() {
                        *x = *x * scale[column / n] + shift[column / n];
                    }
                    value
                }
                // The positions of a feature are consecutive already.
                Operation::Flatten { .. } => read(0).clone(),
                Operation::Activation(activation) => {
                    let mut value = read(0).clone();
                    elementwise::activate(*activation, value.as_slice_mut().unwrap()).unwrap();
                    value
                }
                Operation::Add | Operation::Other(_) => {
                    (1..node.inputs.len()).fold(read(0).clone(), |sum, i| sum + read(i))
                }
            };
            values.insert(&node.output, value);
        }
        let outputs = self.outputs.iter();
        outputs
            .flat_map(|name| values[name.as_str()].iter().copied())
            .collect()
    }
}

/// `x · weightᵀ + bias`, one product after the other from the bias on.
fn multiply(x: &Array2<f32>, weight: &Parameter, bias: Option<&[f32]>) -> Array2<f32> {
    let weight = weight.matrix();
    Array2::from_shape_fn((x.nrows(), weight.nrows()), |(row, output)| {
        let start = bias.map_or(0.0, |bias| bias[output]);
        let products = x.row(row).into_iter().zip(weight.row(output));
        products.fold(start, |sum, (x, w)| sum + x * w)
    })
}

/// The sums over the channels and the three positions around each, one after the other from the bias
/// on. A row of `x` has the `n` positions of each channel one after the other.
fn convolve(x: &Array2<f32>, weight: &Parameter, bias: Option<&[f32]>, n: usize) -> Array2<f32> {
    let (outputs, weight) = (weight.shape()[0], weight.matrix());
    Array2::from_shape_fn((x.nrows(), outputs * n), |(row, column)| {
        let (output, at) = (column / n, column % n);
        let mut sum = bias.map_or(0.0, |bias| bias[output]);
        for (i, &w) in weight.row(output).iter().enumerate() {
            let (channel, position) = (i / 3, (at + i % 3).wrapping_sub(1));
            if position < n {
                sum += w * x[[row, channel * n + position]];
            }
        }
        sum
    })
}

fn tensors_of(node: &Node) -> Vec<String> {
    match &node.operation {
        Operation::Linear { weight, bias } => {
            let names = [Some(weight), bias.as_ref()];
            names.into_iter().flatten().cloned().collect()
        }
        _ => Vec::new(),
    }
}

impl Parameters for Operations {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.tensors.iter().try_for_each(|t| see(t.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        for tensor in &mut self.tensors {
            change(tensor.tensor_mut())?;
        }
        Ok(())
    }
}

impl Edit for Operations {
    fn graph(&self) -> Graph {
        Graph::new(self.nodes.clone(), self.outputs.clone()).unwrap()
    }

    fn keep(&mut self, group: &Group, keep: &[bool]) -> Result<()> {
        if !self.graph().groups().contains(group) {
            return Err(Error::invalid("a group", &group.name, "one of the graph"));
        }
        let kept = group.check_kept(keep)?;
        for member in &group.members {
            let parameter = self.tensor_mut(&member.tensor);
            let (shape, values) = member.cut(parameter.tensor(), keep)?;
            let (name, role) = (parameter.name().to_owned(), parameter.role());
            *parameter = Parameter::new(name, role, shape, values)?;
        }
        if let Some((_, selected)) = self.inputs.get_mut(&group.name) {
            let marked = selected.iter().zip(keep).filter(|(_, keep)| **keep);
            *selected = marked.map(|(&feature, _)| feature).collect();
        }
        let writes = |weight: &str| group.of(Part::Writes).any(|m| m.tensor == weight);
        let mut narrower: Vec<String> = Vec::new();
        for node in &mut self.nodes {
            let cut = match &node.operation {
                Operation::Linear { weight, .. } => writes(weight),
                Operation::Input { .. } => node.name == group.name,
                Operation::Other(_) => false,
                _ => narrower.contains(&node.inputs[0]),
            };
            if cut {
                node.features = match node.operation {
                    Operation::Flatten { positions } => kept * positions,
                    _ => kept,
                };
                narrower.push(node.output.clone());
            }
        }
        Ok(())
    }
}
