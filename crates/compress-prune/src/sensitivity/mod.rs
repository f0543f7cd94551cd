//! Sensitivity of tensors to pruning, and the highest sparsity within an error budget.
//!
//! Both work on the scores of any model and on an error that the caller measures.

mod curves;
mod front;
mod masked;
mod options;
mod output_error;
mod search;

pub use curves::{Sensitivity, SensitivityPoint, TensorSensitivity, sensitivity};
pub use front::FrontPoint;
pub use masked::Measure;
pub use output_error::{Recorded, relative_error};
pub use search::{DensitySearch, SearchOptions, TensorDensity, search_densities};
