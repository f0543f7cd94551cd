//! How gradients become changes of weights: optimizers, learning rate schedules, and limits on
//! gradients and weights.

pub(crate) mod moments;
mod norms;
mod optimizer;
mod schedule;
mod state;

pub use optimizer::Optimizer;
pub use schedule::Schedule;

pub(crate) use norms::{clip_factor, limit_rows};
pub(crate) use schedule::Rates;
pub(crate) use state::State;
