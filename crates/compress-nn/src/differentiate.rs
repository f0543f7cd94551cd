//! The gradients of an [`Mlp`] on demand, outside of a training run.

use compress_core::Result;
use compress_core::differentiate::Differentiate;
use compress_core::gradients::Gradients;
use compress_core::parameters::Change;
use compress_core::train::{Batch, Loss};

use crate::backprop::{Backprop, Ends};
use crate::shown::layers_read;
use crate::{Mlp, Settings};

impl Gradients for Mlp {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut parameters = self.parameters_mut().into_iter();
        parameters.try_for_each(|p| change(p.gradient_tensor_mut()))
    }
}

impl Differentiate for Mlp {
    fn differentiate(&mut self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<f32> {
        self.check_shapes()?;
        let rows = batch.inputs.nrows();
        let shown = layers_read(self, &loss.reads_values())?;
        let mut buffers = Backprop::new(self, &Settings::default(), rows).showing(&shown);
        let mut inputs = buffers.inputs_mut(rows);
        let expected = inputs.shape().to_vec();
        compress_core::Error::check_shape("inputs", &expected, batch.inputs.shape())?;
        inputs.assign(&batch.inputs);
        buffers.read_batch(self, rows, 0)?;
        buffers.forward(self, rows, 0)?;
        let Ends {
            logits, mut values, ..
        } = buffers.ends(rows);
        let (logits, gradient) = (logits.rows, logits.gradient);
        let value = loss.evaluate_with(logits, &mut values, batch, gradient)?;
        buffers.backward(self, rows)?;
        Ok(value)
    }
}
