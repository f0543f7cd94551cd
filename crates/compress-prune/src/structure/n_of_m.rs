//! N:M sparsity: N of each M consecutive weights of a row stay.

use compress_core::Result;
use compress_core::kernels::select::{self, keep_n_of_m};
use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::matrix_shape;

use super::select::{check_scores, check_some_stay, kept_count, mask_of};
use crate::error::check_fraction;

/// N:M sparsity: of each M consecutive weights of a row, keeps the `round(density · M)` with the
/// highest scores. A row of a tensor is everything but its first axis. At a density of one half this
/// is 2:4 (2 of 4), which sparse kernels and some processors multiply at full speed.
///
/// A row whose length is not a multiple of M ends in a shorter group. As many weights stay in it as
/// in a whole group, or all if it has fewer, so the density is a little higher there.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave none of M
/// weights. Where M is 0 or more than 65,536. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::NOfM;
///
/// let values = vec![0.1, 0.4, 0.3, 0.2, 5.0, 6.0, 7.0, 8.0];
/// let tensor = TensorScores { name: "a".into(), shape: vec![2, 4], values };
/// let mask = NOfM::default().mask(&Scores { tensors: vec![tensor] }, 0.5)?;
/// let keep = [false, true, true, false, false, false, true, true];
/// assert_eq!(mask.tensors[0].keep, keep);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Mishra et al. 2021 (2104.08378), section 3.
#[derive(Clone, Copy, Debug)]
pub struct NOfM {
    /// M: the weights of a group.
    pub m: usize,
}

impl Default for NOfM {
    /// Groups of 4.
    fn default() -> Self {
        NOfM { m: 4 }
    }
}

impl Structure for NOfM {
    fn name(&self) -> &'static str {
        "n_of_m"
    }

    fn check_density(&self, density: f64) -> Result<()> {
        check_fraction("the density", density)?;
        Ok(check_some_stay("N of M", "weights", density, self.m)?)
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        self.check_density(density)?;
        check_scores(scores)?;
        let n = kept_count(density, self.m);
        let pattern = select::NOfM::new(n, self.m)?;
        let keep = scores.tensors.iter().map(|tensor| {
            let mut keep = vec![false; tensor.values.len()];
            keep_n_of_m(
                &tensor.values,
                matrix_shape(&tensor.shape).1,
                pattern,
                &mut keep,
            )?;
            Ok(keep)
        });
        Ok(mask_of(scores, density, keep.collect::<Result<_>>()?)?)
    }
}
