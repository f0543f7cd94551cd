//! Importance for each bit that a weight's place costs.

use compress_core::mask::{Criterion, Scores, TensorScores};
use compress_core::network::Network;
use compress_core::ops::scalar::{exp, ln};
use compress_core::{Error, Result};

use super::Fisher;

/// The scores of another criterion, each divided by a power of an estimate of the bits that the weight takes
/// in an entropy-coded file:
///
/// ```text
/// bits = max(least, base − log2(density of its row · density of its column / density))
/// ```
///
/// with the densities of what is not zero in its tensor now. A weight among many others of its
/// row and column is cheap to say the place of; a lone one is dear. So a network that is pruned
/// by it comes to use fewer neurons and features.
///
/// # Errors
/// Where a field is not finite or `least` not positive, and those of the other criterion, and where it scores another shape than a weight has.
///
/// # References
/// The trade of distortion against rate for each decision: Sullivan, Wiegand 1998,
/// *Rate-distortion optimization for video compression*, IEEE Signal Processing Magazine 15(6),
/// equation 2. The estimate is that of independent rows and columns.
pub struct RateAware {
    inner: Box<dyn Criterion>,
    /// What a weight costs whose place is certain from its row and column: its sign and its
    /// magnitude, in bits.
    pub base: f32,
    /// The least that a weight can cost, in bits; positive.
    pub least: f32,
    /// The power of the bits that a score is divided by; 0 leaves the scores as they are.
    pub exponent: f32,
}

impl RateAware {
    /// The scores of `inner` for each bit: base 5, at least 1, exponent 1.
    pub fn new(inner: Box<dyn Criterion>) -> Self {
        RateAware {
            inner,
            base: 5.0,
            least: 1.0,
            exponent: 1.0,
        }
    }

    /// Divides the scores of one tensor, given which of its values are not zero.
    fn divide(&self, scores: &mut TensorScores, values: &[f32]) {
        let columns = scores.shape.last().copied().unwrap_or(0).max(1);
        let rows = (values.len() / columns).max(1);
        let mut in_row = vec![0_u32; rows];
        let mut in_column = vec![0_u32; columns];
        for (position, _) in values.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            in_row[position / columns] += 1;
            in_column[position % columns] += 1;
        }
        let all: u32 = in_row.iter().sum();
        // Counts rather than densities: the number of values cancels.
        for (position, score) in scores.values.iter_mut().enumerate() {
            let expected = in_row[position / columns] as f32 * in_column[position % columns] as f32;
            if expected > 0.0 {
                let bits = self.base - ln(expected / all as f32) * std::f32::consts::LOG2_E;
                *score /= self.power(bits.max(self.least));
            }
        }
    }

    fn power(&self, bits: f32) -> f32 {
        if self.exponent == 1.0 {
            return bits;
        }
        exp(self.exponent * ln(bits))
    }
}

impl Default for RateAware {
    /// [`Fisher`] for each bit.
    fn default() -> Self {
        Self::new(Box::new(Fisher::default()))
    }
}

impl Criterion for RateAware {
    fn name(&self) -> &'static str {
        "rate_aware"
    }

    fn observe_second_moments(&mut self, network: &dyn Network, moments: &[&[f32]]) -> Result<()> {
        self.inner.observe_second_moments(network, moments)
    }

    fn scores(&self, network: &dyn Network) -> Result<Scores> {
        let rates = [self.base, self.least, self.exponent];
        Error::check_finite("bits of a rate-aware score", &rates)?;
        if self.least <= 0.0 {
            return Err(Error::invalid("least bits", self.least, "positive"));
        }
        let mut scores = self.inner.scores(network)?;
        for tensor in &mut scores.tensors {
            let parameter = network.parameter(&tensor.name)?;
            let (what, count) = (format!("scores of {}", tensor.name), tensor.values.len());
            Error::check_shape(&what, parameter.shape(), &tensor.shape)?;
            Error::check_shape(&what, &[parameter.values().len()], &[count])?;
            self.divide(tensor, parameter.values());
        }
        Ok(scores)
    }
}
