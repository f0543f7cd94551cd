//! Pruning as a training hook: a fixed mask, and a mask that tightens on a schedule (gradual
//! pruning).

mod gradual_pruning;
mod mask_hook;
mod masking;

pub use gradual_pruning::{GradualOptions, GradualPruning, Regrowth};
pub use mask_hook::MaskHook;
