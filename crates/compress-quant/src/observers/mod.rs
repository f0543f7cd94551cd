//! Observers calibrate static quantization of activations: they find the interval that the inputs
//! of each layer lie in.
//!
//! They read a stream of batches through [`Tap`]. Their memory grows with the layers and not with
//! the samples, and their answer does not depend on how the samples are batched.

mod log_histogram; // tidy: allow(a helper of two observers)
mod mean_squared_error;
mod min_max;
mod percentile;

use compress_core::calibrate;
use compress_core::kernels::quantize::scale_and_zero;
use compress_core::network::{LayerSpec, Network, Tap};
use compress_core::train::Samples;
use compress_core::{Error, Result};
use ndarray::ArrayView2;

pub use mean_squared_error::MeanSquaredError;
pub use min_max::MinMax;
pub use percentile::Percentile;

/// The interval of activations that a grid is to span.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationRange {
    /// The layer's name; the range is that of its input.
    pub layer: String,
    /// Rows seen.
    pub samples: usize,
    /// The lower end.
    pub low: f32,
    /// The upper end.
    pub high: f32,
}

impl ActivationRange {
    /// Scale and zero point with which unsigned codes of `bits` bits span the range, and zero.
    ///
    /// # Errors
    /// Where `bits` is not 2 to 16.
    pub fn scale_and_zero_point(&self, bits: u8) -> Result<(f32, i32)> {
        if !(2..=16).contains(&bits) {
            let what = format!("bits of the input of {}", self.layer);
            return Err(Error::invalid(what, bits, "2 to 16"));
        }
        Ok(scale_and_zero(self.low, self.high, (1 << bits) - 1))
    }
}

/// A [`Tap`] that gives a range for each layer in the end.
pub trait Observer: Tap {
    /// The ranges of all layers seen, first layer first.
    ///
    /// # Errors
    /// Where nothing was seen.
    fn ranges(&self) -> Result<Vec<ActivationRange>>;
}

/// Makes an observer. The argument is the bits of a code, on which some ranges depend.
pub type MakeObserver = fn(u8) -> Result<Box<dyn Observer>>;

/// The observers, by name.
pub const OBSERVERS: &[(&str, MakeObserver)] = &[
    ("min_max", |_| Ok(Box::new(MinMax::new()))),
    ("percentile", |_| Ok(Box::new(Percentile::new(99.99)?))),
    ("mean_squared_error", |bits| {
        Ok(Box::new(MeanSquaredError::new(bits)?))
    }),
];

/// Calibrates: runs `network` over all `samples` (epoch 0) and shows `tap` what each layer reads.
/// Returns the number of samples.
///
/// # Errors
/// Where there are no samples, or the network or the tap fails.
pub fn observe(network: &dyn Network, samples: &dyn Samples, tap: &mut dyn Tap) -> Result<usize> {
    calibrate::observe(network, samples, tap)?;
    Ok(samples.len())
}

/// What an observer keeps for each layer.
#[derive(Clone, Debug)]
struct Layers<S>(Vec<Option<Observed<S>>>);

#[derive(Clone, Debug)]
struct Observed<S> {
    layer: String,
    samples: usize,
    state: S,
}

impl<S> Default for Layers<S> {
    fn default() -> Self {
        Layers(Vec::new())
    }
}

impl<S: Clone + Default> Layers<S> {
    /// The state of layer number `index`, made where the layer is seen for the first time. Counts
    /// the rows.
    fn entry(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<&mut S> {
        /// No network has more layers. An index beyond is a mistake, not a reason to allocate.
        const LAYERS: usize = 1 << 16;
        if index >= LAYERS {
            let expected = format!("below {LAYERS}");
            return Err(Error::invalid("the layer's index", index, expected));
        }
        check_finite(layer, inputs)?;
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        let observed = self.0[index].get_or_insert_with(|| Observed {
            layer: layer.name.clone(),
            samples: 0,
            state: S::default(),
        });
        observed.samples += inputs.nrows();
        Ok(&mut observed.state)
    }

    /// The range of each layer, as `range` gives it. `range` gives nothing where no value was read.
    fn ranges(&self, range: impl Fn(&S) -> Option<(f32, f32)>) -> Result<Vec<ActivationRange>> {
        let empty = || Error::Empty {
            what: "the calibration data".into(),
        };
        if self.0.is_empty() {
            return Err(empty());
        }
        let ranges = self.0.iter().map(|observed| {
            let observed = observed.as_ref().ok_or_else(empty)?;
            let (low, high) = range(&observed.state).ok_or_else(empty)?;
            Ok(ActivationRange {
                layer: observed.layer.clone(),
                samples: observed.samples,
                low,
                high,
            })
        });
        ranges.collect()
    }
}

fn check_finite(layer: &LayerSpec, inputs: ArrayView2<'_, f32>) -> Result<()> {
    match inputs.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::NonFinite {
            what: format!("input of {}", layer.name),
            index,
            value,
        }),
    }
}
