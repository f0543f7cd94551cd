//! What an observer is, and what all of them keep.

use compress_core::calibrate::ByPlace;
use compress_core::kernels::memory::row_major;
use compress_core::kernels::quantize::scale_and_zero;
use compress_core::kernels::reduce;
use compress_core::observe::{Place, Tap};
use compress_core::{Error, Result};
use ndarray::ArrayView2;

/// The interval of activations that a grid is to span.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationRange {
    /// The weight that reads them, or the value of the graph.
    pub name: String,
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
    /// Where `bits` is not 2 to 16, or an end is not finite, or the lower is above the upper.
    pub fn scale_and_zero_point(&self, bits: u8) -> Result<(f32, i32)> {
        if !(2..=16).contains(&bits) {
            let what = format!("bits of the activations of {}", self.name);
            return Err(Error::invalid(what, bits, "2 to 16"));
        }
        let ActivationRange { low, high, .. } = self;
        if !low.is_finite() || !high.is_finite() || low > high {
            let what = format!("range of the activations of {}", self.name);
            return Err(Error::invalid(
                what,
                format!("{low} to {high}"),
                "an interval of finite ends",
            ));
        }
        Ok(scale_and_zero(self.low, self.high, (1 << bits) - 1))
    }
}

/// A [`Tap`] that gives a range for each place in the end.
pub trait Observer: Tap {
    /// The ranges of all places seen, in the order in which they were seen first.
    ///
    /// # Errors
    /// Where nothing was seen.
    fn ranges(&self) -> Result<Vec<ActivationRange>>;
}

/// What an observer keeps for each place.
#[derive(Clone, Debug)]
pub(super) struct Places<S>(ByPlace<(usize, S)>);

impl<S> Default for Places<S> {
    fn default() -> Self {
        Places(ByPlace::default())
    }
}

impl<S: Default> Places<S> {
    /// The state of a place, made where it is seen for the first time. Counts the rows.
    ///
    /// # Errors
    /// Where a value is not finite, or the place had other columns before.
    pub(super) fn entry(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<&mut S> {
        let what = place.to_string();
        let values = row_major(&what, rows)?;
        reduce::absmax(&what, values.as_slice().unwrap_or_default())?;
        let entry = self.0.entry(place, rows.ncols(), || (0, S::default()))?;
        entry.0 += rows.nrows();
        Ok(&mut entry.1)
    }

    /// The range of each place, as `range` gives it. `range` gives nothing where no value was seen.
    pub(super) fn ranges(
        &self,
        range: impl Fn(&S) -> Option<(f32, f32)>,
    ) -> Result<Vec<ActivationRange>> {
        let empty = || Error::Empty {
            what: "the calibration data".into(),
        };
        if self.0.is_empty() {
            return Err(empty());
        }
        let ranges = self.0.iter().map(|(place, (samples, state))| {
            let (low, high) = range(state).ok_or_else(empty)?;
            Ok(ActivationRange {
                name: place.name().to_owned(),
                samples: *samples,
                low,
                high,
            })
        });
        ranges.collect()
    }
}
