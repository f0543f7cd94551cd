//! Images of the training set of MNIST, as candle's tensors.

use std::error::Error;
use std::path::Path;

use candle_core::{Device, Tensor};
use compress_core::samples::Samples;
use compress_nn::data::ImageSet;
use ndarray::Array2;

/// Rows and columns of an image.
pub const SIDE: usize = 28;

/// Images with their labels.
pub struct Images {
    /// `[images, 1, 28, 28]`, from 0 to 1.
    pub pixels: Tensor,
    /// The class of each.
    pub labels: Vec<u32>,
}

impl Images {
    /// The images `range` of the training set in the folder `mnist`.
    ///
    /// # Errors
    /// Where a file is missing or damaged, or has fewer images.
    pub fn read(mnist: &Path, range: std::ops::Range<usize>) -> Result<Self, Box<dyn Error>> {
        let [images, labels] = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
            .map(|name| mnist.join(name));
        let all = ImageSet::from_idx(images.as_path(), labels.as_path())?;
        let some = all.subset(range)?;
        let indices: Vec<usize> = (0..some.len()).collect();
        let mut pixels = Array2::zeros((some.len(), some.features()));
        some.fill(0, &indices, pixels.view_mut())?;
        let shape = (some.len(), 1, SIDE, SIDE);
        Ok(Images {
            pixels: Tensor::from_vec(pixels.into_raw_vec_and_offset().0, shape, &Device::Cpu)?,
            labels: some.labels().to_vec(),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Some of them, in the order of `indices`.
    ///
    /// # Errors
    /// Where an image does not exist.
    pub fn batch(&self, indices: &[usize]) -> candle_core::Result<(Tensor, Vec<u32>)> {
        let rows: Vec<u32> = indices.iter().map(|&i| i as u32).collect();
        let rows = Tensor::from_vec(rows, indices.len(), &Device::Cpu)?;
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Ok((self.pixels.index_select(&rows, 0)?, labels))
    }
}
