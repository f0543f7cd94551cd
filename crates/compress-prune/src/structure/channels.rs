//! Structured pruning of whole input channels.

use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::volume;
use compress_core::{Error, Result};

use super::parts::{Slices, keep_slices};

/// Structured pruning: keeps, of the `n` input channels of each tensor, the `round(density · n)`
/// whose scores have the highest means. A channel is one position along the second axis, of a tensor
/// of any rank from 2 on: all kernels that read one channel. Of a matrix it is a column.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no channel of
/// a tensor. Where a tensor has no second axis. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Channels;
///
/// // One filter with two channels of a kernel of two values.
/// let values = vec![1.0, 1.0, 3.0, 0.0];
/// let tensor = TensorScores { name: "a".into(), shape: vec![1, 2, 2], values };
/// let mask = Channels.mask(&Scores { tensors: vec![tensor] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Wen, Wu, Wang, Chen, Li 2016 (1608.03665), section 3.2, "channel-wise"; He, Zhang, Sun 2017
/// (1707.06168), section 3.1, for pruning the channels that a layer reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Channels;

impl Structure for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn averages(&self) -> bool {
        true
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        keep_slices(self, scores, density, |name, shape| match shape {
            [_, length, kernel @ ..] => Ok(Slices {
                length: *length,
                inner: volume(kernel),
            }),
            _ => {
                let what = format!("the rank of {name}");
                Err(Error::invalid(
                    what,
                    shape.len(),
                    "at least 2, to have channels",
                ))
            }
        })
    }
}
