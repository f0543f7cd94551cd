//! Observers calibrate static quantization of activations: they find the interval that the values
//! of each place of a model lie in: what its weights read, or, by
//! [`compress_core::observe::Watching`], any values of its graph.
//!
//! They read a stream of batches through [`compress_core::observe::Tap`]. Their memory grows with
//! the places and not with the samples, and their answer does not depend on how the samples are
//! batched.
//!
//! ```
//! use compress_core::observe::{OnSamples, observe};
//! use compress_quant::observers::observer;
//!
//! // Any `Observe`: here a network on samples.
//! let network = compress_testing::Chain::random(&[4, 8, 3], 1);
//! let data = compress_testing::blobs(64, 4, 3, 2);
//! let mut percentile = observer("percentile", 8)?;
//! observe(&OnSamples::new(&network, &data), percentile.as_mut())?;
//! let ranges = percentile.ranges()?;
//! assert_eq!((ranges[1].name.as_str(), ranges[1].low), ("layers.1.weight", 0.0)); // after a ReLU
//! # Ok::<(), compress_core::Error>(())
//! ```

mod contract; // tidy: allow(what an observer is)
mod log_histogram; // tidy: allow(a helper of two observers)
mod mean_squared_error;
mod min_max;
mod percentile;

use compress_core::Result;
use compress_core::registry::{Named, look_up};

pub use contract::{ActivationRange, Observer};
pub use mean_squared_error::MeanSquaredError;
pub use min_max::MinMax;
pub use percentile::Percentile;

/// One line of [`OBSERVERS`].
#[derive(Clone, Copy, Debug)]
pub struct ObserverEntry {
    /// The observer's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it for codes of so many bits, on which some ranges depend.
    pub make: fn(u8) -> Result<Box<dyn Observer>>,
}

impl Named for ObserverEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// The observers, by name.
pub const OBSERVERS: &[ObserverEntry] = &[
    ObserverEntry {
        name: "min_max",
        about: "the smallest and the largest value",
        make: |_| Ok(Box::new(MinMax::new())),
    },
    ObserverEntry {
        name: "percentile",
        about: "all but the outermost 0.01 %",
        make: |_| Ok(Box::new(Percentile::new(99.99)?)),
    },
    ObserverEntry {
        name: "mean_squared_error",
        about: "the least mean squared error",
        make: |bits| Ok(Box::new(MeanSquaredError::new(bits)?)),
    },
];

/// The observer of this name, for codes of `bits` bits.
///
/// # Errors
/// Where there is none (the error lists those that exist), or `bits` is out of range.
pub fn observer(name: &str, bits: u8) -> Result<Box<dyn Observer>> {
    (look_up("observer", OBSERVERS, name)?.make)(bits)
}
