//! Labelled grey images held as bytes.

use std::ops::Range;
use std::sync::LazyLock;

use compress_core::train::{FeatureMajor, FeatureRow, Samples, check_indices, gather_by_feature};
use ndarray::ArrayViewMut2;
use rayon::prelude::*;

use super::idx::{self, Source};
use crate::Result;

/// Rows that one task writes.
const ROWS: usize = 16;

/// Grey images with labels. The features of a sample are pixel / 255, so black is exactly 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    pixels: Vec<u8>,
    height: usize,
    width: usize,
    labels: Vec<u32>,
}

impl ImageSet {
    /// `pixels` is `[labels.len(), height, width]`, row-major.
    ///
    /// # Errors
    /// Where there is no image, no pixel in it, or the lengths disagree.
    pub fn new(pixels: Vec<u8>, height: usize, width: usize, labels: Vec<u32>) -> Result<Self> {
        use compress_core::Error;
        if labels.is_empty() || height == 0 || width == 0 {
            return Err(Error::Empty {
                what: "the set of images".into(),
            }
            .into());
        }
        let size = height.checked_mul(width);
        let expected = size.and_then(|size| size.checked_mul(labels.len()));
        if expected != Some(pixels.len()) {
            return Err(Error::Shape {
                what: "pixels".into(),
                expected: vec![labels.len(), height, width],
                found: vec![pixels.len()],
            }
            .into());
        }
        Ok(ImageSet {
            pixels,
            height,
            width,
            labels,
        })
    }

    /// Reads an IDX file of images and one of labels, each a path or bytes, plain or gzip.
    ///
    /// # Errors
    /// Where one cannot be read, or they hold different numbers.
    pub fn from_idx<'a>(
        images: impl Into<Source<'a>>,
        labels: impl Into<Source<'a>>,
    ) -> Result<Self> {
        let images = idx::read_images(images)?;
        let labels = idx::read_labels(labels)?;
        let count = images.pixels.len() / (images.height * images.width);
        compress_core::Error::check_shape(
            "labels, one for each image of the other file",
            &[count],
            &[labels.len()],
        )?;
        ImageSet::new(images.pixels, images.height, images.width, labels)
    }

    /// `[images, height, width]`, row-major.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The images `range`.
    ///
    /// # Errors
    /// Where it is empty or reaches past the end.
    pub fn subset(&self, range: Range<usize>) -> Result<Self> {
        if range.start >= range.end || range.end > self.labels.len() {
            return Err(compress_core::Error::invalid(
                "the range of images",
                format!("{range:?}"),
                format!("not empty and within 0..{}", self.labels.len()),
            )
            .into());
        }
        let size = self.features();
        Ok(ImageSet {
            pixels: self.pixels[range.start * size..range.end * size].to_vec(),
            labels: self.labels[range].to_vec(),
            ..*self
        })
    }

    /// Splits the set into the first `count` images and the rest.
    ///
    /// # Errors
    /// Where one of them would be empty.
    pub fn split(&self, count: usize) -> Result<(Self, Self)> {
        Ok((
            self.subset(0..count)?,
            self.subset(count..self.labels.len())?,
        ))
    }

    /// The images at `indices`, in this order.
    ///
    /// # Errors
    /// Where there are none or one does not exist.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        check_indices(indices, self.labels.len())?;
        let mut pixels = Vec::with_capacity(indices.len() * self.features());
        indices
            .iter()
            .for_each(|&i| pixels.extend_from_slice(self.image(i)));
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        ImageSet::new(pixels, self.height, self.width, labels)
    }

    /// The pixels of image `index`, which must exist.
    pub(super) fn image(&self, index: usize) -> &[u8] {
        let size = self.features();
        &self.pixels[index * size..(index + 1) * size]
    }
}

impl Samples for ImageSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn features(&self) -> usize {
        self.height * self.width
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn fill(
        &self,
        _epoch: u64,
        indices: &[usize],
        mut out: ArrayViewMut2<'_, f32>,
    ) -> compress_core::Result<()> {
        let size = self.features();
        let out = rows_of(&mut out, indices, self.len(), size)?;
        let tasks = out
            .par_chunks_mut(ROWS * size)
            .zip(indices.par_chunks(ROWS));
        tasks.for_each(|(out, indices)| {
            let features = &*FEATURES;
            for (out, &index) in out.chunks_exact_mut(size).zip(indices) {
                for (out, &pixel) in out.iter_mut().zip(self.image(index)) {
                    *out = features[usize::from(pixel)];
                }
            }
        });
        Ok(())
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        Some(self)
    }
}

impl FeatureMajor for ImageSet {
    fn fill_by_feature(
        &self,
        _epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        out: ArrayViewMut2<'_, f32>,
    ) -> compress_core::Result<()> {
        check_indices(indices, self.labels.len())?;
        let images: Vec<&[u8]> = indices.iter().map(|&index| self.image(index)).collect();
        let features = &*FEATURES;
        gather_by_feature(&images, |pixel| features[usize::from(pixel)], wanted, out)
    }
}

/// The feature that each pixel value becomes.
static FEATURES: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|pixel| pixel as f32 / 255.0));

/// The values of `out`, after the checks that [`Samples::fill`] asks for.
pub(super) fn rows_of<'o>(
    out: &'o mut ArrayViewMut2<'_, f32>,
    indices: &[usize],
    samples: usize,
    features: usize,
) -> compress_core::Result<&'o mut [f32]> {
    compress_core::Error::check_shape("batch", &[indices.len(), features], out.shape())?;
    check_indices(indices, samples)?;
    out.as_slice_mut().ok_or_else(|| {
        compress_core::Error::invalid("the batch", "strided", "contiguous and row-major")
    })
}
