//! Pruning: fewer numbers.
//!
//! The smallest piece is [`prune_weights`], which works on any slice. Beyond that, pruning has
//! three parts. A *criterion* scores how important each weight is. A *structure* turns the scores
//! into a mask of a wanted density (the fraction of weights that stay). A *schedule* says when.
//!
//! None of them knows networks. They work on named tensors of any rank ([`Parameters`]), and some
//! need to know more about a tensor ([`Known`]): what it reads, its gradient.
//!
//! | what | how |
//! | --- | --- |
//! | weights below a threshold (magnitude pruning) | [`prune_weights`] |
//! | weight scores | [`score`] by [`Magnitude`], [`Lamp`], [`NeuronNorm`], [`Random`] |
//! | … by what weights read | [`Wanda`], [`Obs`] |
//! | … by a loss | [`Taylor`], [`Obd`]; while training also [`SecondMoments`], [`RateAware`], [`Movement`] |
//! | … at initialization | [`Snip`], [`Grasp`]; [`SynFlow`] with [`prune_in_rounds`] |
//! | neuron scores | [`score`] by [`NeuronNorm`], [`NeuronL1`], [`NeuronTaylor`], [`ActivationRate`], [`GeometricMedian`] |
//! | unstructured pruning to an exact density | scores, then [`Global`], [`PerLayer`] or [`PerRow`] |
//! | magnitude pruning of a model larger than memory | [`MagnitudeCut`] |
//! | densities of layers by rule | scores, then [`Uniform`] or [`Erk`] |
//! | parts of tensors | scores, then [`Blocks`], [`Rows`], [`Columns`] or [`Channels`] |
//! | N:M sparsity, such as 2:4 | scores, then [`NOfM`] |
//! | pruning that moves the weights which stay (SparseGPT) | [`SparseGpt`] |
//! | repair without training | [`reconstruct`] (least squares), [`correct_biases`] |
//! | how much each tensor can lose | [`sensitivity()`]; [`relative_error`] or any other error |
//! | the highest sparsity within an error budget | [`search_densities`] |
//! | pruning while training | [`GradualPruning`] with [`Cubic`] (Zhu and Gupta), [`Linear`], [`Exponential`], [`Iterative`] or [`OneShot`]; [`MaskHook`] |
//! | pruned weights that may come back (DNS) | [`GradualPruning`] with [`Regrowth::Allowed`] |
//! | one density from the start (RigL, SET) | [`DynamicSparse`] |
//! | lottery tickets: rewinding | [`Snapshot`], [`SnapshotHook`]; rounds by [`Iterative::densities`] |
//! | neurons (structured pruning) | [`prune_neurons`] removes them; [`Neurons`] masks them |
//! | layers (structured pruning) | [`score_layers`], [`prune_layer`] |
//! | an order of neurons that is cheap to store | [`order_neurons`], [`improve_order`] |
//!
//! A mask alone makes nothing smaller. [`compact`] removes neurons and inputs that masks have left
//! without effect. For scattered zeros, sparse and entropy-coded storage saves the space.
//!
//! # Examples
//!
//! The weight of a convolution, pruned to a quarter by magnitude, and then 2:4:
//!
//! ```
//! use compress_prune::{Global, Known, Lent, Magnitude, NOfM, Structure, score};
//! use ndarray::Array4;
//!
//! // [out_channels, in_channels, kernel height, kernel width]
//! let value = |(o, i, y, x)| ((o * 27 + i * 9 + y * 3 + x) * 37 % 101) as f32 - 50.5;
//! let mut weight = Array4::from_shape_fn((16, 4, 3, 3), value);
//!
//! let mut model = Lent::new().weight("conv.weight", weight.view_mut())?;
//! let scores = score(&model, &Magnitude, &Known::nothing())?;
//! Global::default().mask(&scores, 0.25)?.apply(&mut model)?;
//! assert_eq!(weight.iter().filter(|w| **w != 0.0).count(), 16 * 36 / 4);
//!
//! let mut model = Lent::new().weight("conv.weight", weight.view_mut())?;
//! let scores = score(&model, &Magnitude, &Known::nothing())?;
//! let mask = NOfM::default().mask(&scores, 0.5)?;
//! // A row is everything but the first axis: 36 weights, in 9 groups of 4.
//! assert!(mask.tensors[0].keep.chunks(4).all(|group| group.iter().filter(|k| **k).count() == 2));
//! # Ok::<(), compress_core::Error>(())
//! ```

#![forbid(unsafe_code)]

mod compact;
mod criteria;
mod error;
mod hooks;
mod inverse_hessian;
mod layer_criterion;
mod layers;
mod magnitude_cut;
mod neurons;
mod order;
mod repair;
mod rounds;
mod schedule;
mod sensitivity;
mod snapshot;
mod sparse_gpt;
mod structure;
mod tighten;
mod weights;

pub use compact::{Compaction, compact};
pub use compress_core::differentiate::Differentiate;
pub use compress_core::evidence::{Evidence, Known, Needs, PerValue};
pub use compress_core::graph::Graph;
pub use compress_core::hook::{Gradients, LiveSets, Pruned, TrainHook, Training};
pub use compress_core::mask::{
    Criterion, Mask, Scores, Structure, TensorMask, TensorScores, score,
};
pub use compress_core::network::{Edit, LayerRemoval, Network};
pub use compress_core::observe::Observe;
pub use compress_core::parameters::{Lent, Parameters};
pub use compress_core::price::Prices;
pub use compress_core::samples::Samples;
pub use compress_core::tensor::{Role, TensorMut, TensorRef};
pub use criteria::{
    ActivationRate, CRITERIA, CriterionEntry, CriterionSettings, GeometricMedian, Grasp,
    LAYER_CRITERIA, Lamp, LayerCriterionEntry, LayerLoss, Magnitude, Movement, NeuronL1,
    NeuronNorm, NeuronTaylor, Obd, Obs, Random, RateAware, SecondMoments, Snip, SynFlow, Taylor,
    Wanda, criterion, layer_criterion,
};
pub use error::{Error, Result};
pub use hooks::{
    DynamicOptions, DynamicSparse, GradualOptions, GradualPruning, Growth, MaskHook, Regrowth,
    SnapshotHook,
};
pub use layer_criterion::LayerCriterion;
pub use layers::{LayerScore, prune_layer, score_layers};
pub use magnitude_cut::MagnitudeCut;
pub use neurons::{NeuronPruning, NeuronsKept, prune_neurons};
pub use order::{improve_order, order_neurons};
pub use repair::{
    InputProducts, LayerView, RepairedLayer, correct_bias, correct_biases, reconstruct,
    reconstruct_layer,
};
pub use rounds::prune_in_rounds;
pub use schedule::{
    Cubic, Exponential, Iterative, Linear, OneShot, SCHEDULES, Schedule, ScheduleEntry,
    ScheduleSettings, schedule,
};
pub use sensitivity::{
    DensitySearch, FrontPoint, Measure, Recorded, SearchOptions, Sensitivity, SensitivityPoint,
    TensorDensity, TensorSensitivity, relative_error, search_densities, sensitivity,
};
pub use snapshot::Snapshot;
pub use sparse_gpt::{Pattern, PrunedWeight, SparseGpt};
pub use structure::{
    Blocks, Channels, Columns, Erk, Global, NOfM, Neurons, PerLayer, PerRow, Rows, STRUCTURES,
    StructureEntry, StructureSettings, Uniform, structure,
};
pub use weights::prune_weights;
