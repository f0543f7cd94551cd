//! What an [`Mlp`] offers to algorithms: its tensors, the forward pass, and edits.

use compress_core::graph::{Graph, Group};
use compress_core::network::{Architecture, Edit, Forward, LayerRemoval, Network};
use compress_core::observe::{Place, Tap, Tapped};
use compress_core::ops::elementwise;
use compress_core::parameters::{Change, Parameters, See};
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};

use super::{Mlp, edit};
use crate::layers::dense;

impl Parameters for Mlp {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        let mut parameters = self.parameters().into_iter();
        parameters.try_for_each(|p| see(p.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut parameters = self.parameters_mut().into_iter();
        parameters.try_for_each(|p| change(p.tensor_mut()))
    }
}

impl Forward for Mlp {
    fn features(&self) -> usize {
        self.architecture.features
    }

    fn outputs(&self) -> usize {
        self.architecture.outputs()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.run(inputs, None)
    }
}

impl Tapped for Mlp {
    /// The values are what each layer gives after its activation, under the layer's name.
    fn run_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<()> {
        self.run(inputs, Some(tap)).map(|_| ())
    }
}

impl Edit for Mlp {
    fn graph(&self) -> Graph {
        self.architecture.graph()
    }

    fn keep(&mut self, group: &Group, keep: &[bool]) -> Result<()> {
        edit::keep(self, group, keep)
    }
}

impl Network for Mlp {
    fn architecture(&self) -> Architecture {
        self.architecture.clone()
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }

    fn remove_layer(&mut self, layer: &str, how: LayerRemoval) -> Result<()> {
        edit::remove_layer(self, layer, how)
    }
}

impl Mlp {
    fn run(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut tap: Option<&mut dyn Tap>,
    ) -> Result<Array2<f32>> {
        let batch = inputs.nrows();
        let wanted = [batch, self.features()];
        Error::check_shape("inputs of the network", &wanted, inputs.shape())?;
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
            let (weight, bias) = self.layer(index);
            show(&mut tap, Place::InputOf(weight.name()), read)?;
            let mut y = Array2::zeros((batch, layer.outputs));
            dense::forward(read, weight, bias, y.view_mut())?;
            if let Some(values) = y.as_slice_mut() {
                elementwise::activate(layer.activation, values)?;
            }
            show(&mut tap, Place::Value(&layer.name), y.view())?;
            x = Some(y);
        }
        Ok(x.unwrap_or_else(|| inputs.to_owned()))
    }
}

fn show(tap: &mut Option<&mut dyn Tap>, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
    match tap.as_deref_mut().filter(|tap| tap.wants(place)) {
        Some(tap) => tap.observe(place, rows),
        None => Ok(()),
    }
}
