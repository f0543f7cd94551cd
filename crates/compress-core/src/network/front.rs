//! Fronts: fixed linear functions of the features, before the first layer.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::coding::matrix::geometry::Images;
use crate::isa::Isa;
use crate::ops::tent_pool::{pooled, tent_pool_at};
use crate::train::{ArraySamples, Samples, in_batches};
use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// Rows that one task reads.
const ROWS: usize = 16;

/// A front: a fixed linear function of a sample's features, whose output the first layer reads. It
/// has no parameters, so a file only states which front it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Front {
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
    /// A pyramid of two levels: the image pooled as by [`Front::TentPool`], and then pooled once
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

impl Front {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Front::TentPool { .. } => "tent_pool",
            Front::TentPyramid { .. } => "tent_pyramid",
        }
    }

    /// Rows and columns of the image that it reads.
    pub fn image(&self) -> (usize, usize) {
        let (Front::TentPool { height, width } | Front::TentPyramid { height, width }) = *self;
        (height as usize, width as usize)
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        let (height, width) = self.image();
        height.saturating_mul(width)
    }

    /// How many values it gives.
    pub fn outputs(&self) -> usize {
        self.images().pixels()
    }

    /// The images that its output consists of.
    pub fn images(&self) -> Images {
        let (height, width) = self.image();
        Images {
            height: pooled(height),
            width: pooled(width),
            levels: match self {
                Front::TentPool { .. } => 1,
                Front::TentPyramid { .. } => 2,
            },
        }
    }

    /// The factor by which the largest magnitude of its output can exceed that of the features.
    pub fn gain(&self) -> f32 {
        match self {
            Front::TentPool { .. } => 1.0,
            Front::TentPyramid { .. } => COARSE,
        }
    }

    /// Fails where it reads nothing.
    pub fn validate(&self) -> Result<()> {
        match self.inputs() {
            0 => Err(Error::invalid("the front", format!("{self:?}"), "positive")),
            _ => Ok(()),
        }
    }

    /// Applies it to samples `[samples, inputs]`, row-major, and writes into `out`
    /// `[samples, outputs]`. Allocates nothing.
    /// Allocates nothing.
    ///
    /// # Errors
    /// Where the lengths are not those of as many samples.
    pub fn apply(&self, samples: &[f32], out: &mut [f32]) -> Result<()> {
        self.apply_at(Isa::active()?, samples, out)
    }

    /// As [`Front::apply`], at a given level.
    pub(crate) fn apply_at(&self, isa: Isa, samples: &[f32], out: &mut [f32]) -> Result<()> {
        self.validate()?;
        let count = samples.len().div_ceil(self.inputs());
        Error::check_shape("images to pool", &[count * self.inputs()], &[samples.len()])?;
        Error::check_shape("pooled images", &[count * self.outputs()], &[out.len()])?;
        let (height, width) = self.image();
        match self {
            Front::TentPool { .. } => tent_pool_at(isa, samples, height, width, out),
            Front::TentPyramid { .. } => self.pyramid(isa, samples, out),
        }
        Ok(())
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
    /// are those that the chain will read (see [`Architecture::behind`]).
    ///
    /// # Errors
    /// Where the samples have other features, are none, or fail.
    pub fn samples(&self, samples: &dyn Samples) -> Result<ArraySamples> {
        let inputs = self.inputs();
        Error::check_shape("features of the samples", &[inputs], &[samples.features()])?;
        self.validate()?;
        let apply =
            |_, rows: ArrayView2<'_, f32>, out: ArrayViewMut2<'_, f32>| self.apply_rows(rows, out);
        let out = in_batches::<Error>(samples, 0, self.outputs(), apply)?;
        ArraySamples::new(out, samples.labels().to_vec())
    }

    /// [`Front::apply`], shared among threads.
    fn apply_rows(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        self.validate()?;
        let (reads, gives) = (ROWS * self.inputs(), ROWS * self.outputs());
        let inputs = inputs.as_standard_layout();
        let (Some(inputs), Some(out)) = (inputs.as_slice(), out.as_slice_mut()) else {
            let expected = "contiguous and row-major";
            return Err(Error::invalid(
                "what the first layer reads",
                "strided",
                expected,
            ));
        };
        let tasks = inputs.par_chunks(reads).zip(out.par_chunks_mut(gives));
        tasks.try_for_each(|(inputs, out)| self.apply(inputs, out))
    }
}

/// The front and the selection: what comes before the first layer.
impl Architecture {
    /// Puts `front` before the chain. It then reads the features of `front`; until now its features
    /// were the front's output.
    ///
    /// # Errors
    /// Where it has a front already, or other features than `front` gives.
    pub fn behind(&self, front: Front) -> Result<Self> {
        front.validate()?;
        if let Some(present) = self.front {
            let found = present.name();
            return Err(Error::invalid("the front", found, "none to put one before"));
        }
        let given = [front.outputs()];
        Error::check_shape("features behind the front", &given, &[self.features])?;
        let architecture = Architecture {
            features: front.inputs(),
            front: Some(front),
            ..self.clone()
        };
        architecture.validate()?;
        Ok(architecture)
    }

    /// How many features there are to select from: those of a sample, or the front's outputs.
    pub fn selectable(&self) -> usize {
        self.front.map_or(self.features, |front| front.outputs())
    }

    /// Whether the first layer reads all features of a sample, unchanged.
    pub fn reads_features(&self) -> bool {
        self.front.is_none() && self.selected.is_none()
    }

    /// Writes what the first layer reads of `inputs` `[batch, features]` into `out`
    /// `[batch, inputs()]`, which must be contiguous and row-major if there is a front. `scratch`
    /// holds the front's output before a selection, so that it is allocated only once.
    ///
    /// # Errors
    /// Where a shape or layout is another, or the architecture is not valid.
    pub fn read_into(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut out: ArrayViewMut2<'_, f32>,
        scratch: &mut Vec<f32>,
    ) -> Result<()> {
        let batch = inputs.nrows();
        Error::check_shape("inputs", &[batch, self.features], inputs.shape())?;
        let wanted = [batch, self.inputs()];
        Error::check_shape("what the first layer reads", &wanted, out.shape())?;
        match (self.front, &self.selected) {
            (None, None) => out.assign(&inputs),
            (None, Some(selected)) => choose(inputs, selected, out)?,
            (Some(front), None) => front.apply_rows(inputs, out)?,
            (Some(front), Some(selected)) => {
                let shape = (batch, front.outputs());
                scratch.resize(shape.0 * shape.1, 0.0);
                let mut given = ArrayViewMut2::from_shape(shape, scratch).map_err(Error::other)?;
                front.apply_rows(inputs, given.view_mut())?;
                choose(given.view(), selected, out)?;
            }
        }
        Ok(())
    }

    /// The weight `[outputs, features]` of the first layer of the plain chain that computes the
    /// same without a front or a selection, given the present one `[outputs, inputs()]`. Its
    /// non-zeros are what the chain would be charged for without them.
    ///
    /// # Errors
    /// Where the weight has another number of columns, or the architecture is not valid.
    pub fn plain_first_weight(&self, weight: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.validate()?;
        let wanted = [weight.nrows(), self.inputs()];
        Error::check_shape("the first layer's weight", &wanted, weight.shape())?;
        let mut plain = Array2::<f64>::zeros((weight.nrows(), self.features));
        let mut unit = Array2::zeros((1, self.features));
        let mut read = Array2::zeros((1, self.inputs()));
        let mut scratch = Vec::new();
        for (feature, mut plain) in plain.columns_mut().into_iter().enumerate() {
            // What the first layer reads of a sample in which only this feature is 1.
            unit.fill(0.0);
            unit[(0, feature)] = 1.0;
            self.read_into(unit.view(), read.view_mut(), &mut scratch)?;
            let used = read.iter().zip(weight.columns());
            for (&factor, weights) in used.filter(|(factor, _)| **factor != 0.0) {
                for (plain, &weight) in plain.iter_mut().zip(weights) {
                    *plain += f64::from(factor) * f64::from(weight);
                }
            }
        }
        Ok(plain.mapv(|x| x as f32))
    }
}

/// Copies the selected columns.
fn choose(
    from: ArrayView2<'_, f32>,
    selected: &[u32],
    mut out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    if let Some(&index) = selected.iter().find(|&&i| i as usize >= from.ncols()) {
        let expected = format!("below {}", from.ncols());
        return Err(Error::invalid("a selected feature", index, expected));
    }
    for (from, mut out) in from.rows().into_iter().zip(out.rows_mut()) {
        for (out, &index) in out.iter_mut().zip(selected) {
            *out = from[index as usize];
        }
    }
    Ok(())
}
