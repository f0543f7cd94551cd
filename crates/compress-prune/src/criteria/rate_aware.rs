//! Importance for each bit that a weight costs in the file.

use std::ops::AddAssign;
use std::sync::Arc;

use compress_core::evidence::{Evidence, Needs};
use compress_core::mask::Criterion;
use compress_core::ops::scalar::{exp, ln};
use compress_core::price::{MatrixPrices, Prices};
use compress_core::tensor::{TensorRef, matrix_shape};
use compress_core::{Error, Result};

use super::SecondMoments;

/// The scores of another criterion, each divided by a power of the estimated bits that the weight
/// takes in an entropy-coded file:
///
/// ```text
/// bits = max(least, base − log2(density of its row · density of its column / density))
/// ```
///
/// The densities are those of the weights that are not zero in the tensor now. The place of a
/// weight among many others of its row and column costs few bits; a lone one costs many. So a
/// network pruned this way comes to use fewer neurons and features.
///
/// Where the coder knows neighbours among the columns ([`RateAware::prices`]), as among the pixels
/// of images, a place among others of the same neuron is cheaper still: its density is multiplied by
///
/// ```text
/// (1 + weights of the same neuron around it) / (1 + as many as were to be expected there)
/// ```
///
/// "Around it" is what the coder calls near ([`MatrixPrices::before`]). So neurons come to read
/// connected patches.
///
/// # Errors
/// Where a field is not finite or `least` is not positive; where the other criterion fails, or
/// scores another shape than a weight has.
///
/// # References
/// Sullivan, Wiegand 1998, *Rate-distortion optimization for video compression*, IEEE Signal
/// Processing Magazine 15(6), equation 2, for weighing distortion against rate at each decision.
/// The estimate of bits takes rows and columns as independent.
pub struct RateAware {
    inner: Box<dyn Criterion>,
    /// The bits of a weight whose place is certain from its row and column: its sign and its
    /// magnitude.
    pub base: f32,
    /// The fewest bits that a weight can cost; positive.
    pub least: f32,
    /// The power of the bits that a score is divided by; 0 leaves the scores as they are.
    pub exponent: f32,
    /// The coder of the file, where it knows neighbours among the columns of a weight.
    pub prices: Option<Arc<dyn Prices>>,
}

impl RateAware {
    /// Divides the scores of `inner` by the bits: base 5, at least 1, exponent 1.
    pub fn new(inner: Box<dyn Criterion>) -> Self {
        RateAware {
            inner,
            base: 5.0,
            least: 1.0,
            exponent: 1.0,
            prices: None,
        }
    }

    /// Sets the coder of the file.
    #[must_use]
    pub fn with_prices(self, prices: Arc<dyn Prices>) -> Self {
        RateAware {
            prices: Some(prices),
            ..self
        }
    }

    /// Divides the scores of a weight, whose values say which are not zero.
    fn divide(&self, scores: &mut [f32], weight: TensorRef<'_>) {
        let values = weight.values;
        let columns = matrix_shape(weight.shape).1.max(1);
        let rows = (values.len() / columns).max(1);
        let mut in_row = vec![0_u32; rows];
        let mut in_column = vec![0_u32; columns];
        for (position, _) in values.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            in_row[position / columns] += 1;
            in_column[position % columns] += 1;
        }
        let all: u32 = in_row.iter().sum();
        // Counts take the place of densities, since the number of values cancels.
        let prices = self.prices.as_ref();
        let prices = prices.map(|prices| prices.matrix(weight.name, columns));
        let places = prices.and_then(|prices| Places::new(&*prices, values, &in_column));
        for (position, score) in scores.iter_mut().enumerate() {
            let (row, column) = (position / columns, position % columns);
            let mut expected = in_row[row] as f32 * in_column[column] as f32;
            if expected > 0.0 {
                if let Some(places) = &places {
                    expected *= places.crowding(position, column, in_row[row] as f32 / all as f32);
                }
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
    /// [`SecondMoments`] divided by the bits.
    fn default() -> Self {
        Self::new(Box::new(SecondMoments))
    }
}

impl Criterion for RateAware {
    fn name(&self) -> &'static str {
        "rate_aware"
    }

    fn needs(&self) -> Needs {
        self.inner.needs()
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let rates = [self.base, self.least, self.exponent];
        Error::check_finite("bits of a rate-aware score", &rates)?;
        if self.least <= 0.0 {
            return Err(Error::invalid("least bits", self.least, "positive"));
        }
        if self.inner.only_ranks() {
            let expected = "one whose scores can be divided; this one only ranks weights";
            let what = "the criterion that is divided by bits";
            return Err(Error::invalid(what, self.inner.name(), expected));
        }
        let mut scores = self.inner.score(weight, evidence)?;
        let what = format!("scores of {}", weight.name);
        Error::check_shape(&what, &[weight.values.len()], &[scores.len()])?;
        self.divide(&mut scores, weight);
        Ok(scores)
    }
}

/// What lies around each weight of a layer that reads an image.
struct Places {
    /// For each position, how many values around it in its row are not zero.
    set: Vec<u16>,
    /// The same count for each column, over all rows.
    in_all_rows: Vec<u32>,
}

impl Places {
    /// None where columns have no neighbours.
    fn new(prices: &dyn MatrixPrices, values: &[f32], in_column: &[u32]) -> Option<Self> {
        let columns = in_column.len();
        let before = |column| {
            let near = prices.before(column).into_iter();
            near.filter(|&c| c < columns).collect()
        };
        let before: Vec<Vec<usize>> = (0..columns).map(before).collect();
        if before.iter().all(Vec::is_empty) {
            return None;
        }
        let mut set = vec![0; values.len()];
        for (values, set) in values.chunks(columns).zip(set.chunks_mut(columns)) {
            add_around(&before, |column| u16::from(values[column] != 0.0), set);
        }
        let mut in_all_rows = vec![0; columns];
        add_around(&before, |column| in_column[column], &mut in_all_rows);
        Some(Places { set, in_all_rows })
    }

    /// By what factor more is set around a position than expected. The row of the position has this
    /// `share` of all set values.
    fn crowding(&self, position: usize, column: usize, share: f32) -> f32 {
        let expected = self.in_all_rows[column] as f32 * share;
        (1.0 + f32::from(self.set[position])) / (1.0 + expected)
    }
}

/// Adds to each of `sums` the counts of the columns around it.
fn add_around<T: Copy + AddAssign>(
    before: &[Vec<usize>],
    count: impl Fn(usize) -> T,
    sums: &mut [T],
) {
    for (column, before) in before.iter().enumerate() {
        let own = count(column);
        // Takes the first of each pair, so that both are met.
        for &other in before {
            sums[column] += count(other);
            sums[other] += own;
        }
    }
}
