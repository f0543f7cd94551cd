//! Pruning that takes part in training: a fixed mask, and a mask that tightens on a schedule.

mod gradual_pruning;
mod mask_hook;
mod masking;

pub use gradual_pruning::{GradualOptions, GradualPruning, Regrowth};
pub use mask_hook::MaskHook;
