//! Pruning: fewer numbers.
//!
//! The smallest piece is [`prune_weights`], which works on any slice. Beyond that, pruning has
//! three parts. A *criterion* scores how important each weight is. A *structure* turns the scores
//! into a mask of a wanted density (the fraction of weights that stay). A *schedule* says when. All
//! of them work on any model through [`compress_core::network::Network`].
//!
//! | what | how |
//! | --- | --- |
//! | weights below a threshold (magnitude pruning) | [`prune_weights`] |
//! | weight scores | [`Magnitude`], [`NeuronNorm`]; while training also [`Fisher`], [`RateAware`] |
//! | unstructured pruning to an exact density | scores, then [`Global`] or [`PerLayer`] |
//! | N:M sparsity, such as 2:4 | scores, then [`NOfM`] |
//! | pruning while training | [`GradualPruning`] with [`Cubic`] or [`OneShot`]; [`MaskHook`] |
//! | neurons (structured pruning) | [`prune_neurons`] removes them; [`Neurons`] masks them |
//! | layers (structured pruning) | [`score_layers`], [`prune_layer`] |
//! | an order of neurons that is cheap to store | [`order_neurons`], [`improve_order`] |
//!
//! A mask alone makes nothing smaller. [`compact`] removes neurons and inputs that masks have left
//! without effect. For scattered zeros, sparse and entropy-coded storage saves the space.
//!
//! # Examples
//!
//! Masks can be made from any scores; here they are the magnitudes of one matrix of weights:
//!
//! ```
//! use compress_core::mask::{Scores, Structure, TensorScores};
//! use compress_prune::{Global, prune_weights};
//!
//! let mut weights = [0.9, -0.1, 0.3, -0.7, 0.0, 0.2];
//! assert_eq!(prune_weights(&mut weights, 0.15), [0.9, 0.0, 0.3, -0.7, 0.0, 0.2]);
//!
//! let scores = Scores {
//!     tensors: vec![TensorScores {
//!         name: "layers.0.weight".into(),
//!         shape: vec![2, 3],
//!         values: weights.iter().map(|w: &f32| w.abs()).collect(),
//!     }],
//! };
//! let mask = Global::default().mask(&scores, 0.5)?;
//! assert_eq!(mask.tensors[0].keep, [true, false, true, true, false, false]);
//! # Ok::<(), compress_core::Error>(())
//! ```

#![forbid(unsafe_code)]

mod compact;
mod criteria;
mod error;
mod hooks;
mod layers;
mod neurons;
mod order;
mod schedule;
mod structure;
mod weights;

pub use compact::{Compaction, compact};
pub use criteria::{
    CRITERIA, Fisher, LAYER_CRITERIA, LayerCriterion, LayerLoss, Magnitude, MakeCriterion,
    MakeLayerCriterion, NeuronNorm, RateAware, criterion, layer_criterion,
};
pub use error::{Error, Result};
pub use hooks::{GradualOptions, GradualPruning, MaskHook, Regrowth};
pub use layers::{LayerScore, prune_layer, score_layers};
pub use neurons::{NeuronPruning, NeuronsKept, prune_neurons};
pub use order::{improve_order, order_neurons};
pub use schedule::{Cubic, MakeSchedule, OneShot, SCHEDULES, Schedule, schedule};
pub use structure::{Global, MakeStructure, NOfM, Neurons, PerLayer, STRUCTURES, structure};
pub use weights::prune_weights;
