//! What the entropy coder of a file charges.

use compress_core::Result;
use compress_core::chain::Architecture;
use compress_core::price::{MatrixPrices, Prices};

use crate::coding::matrix::geometry::{Geometry, Images};
use crate::coding::matrix::presence_bits;

/// The prices of [`crate::coding::matrix`] for the weights of a model.
#[derive(Clone, Debug, Default)]
pub struct CoderPrices {
    /// The name of the weight that reads images, and how its columns lie in them.
    image: Option<(String, Geometry)>,
}

impl CoderPrices {
    /// Of matrices whose columns lie in a line.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Of a chain whose first layer reads `images`: weights at neighbouring pixels take fewer bits.
    ///
    /// # Errors
    /// Where the images have another number of pixels than there are features, or too many.
    pub fn of_images(chain: &Architecture, images: Images) -> Result<Self> {
        let geometry = Geometry::of_first_layer(chain, images)?;
        let first = chain.layers.first();
        Ok(CoderPrices {
            image: first.map(|layer| (layer.weight_name(), geometry)),
        })
    }
}

impl Prices for CoderPrices {
    fn matrix(&self, name: &str, columns: usize) -> Box<dyn MatrixPrices + '_> {
        match &self.image {
            Some((image, geometry)) if image == name && geometry.columns() == columns => {
                Box::new(geometry.clone())
            }
            _ => Box::new(Geometry::line(columns)),
        }
    }
}

impl MatrixPrices for Geometry {
    fn columns(&self) -> usize {
        self.columns()
    }

    fn presence_bits(&self, codes: &[i32]) -> Vec<f32> {
        presence_bits(self, codes)
    }

    fn before(&self, column: usize) -> Vec<usize> {
        if self.is_line() {
            return Vec::new();
        }
        let before = self.before(column).into_iter().map(|c| c as usize);
        before.filter(|&c| c < self.columns()).collect()
    }
}
