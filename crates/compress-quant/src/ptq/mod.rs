//! Post-training quantization (PTQ): turns the tensors of a trained model into codes without further
//! training, and reports how far tensors and activations moved.

mod error_report;
mod tensors;

pub use error_report::{ErrorReport, TensorError};
pub(crate) use tensors::encode_each;
pub use tensors::{Others, load_into, quantize_model};
