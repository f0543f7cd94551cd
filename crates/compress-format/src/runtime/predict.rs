//! Predictions in buffers of their own.

use ndarray::{Array2, ArrayView2};

use super::model::Runtime;
use super::session::Session;
use compress_core::Result;
use compress_core::kernels::memory::{filled, zero_matrix};

impl Runtime {
    /// Makes buffers for many predictions.
    pub fn session(&self) -> Session<'_> {
        Session::new(self)
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`. An empty batch gives no rows.
    ///
    /// Allocates its buffers; for many calls see [`Runtime::session`].
    ///
    /// # Errors
    /// [`Error::Shape`] where the number of features differs. [`Error::NonFinite`] where an input
    /// is NaN or infinite, with its row and column; with [`Arithmetic::Integer`] also where the
    /// outputs of a front or of a hidden layer overflow f32, so that the next layer cannot quantize
    /// them. [`Error::Isa`] where `COMPRESS_ISA` asks for what the machine lacks.
    ///
    /// [`Error::Shape`]: compress_core::Error::Shape
    /// [`Error::NonFinite`]: compress_core::Error::NonFinite
    /// [`Error::Isa`]: compress_core::Error::Isa
    /// [`Arithmetic::Integer`]: super::Arithmetic::Integer
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let shape = (inputs.nrows(), self.architecture.outputs());
        let mut logits = zero_matrix("the logits", shape)?;
        self.session().predict_into(inputs, logits.view_mut())?;
        Ok(logits)
    }

    /// For each row of `inputs` `[batch, features]` the number of its largest logit; of equals,
    /// the lowest.
    ///
    /// # Errors
    /// As [`Runtime::predict`], and where a logit is NaN, since NaN has no place in an order.
    pub fn predict_classes(&self, inputs: ArrayView2<'_, f32>) -> Result<Vec<u32>> {
        let mut classes = filled("the classes", inputs.nrows(), 0)?;
        self.session().predict_classes_into(inputs, &mut classes)?;
        Ok(classes)
    }
}
