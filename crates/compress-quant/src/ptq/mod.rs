//! Post-training quantization (PTQ): turns the tensors of a trained network into codes without further
//! training, and reports how far the parameters moved.

mod error_report;
mod network;

pub use error_report::{ErrorReport, TensorError};
pub(crate) use network::encode_each;
pub use network::{BiasTreatment, load_into, quantize_network};
