//! The fronts that a file can state: pooling of images.

use compress_core::chain::{Architecture, Front, SharedFront};
use compress_core::isa::Isa;
use compress_core::ops::tent_pool::{pooled, tent_pool_at};
use compress_core::train::{ArraySamples, Samples, in_batches};
use compress_core::{Error, Result};

use crate::coding::matrix::geometry::Images;
use serde::Serialize;

#[cfg(test)]
mod tests;

/// Pooling of images by a tent filter, as a front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Pooling {
    /// Pooling of an image `[height, width]` by a tent filter, \[1, 3, 3, 1\] / 8 along each axis,
    /// to half its rows and columns, rounded up: along each, value i is
    /// (x₂ᵢ₋₁ + 3·x₂ᵢ + 3·x₂ᵢ₊₁ + x₂ᵢ₊₂) / 8, what lies outside of the image being zero. Rows are
    /// summed first and all is divided by 64 at the end, so that nothing is rounded where the
    /// values are integers below 2¹⁸.
    TentPool {
        /// Rows of the image.
        height: u32,
        /// Columns of the image.
        width: u32,
    },
    /// A pyramid of two levels: the image pooled as by [`Pooling::TentPool`], and then pooled once
    /// more by \[1, 3, 3, 1\] / 4. So a pixel of the second level counts as much as four of the
    /// first, and wide patterns take few weights.
    TentPyramid {
        /// Rows of the image.
        height: u32,
        /// Columns of the image.
        width: u32,
    },
}

/// The factor of the second level's filter against the first's.
const COARSE: f32 = 4.0;

impl Pooling {
    /// Rows and columns of the image that it reads.
    pub fn image(&self) -> (usize, usize) {
        let (Pooling::TentPool { height, width } | Pooling::TentPyramid { height, width }) = *self;
        (height as usize, width as usize)
    }

    /// The images that its output consists of.
    pub fn images(&self) -> Images {
        let (height, width) = self.image();
        Images {
            height: pooled(height),
            width: pooled(width),
            levels: match self {
                Pooling::TentPool { .. } => 1,
                Pooling::TentPyramid { .. } => 2,
            },
        }
    }

    /// The front of a chain, where it is one of these.
    pub(crate) fn of(chain: &Architecture) -> Option<Self> {
        chain.front.as_ref()?.downcast_ref().copied()
    }

    /// As a chain holds it.
    ///
    /// # Errors
    /// Where the image has no pixel.
    pub fn shared(self) -> Result<SharedFront> {
        SharedFront::new(self)
    }

    /// Writes both levels of each image, one after the other.
    fn pyramid(&self, isa: Isa, samples: &[f32], out: &mut [f32]) {
        let (height, width) = self.image();
        let (rows, columns) = (pooled(height), pooled(width));
        let images = samples.chunks_exact(self.inputs());
        for (image, out) in images.zip(out.chunks_exact_mut(self.outputs())) {
            let (fine, coarse) = out.split_at_mut(rows * columns);
            tent_pool_at(isa, image, height, width, fine);
            tent_pool_at(isa, fine, rows, columns, coarse);
            coarse.iter_mut().for_each(|value| *value *= COARSE);
        }
    }

    /// Its output for `samples` as in epoch 0, in `4 · samples · outputs` bytes. With it, a chain
    /// that will stand behind the front can train without applying the front in each step. The bits
    /// are those that the chain will read (see [`compress_core::chain::Architecture::behind`]).
    ///
    /// # Errors
    /// Where the image has no pixel, or the samples have other features, are none, or fail.
    pub fn samples(self, samples: &dyn Samples) -> Result<ArraySamples> {
        let front = self.shared()?;
        let inputs = [self.inputs()];
        Error::check_shape("features of the samples", &inputs, &[samples.features()])?;
        let outputs = self.outputs();
        let out = in_batches::<Error>(samples, 0, outputs, |_, rows, out| {
            front.apply_rows(rows, out)
        })?;
        ArraySamples::new(out, samples.labels().to_vec())
    }
}

impl Front for Pooling {
    fn name(&self) -> &'static str {
        match self {
            Pooling::TentPool { .. } => "tent_pool",
            Pooling::TentPyramid { .. } => "tent_pyramid",
        }
    }

    fn inputs(&self) -> usize {
        let (height, width) = self.image();
        height.saturating_mul(width)
    }

    fn outputs(&self) -> usize {
        self.images().pixels()
    }

    fn gain(&self) -> f32 {
        match self {
            Pooling::TentPool { .. } => 1.0,
            Pooling::TentPyramid { .. } => COARSE,
        }
    }

    fn apply_at(&self, isa: Isa, samples: &[f32], out: &mut [f32]) -> Result<()> {
        if self.inputs() == 0 {
            return Err(Error::invalid("the front", format!("{self:?}"), "positive"));
        }
        let count = samples.len().div_ceil(self.inputs());
        Error::check_shape("images to pool", &[count * self.inputs()], &[samples.len()])?;
        Error::check_shape("pooled images", &[count * self.outputs()], &[out.len()])?;
        let (height, width) = self.image();
        match self {
            Pooling::TentPool { .. } => tent_pool_at(isa, samples, height, width, out),
            Pooling::TentPyramid { .. } => self.pyramid(isa, samples, out),
        }
        Ok(())
    }
}
