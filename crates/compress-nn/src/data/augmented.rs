//! Images augmented anew in each epoch.

use compress_core::rng;
use compress_core::train::Samples;
use ndarray::ArrayViewMut2;
use rayon::prelude::*;

use super::images::rows_of;
use super::warp::{Geometry, Scratch};
use super::{Augmentation, ImageSet};
use crate::Result;

/// Images that one task distorts.
const TASK: usize = 16;

/// The images of a set, each distorted anew in each epoch. The distortion of image `i` in epoch `e`
/// depends only on the seed, the stream's name, `e` and `i`.
#[derive(Clone, Debug)]
pub struct Augmented<'a> {
    images: &'a ImageSet,
    augmentation: Augmentation,
    geometry: Geometry,
    seed: u64,
    stream: String,
}

impl<'a> Augmented<'a> {
    /// # Errors
    /// Where a field of `augmentation` is out of its range.
    pub fn new(
        images: &'a ImageSet,
        augmentation: Augmentation,
        seed: u64,
        stream: impl Into<String>,
    ) -> Result<Self> {
        augmentation.validate()?;
        Ok(Augmented {
            images,
            augmentation,
            geometry: Geometry::new(images.height(), images.width()),
            seed,
            stream: stream.into(),
        })
    }

    /// A transfer set: the original images, followed by `copies` distorted copies of all of them,
    /// as in the epochs 0 to `copies` − 1, rounded to bytes. The labels are repeated.
    pub fn materialize(&self, copies: usize) -> Result<ImageSet> {
        let (count, size) = (self.images.len(), self.images.features());
        let total = copies
            .checked_add(1)
            .and_then(|sets| sets.checked_mul(count * size));
        let Some(total) = total.filter(|&total| total <= isize::MAX as usize) else {
            let most = "fewer than fill the memory";
            return Err(compress_core::Error::invalid("copies", copies, most).into());
        };
        let mut pixels = Vec::with_capacity(total);
        pixels.extend_from_slice(self.images.pixels());
        pixels.resize(total, 0);
        let distorted = &mut pixels[count * size..];
        let tasks = distorted.par_chunks_mut(TASK * size).enumerate();
        tasks.try_for_each(|(task, out)| -> compress_core::Result<()> {
            let mut scratch = self.geometry.scratch();
            let mut values = vec![0.0; size];
            for (i, out) in out.chunks_exact_mut(size).enumerate() {
                let position = task * TASK + i;
                let (epoch, index) = ((position / count) as u64, position % count);
                self.distort(epoch, index, &mut scratch, &mut values)?;
                for (out, value) in out.iter_mut().zip(&values) {
                    *out = (value + 0.5) as u8;
                }
            }
            Ok(())
        })?;
        let labels = self.images.labels().repeat(copies + 1);
        ImageSet::new(pixels, self.images.height(), self.images.width(), labels)
    }

    /// Writes image `index` as it is in `epoch`, from 0 to 255.
    fn distort(
        &self,
        epoch: u64,
        index: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> compress_core::Result<()> {
        let key = epoch.rotate_left(32) ^ index as u64;
        let mut stream = rng::indexed(self.seed, &self.stream, key);
        let distortion = self.augmentation.draw(&mut stream)?;
        let image = self.images.image(index);
        self.geometry.warp(image, &distortion, scratch, out);
        Ok(())
    }
}

impl Samples for Augmented<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn features(&self) -> usize {
        self.images.features()
    }

    fn labels(&self) -> &[u32] {
        self.images.labels()
    }

    fn differs_by_epoch(&self) -> bool {
        true
    }

    fn fill(
        &self,
        epoch: u64,
        indices: &[usize],
        mut out: ArrayViewMut2<'_, f32>,
    ) -> compress_core::Result<()> {
        let size = self.features();
        let out = rows_of(&mut out, indices, self.len(), size)?;
        let tasks = out
            .par_chunks_mut(TASK * size)
            .zip(indices.par_chunks(TASK));
        tasks.try_for_each(|(out, indices)| {
            let mut scratch = self.geometry.scratch();
            for (out, &index) in out.chunks_exact_mut(size).zip(indices) {
                self.distort(epoch, index, &mut scratch, out)?;
                out.iter_mut().for_each(|value| *value /= 255.0);
            }
            Ok(())
        })
    }
}
