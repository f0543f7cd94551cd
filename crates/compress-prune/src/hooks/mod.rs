//! Pruning as a training hook: a fixed mask, a mask that tightens on a schedule (gradual pruning), a
//! mask that moves at one density (dynamic sparse training); and a snapshot to rewind to.

mod behind;
mod dynamic_sparse;
mod gradual_pruning;
mod mask_hook;
mod moves;
mod saved;
mod snapshot_hook;

pub use dynamic_sparse::{DynamicOptions, DynamicSparse, Growth};
pub use gradual_pruning::{GradualOptions, GradualPruning, Regrowth};
pub use mask_hook::MaskHook;
pub use snapshot_hook::SnapshotHook;
