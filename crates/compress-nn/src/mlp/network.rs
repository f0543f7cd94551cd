//! What every algorithm asks of a network: the forward pass, and edits.

use compress_core::network::{Architecture, LayerRemoval, Network, Parameter, Tap};
use compress_core::ops::elementwise;
use ndarray::{Array2, ArrayView2};

use super::{Mlp, edit};
use crate::layers::dense;

impl Network for Mlp {
    fn architecture(&self) -> Architecture {
        self.architecture.clone()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> compress_core::Result<Array2<f32>> {
        self.run(inputs, None)
    }

    fn forward_tapped(
        &self,
        inputs: ArrayView2<'_, f32>,
        tap: &mut dyn Tap,
    ) -> compress_core::Result<Array2<f32>> {
        self.run(inputs, Some(tap))
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }

    fn remove_neurons(&mut self, layer: usize, keep: &[bool]) -> compress_core::Result<()> {
        edit::remove_neurons(self, layer, keep)
    }

    fn remove_inputs(&mut self, keep: &[bool]) -> compress_core::Result<()> {
        edit::remove_inputs(self, keep)
    }

    fn remove_layer(&mut self, layer: usize, how: LayerRemoval) -> compress_core::Result<()> {
        edit::remove_layer(self, layer, how)
    }
}

impl Mlp {
    fn run(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut tap: Option<&mut dyn Tap>,
    ) -> compress_core::Result<Array2<f32>> {
        let batch = inputs.nrows();
        compress_core::Error::check_shape(
            "inputs of the network",
            &[batch, self.features()],
            inputs.shape(),
        )?;
        let mut x = None;
        if !self.architecture.reads_features() {
            let mut read = Array2::zeros((batch, self.architecture.inputs()));
            let scratch = &mut Vec::new();
            self.architecture
                .read_into(inputs, read.view_mut(), scratch)?;
            x = Some(read);
        }
        for (index, layer) in self.layers().iter().enumerate() {
            let read = x.as_ref().map_or(inputs, |x: &Array2<f32>| x.view());
            if let Some(tap) = tap.as_deref_mut() {
                tap.observe(index, layer, read)?;
            }
            let mut y = Array2::zeros((batch, layer.outputs));
            let (weight, bias) = self.layer(index);
            dense::forward(read, weight, bias, y.view_mut())?;
            if let Some(values) = y.as_slice_mut() {
                elementwise::activate(layer.activation, values)?;
            }
            x = Some(y);
        }
        Ok(x.unwrap_or_else(|| inputs.to_owned()))
    }
}
