//! The layers with their weights as codes, and by column as a change goes through them.

use compress_core::network::{Activation, LayerSpec};

/// All layers.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) layers: Vec<Layer>,
}

/// One layer.
pub(super) struct Layer {
    /// The name of the weights.
    pub(super) name: String,
    pub(super) bias_name: String,
    pub(super) inputs: usize,
    pub(super) activation: Activation,
    /// `[outputs, inputs]`, each to be multiplied by `step`.
    pub(super) codes: Vec<i32>,
    step: f32,
    /// The product of the steps up to this layer: the unit of biases once steps are folded.
    steps: f32,
    /// The layer's products are divided by this, and so `columns` hold weights divided by it.
    divisor: f32,
    /// The biases as in the network.
    pub(super) bias: Vec<f32>,
    /// For each input the rows where its weight is not zero, with that weight.
    pub(super) columns: Vec<Vec<(usize, f32)>>,
}

/// The place of a weight.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) layer: usize,
    /// The flat position in `[outputs, inputs]`.
    pub(super) position: usize,
}

/// A change of a weight; without a column, of a bias.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) layer: usize,
    pub(super) row: usize,
    pub(super) column: Option<usize>,
    pub(super) delta: f32,
}

impl Layer {
    /// The weights themselves.
    pub(super) fn weight(&self) -> Vec<f32> {
        self.codes.iter().map(|&c| c as f32 * self.step).collect()
    }

    /// The biases, divided.
    pub(super) fn bias(&self) -> impl Iterator<Item = f32> {
        self.bias.iter().map(|bias| bias / self.divisor)
    }

    /// The bias of one row, divided.
    pub(super) fn bias_at(&self, row: usize) -> f32 {
        self.bias[row] / self.divisor
    }

    /// The divided value of a bias of 1, once steps are folded.
    pub(super) fn unit(&self) -> f32 {
        self.steps / self.divisor
    }

    /// What a code adds to a product where the input is 1.
    fn value(&self, code: i32) -> f32 {
        code as f32 * self.step / self.divisor
    }
}

impl Chain {
    /// Adds a layer, whose products are divided by `divisor`.
    pub(super) fn push(
        &mut self,
        spec: &LayerSpec,
        codes: Vec<i32>,
        step: f32,
        divisor: f32,
        bias: Vec<f32>,
    ) {
        let inputs = spec.inputs;
        let mut layer = Layer {
            name: spec.weight_name(),
            bias_name: spec.bias_name(),
            inputs,
            activation: spec.activation,
            codes,
            step,
            steps: step * self.layers.last().map_or(1.0, |before| before.steps),
            divisor,
            bias,
            columns: vec![Vec::new(); inputs],
        };
        for (position, &code) in layer.codes.iter().enumerate() {
            if code != 0 {
                let value = layer.value(code);
                layer.columns[position % inputs].push((position / inputs, value));
            }
        }
        self.layers.push(layer);
    }

    /// All weights that are not zero.
    pub(super) fn nonzeros(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (layer, of) in self.layers.iter().enumerate() {
            let set = of.codes.iter().enumerate().filter(|(_, code)| **code != 0);
            places.extend(set.map(|(position, _)| Place { layer, position }));
        }
        places
    }

    pub(super) fn code(&self, place: Place) -> i32 {
        self.layers[place.layer].codes[place.position]
    }

    /// What adding `by` to the magnitude of a code does.
    pub(super) fn change(&self, place: Place, by: i32) -> Change {
        let layer = &self.layers[place.layer];
        let code = layer.codes[place.position];
        let after = code + by * code.signum();
        Change {
            layer: place.layer,
            row: place.position / layer.inputs,
            column: Some(place.position % layer.inputs),
            delta: layer.value(after) - layer.value(code),
        }
    }

    /// What adding `by`, divided as products are, to a bias does.
    pub(super) fn bias_change(layer: usize, row: usize, by: f32) -> Change {
        Change {
            layer,
            row,
            column: None,
            delta: by,
        }
    }

    /// Adds `by`, divided as products are, to a bias.
    pub(super) fn move_bias(&mut self, layer: usize, row: usize, by: f32) {
        let layer = &mut self.layers[layer];
        layer.bias[row] += by * layer.divisor;
    }

    /// Adds `by` to the magnitude of a code.
    pub(super) fn set(&mut self, place: Place, by: i32) {
        let layer = &mut self.layers[place.layer];
        let code = &mut layer.codes[place.position];
        *code += by * code.signum();
        let code = *code;
        let (row, weight) = (place.position / layer.inputs, layer.value(code));
        let column = &mut layer.columns[place.position % layer.inputs];
        if code == 0 {
            column.retain(|(r, _)| *r != row);
        } else if let Some(entry) = column.iter_mut().find(|(r, _)| *r == row) {
            entry.1 = weight;
        }
    }
}
