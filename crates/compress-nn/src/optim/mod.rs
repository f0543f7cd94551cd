//! How gradients become changes of weights: optimizers, learning rate schedules, and limits on
//! gradients and weights.

mod adam;
mod norms;
mod optimizer;
mod schedule;
mod sgd;

pub use optimizer::Optimizer;
pub use schedule::Schedule;

pub(crate) use norms::{clip_factor, limit_rows};
pub(crate) use optimizer::State;
pub(crate) use schedule::Rates;
