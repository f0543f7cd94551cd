//! Structured pruning of blocks of a matrix.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::matrix_shape;
use compress_core::{Error, Result};

use super::parts::{means, spread};
use super::select::{check_scores, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Structured pruning: cuts each tensor, as a matrix whose rows are everything but the first axis,
/// into blocks, and keeps the `round(density · n)` of all `n` blocks together whose scores have the
/// highest means. Kernels for blocks skip those that are zero.
///
/// Blocks at the end of a row or a column are smaller where the matrix is no multiple of them. A
/// smaller block counts as much as another, so the density is one of blocks, not of weights.
///
/// # Errors
/// Where the density is not from 0 to 1, or a block would have no rows or columns. Where the ranking
/// would leave a tensor no weight at a density above 0. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Blocks;
///
/// let values = vec![1.0, 2.0, 9.0, 1.0, 2.0, 0.0];
/// let tensor = TensorScores { name: "a".into(), shape: vec![2, 3], values };
/// let mask = Blocks { rows: 2, columns: 2 }.mask(&Scores { tensors: vec![tensor] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true, false, false, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Narang, Undersander, Diamos 2017 (1711.02782), section 3.1, for pruning blocks of a weight matrix
/// (their score is the maximum of a block); Gray, Radford, Kingma 2017, *GPU kernels for block-sparse
/// weights*, for the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The rows of a block.
    pub rows: usize,
    /// The columns of a block.
    pub columns: usize,
}

impl Default for Blocks {
    /// 4 by 4.
    fn default() -> Self {
        Blocks {
            rows: 4,
            columns: 4,
        }
    }
}

impl Structure for Blocks {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn averages(&self) -> bool {
        true
    }

    fn check_density(&self, density: f64) -> Result<()> {
        check_fraction("the density", density)?;
        for (what, size) in [
            ("rows of a block", self.rows),
            ("columns of a block", self.columns),
        ] {
            if size == 0 {
                return Err(Error::invalid(what, size, "at least 1"));
            }
        }
        Ok(())
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        self.check_density(density)?;
        check_scores(scores)?;
        let grids: Vec<Grid> = scores.tensors.iter().map(|t| self.grid(&t.shape)).collect();
        let pairs = scores.tensors.iter().zip(&grids);
        let means = pairs.map(|(t, grid)| means(&t.values, grid.blocks(), |p| grid.block_of(p)));
        let means: Vec<Vec<f32>> = means.collect();
        let all: usize = means.iter().map(Vec::len).sum();
        let ranked: Vec<&[f32]> = means.iter().map(Vec::as_slice).collect();
        let stay = keep_highest(&ranked, kept_count(density, all))?;
        let parts = scores.tensors.iter().zip(&grids).zip(stay);
        let keep = parts.map(|((t, grid), stay)| {
            spread(&stay, t.values.len(), |position| grid.block_of(position))
        });
        Ok(mask_of(scores, density, keep.collect())?)
    }
}

/// A matrix that is cut into blocks, numbered row by row.
struct Grid {
    size: Blocks,
    /// The columns of the matrix.
    columns: usize,
    /// Blocks from its top to its bottom.
    down: usize,
    /// Blocks from its left to its right.
    across: usize,
}

impl Blocks {
    fn grid(self, shape: &[usize]) -> Grid {
        let (rows, columns) = matrix_shape(shape);
        Grid {
            size: self,
            columns,
            down: rows.div_ceil(self.rows),
            across: columns.div_ceil(self.columns),
        }
    }
}

impl Grid {
    fn blocks(&self) -> usize {
        self.down * self.across
    }

    fn block_of(&self, position: usize) -> usize {
        let (row, column) = (position / self.columns, position % self.columns);
        row / self.size.rows * self.across + column / self.size.columns
    }
}
