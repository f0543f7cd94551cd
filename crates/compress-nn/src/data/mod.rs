//! Labelled images: the IDX files that MNIST comes in, sets of images, and augmentation.

mod augment;
mod augmented;
mod elastic;
pub mod idx;
mod images;
mod warp;

pub use augment::Augmentation;
pub use augmented::Augmented;
pub use images::ImageSet;
