//! Quantization after training: a network to an artifact, and what it did to the parameters.

mod error_report;
mod network;

pub use error_report::{ErrorReport, TensorError};
pub(crate) use network::assemble;
pub use network::{BiasTreatment, load_into, quantize_network};
