//! One row of inputs times a small layer of integer weights: `y = W·x + b`. The codes have 8 bits,
//! as in the file, and each is turned into f32 where it is multiplied.
//!
//! Each output is one chain of fused multiply-adds that starts from the bias, with inputs
//! ascending. So every level gives the same bits: those of the same weights in f32, as long as no
//! product overflows. (A zero that is left out makes no NaN of an infinity; a zero that is stored
//! does.)
//!
//! # Layout
//!
//! Outputs go 16 at a time, one in each lane.
//!
//! [`Form::Scattered`]: outputs are sorted by how many weights they have. Slot i holds the i-th
//! weight of each output that has so many: `count` codes, each with the place of its input. At
//! AVX-512 the inputs are gathered. Outputs stay in that order, and [`CodeRows::places`] tells the
//! next layer where they are. A selection of features tells the first layer the same. So nothing is
//! copied between layers.
//!
//! [`Form::Dense`]: each input has a code for each output. Up to 64 outputs go side by side, so
//! that their chains do not wait for each other.
//!
//! # Speed
//!
//! At AVX-512 a slot costs the gathering of 16 elements, an input of a dense form the latency of a
//! multiply-add: [`Form::of`] goes by that. The example `predict_small` times whole models.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod layout;
mod reference;
#[cfg(test)]
mod tests;

pub use self::layout::{CodeRows, Form};

use crate::isa::Isa;
use crate::{Error, Result};

impl CodeRows {
    /// `y = W·x + b`. With `relu`, values not above zero become +0. `y` has the length of
    /// [`CodeRows::outputs`].
    ///
    /// # Errors
    /// Where a length differs, or the machine lacks the level.
    pub fn multiply(&self, isa: Isa, x: &[f32], relu: bool, y: &mut [f32]) -> Result<()> {
        if x.len() != self.width || y.len() != self.bias.len() {
            Error::check_shape("a row of inputs", &[self.width], &[x.len()])?;
            Error::check_shape("a row of outputs", &[self.bias.len()], &[y.len()])?;
        }
        isa.require("a layer of codes")?;
        dispatch::multiply(isa, self, x, relu, y);
        Ok(())
    }
}
