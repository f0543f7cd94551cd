//! Post-training quantization (PTQ): turns a trained network into an artifact without further
//! training, and reports how far the parameters moved.

mod error_report;
mod network;

pub use error_report::{ErrorReport, TensorError};
pub(crate) use network::assemble;
pub use network::{BiasTreatment, load_into, quantize_network};
