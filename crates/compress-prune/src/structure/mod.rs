//! Structures: which weights are pruned together, and how the wanted density is met exactly.
//!
//! Every structure keeps `round(density · n)` of `n` things, halves rounded up. Of equal scores,
//! the first in the order of tensors and positions stay. A mask that would leave a tensor without a
//! weight at a density above 0 is an error ([`crate::Error::Collapse`]). A new structure is one file
//! here and one line in the registry.

mod blocks;
mod channels;
mod columns;
mod erk;
mod global;
mod n_of_m;
mod neurons;
mod parts; // tidy: allow(what structures of rows, columns and blocks share)
mod per_layer;
mod per_row;
mod rows;
mod select; // tidy: allow(what the structures share)
mod uniform;

pub use blocks::Blocks;
pub use channels::Channels;
pub use columns::Columns;
pub use erk::Erk;
pub use global::Global;
pub use n_of_m::NOfM;
pub use neurons::Neurons;
pub(crate) use neurons::{group_scores, keep_best, prunable};
pub use per_layer::PerLayer;
pub use per_row::PerRow;
pub use rows::Rows;
pub(crate) use select::{
    check_no_collapse, check_scores, check_some_stay, keep_highest, kept_count,
};
pub use uniform::Uniform;

use compress_core::graph::Graph;
use compress_core::mask::Structure;
use compress_core::registry::{Named, look_up};

use crate::Result;

/// The settings of a structure that is made by name. Each takes those that it has.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureSettings {
    /// The fraction of each tensor that [`Global`] leaves whatever its scores.
    pub floor: f64,
    /// M of [`NOfM`].
    pub m: usize,
    /// The model's graph, for [`Neurons`].
    pub graph: Option<Graph>,
    /// The tensors that [`Uniform`] leaves whole; `None` for the first one alone.
    pub dense: Option<Vec<String>>,
    /// The blocks of [`Blocks`].
    pub blocks: Blocks,
}

impl Default for StructureSettings {
    /// No floor, groups of 4, no graph, the first tensor whole, blocks of 4 by 4.
    fn default() -> Self {
        StructureSettings {
            floor: 0.0,
            m: 4,
            graph: None,
            dense: None,
            blocks: Blocks::default(),
        }
    }
}

/// One line of [`STRUCTURES`].
#[derive(Clone, Copy, Debug)]
pub struct StructureEntry {
    /// The structure's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: fn(&StructureSettings) -> Result<Box<dyn Structure>>,
}

impl Named for StructureEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

const fn entry(
    name: &'static str,
    about: &'static str,
    make: fn(&StructureSettings) -> Result<Box<dyn Structure>>,
) -> StructureEntry {
    StructureEntry { name, about, make }
}

/// The structures, by name.
pub const STRUCTURES: &[StructureEntry] = &[
    entry("global", "one ranking of all weights", |s| {
        Ok(Box::new(Global { floor: s.floor }))
    }),
    entry("per_layer", "a ranking in each tensor", |_| {
        Ok(Box::new(PerLayer))
    }),
    entry("per_row", "a ranking for each output", |_| {
        Ok(Box::new(PerRow))
    }),
    entry(
        "neurons",
        "whole neurons, with all that depends on them",
        |s| {
            let missing = || compress_core::Error::invalid("the graph of neurons", "none", "given");
            Ok(Box::new(Neurons::of(s.graph.as_ref().ok_or_else(missing)?)))
        },
    ),
    entry("n_of_m", "N of each M consecutive weights of a row", |s| {
        Ok(Box::new(NOfM { m: s.m }))
    }),
    entry("uniform", "one density of all tensors but the first", |s| {
        Ok(Box::new(Uniform {
            dense: s.dense.clone(),
        }))
    }),
    entry("erk", "a density of each tensor by its shape", |_| {
        Ok(Box::new(Erk))
    }),
    entry("blocks", "one ranking of the blocks of all tensors", |s| {
        Ok(Box::new(s.blocks))
    }),
    entry("rows", "whole rows (filters) of each tensor", |_| {
        Ok(Box::new(Rows))
    }),
    entry("columns", "whole columns of each tensor", |_| {
        Ok(Box::new(Columns))
    }),
    entry("channels", "whole input channels of each tensor", |_| {
        Ok(Box::new(Channels))
    }),
];

/// The structure of this name.
///
/// # Errors
/// Where there is none (the error lists those that exist), or a setting is missing.
///
/// # Examples
/// ```
/// let structure = compress_prune::structure("per_layer", &Default::default())?;
/// assert_eq!(structure.name(), "per_layer");
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn structure(name: &str, settings: &StructureSettings) -> Result<Box<dyn Structure>> {
    (look_up("structure", STRUCTURES, name)?.make)(settings)
}
