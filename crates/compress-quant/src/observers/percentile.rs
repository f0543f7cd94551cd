//! The percentile observer: the range that all but a small fraction of activations lie in.

use compress_core::observe::{Place, Tap};
use compress_core::{Error, Result};
use ndarray::ArrayView2;

use super::contract::{ActivationRange, Observer, Places};
use super::log_histogram::LogHistogram;

/// Clips the same fraction of activations at either end, so that outliers do not set the scale.
///
/// Quantiles come from a histogram of fixed size (half a mebibyte a place) and are off by at
/// most 1/128 of their value. A percentile of 100 is [`MinMax`](super::MinMax), exactly.
///
/// # References
/// Wu et al., *Integer quantization for deep learning inference*, 2004.09602, section 5.1
/// (99.9 to 99.9999 % of magnitudes).
#[derive(Clone, Debug)]
pub struct Percentile {
    percent: f64,
    places: Places<LogHistogram>,
}

impl Percentile {
    /// The range goes from the quantile of 100 − `percent` to that of `percent`, both in percent.
    ///
    /// # Errors
    /// Where `percent` is not above 50 and at most 100.
    pub fn new(percent: f64) -> Result<Self> {
        if !(percent > 50.0 && percent <= 100.0) {
            return Err(Error::invalid(
                "percentile",
                percent,
                "above 50, at most 100",
            ));
        }
        Ok(Percentile {
            percent,
            places: Places::default(),
        })
    }
}

impl Tap for Percentile {
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let histogram = self.places.entry(place, rows)?;
        rows.iter().for_each(|&x| histogram.add(x));
        Ok(())
    }
}

impl Observer for Percentile {
    fn ranges(&self) -> Result<Vec<ActivationRange>> {
        let upper = self.percent / 100.0;
        self.places.ranges(|histogram| {
            let low = histogram.quantile(1.0 - upper)?;
            Some((low, histogram.quantile(upper)?))
        })
    }
}
