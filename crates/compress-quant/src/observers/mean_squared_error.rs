//! The MSE observer: the range whose grid has the least mean squared error.

use compress_core::kernels::quantize::{Steps, scale_and_zero};
use compress_core::observe::{Place, Tap};
use compress_core::{Error, Result};
use ndarray::ArrayView2;

use super::contract::{ActivationRange, Observer, Places};
use super::log_histogram::LogHistogram;

/// Candidates tried for each end.
const CANDIDATES: i32 = 100;

/// Chooses the range of activations with the least mean squared error (MSE) on an affine grid of
/// `bits` bits. A narrow range clips more values, a wide one rounds all of them more coarsely.
///
/// The candidates cut one hundredth, two hundredths, … off both ends at once, and then off each end
/// by itself. Errors are taken at the middles of the bins of a histogram of fixed size (half a
/// mebibyte a place).
///
/// # References
/// Banner et al., *Post training 4-bit quantization of convolutional networks*, 1810.05723,
/// section 2, for the criterion; here on the histogram rather than on an assumed distribution.
#[derive(Clone, Debug)]
pub struct MeanSquaredError {
    bits: u8,
    places: Places<LogHistogram>,
}

impl MeanSquaredError {
    /// For codes of `bits` (2 to 16) bits.
    ///
    /// # Errors
    /// Where `bits` is out of range.
    pub fn new(bits: u8) -> Result<Self> {
        if !(2..=16).contains(&bits) {
            return Err(Error::invalid("bits of an observer", bits, "2 to 16"));
        }
        Ok(MeanSquaredError {
            bits,
            places: Places::default(),
        })
    }
}

impl Tap for MeanSquaredError {
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let histogram = self.places.entry(place, rows)?;
        rows.iter().for_each(|&x| histogram.add(x));
        Ok(())
    }
}

impl Observer for MeanSquaredError {
    fn ranges(&self) -> Result<Vec<ActivationRange>> {
        self.places.ranges(|histogram| {
            let (low, high) = histogram.range()?;
            Some(search(&histogram.points(), low, high, self.bits))
        })
    }
}

fn search(points: &[(f32, f64)], low: f32, high: f32, bits: u8) -> (f32, f32) {
    let mut best = ((low, high), squared_error(points, (low, high), bits));
    let mut take = |range: (f32, f32)| {
        let error = squared_error(points, range, bits);
        if error < best.1 {
            best = (range, error);
        }
        best.0
    };
    let factors = || (1..CANDIDATES).map(|i| i as f32 / CANDIDATES as f32);
    let mut range = (low, high);
    for f in factors() {
        range = take((low * f, high * f));
    }
    for f in factors() {
        range = take((low * f, range.1));
    }
    for f in factors() {
        range = take((range.0, high * f));
    }
    range
}

/// The squared error of rounding the points to the grid that spans a range.
fn squared_error(points: &[(f32, f64)], (low, high): (f32, f32), bits: u8) -> f64 {
    let (scale, zero) = scale_and_zero(low, high, (1 << bits) - 1);
    let steps = Steps::new(scale, (0, (1 << bits) - 1), zero);
    let error = |&(x, count): &(f32, f64)| {
        let difference = f64::from(x - steps.round(x));
        count * difference * difference
    };
    points.iter().map(error).sum()
}
