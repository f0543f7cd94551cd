//! A weighted sum of losses.

use compress_core::train::{Batch, Loss, Value};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::checks::{check_batch, finite};
use crate::Result;

/// A sum of losses, each times its weight. It reads what its parts read; a value that several read
/// gets the sum of their gradients. A part of weight 0 is left out.
///
/// # Errors
/// Those of its parts; and where the values given are not those that it reads.
///
/// # Examples
/// ```
/// use compress_core::train::{Batch, Loss};
/// use compress_distill::{Dkd, HardLabels, Teacher, TeacherLoss, WeightedSum};
/// use ndarray::array;
///
/// let teacher = Teacher::Cached(array![[1.0, 2.0, 0.0]]);
/// let dkd = TeacherLoss::new(teacher, Dkd::default())?;
/// let loss = WeightedSum::new(vec![(1.0, Box::new(HardLabels)), (0.5, Box::new(dkd))])?;
///
/// let inputs = array![[0.0]];
/// let batch = Batch { inputs: inputs.view(), labels: &[1], indices: &[0], epoch: 0 };
/// let mut gradient = array![[0.0, 0.0, 0.0]];
/// let value = loss.evaluate(array![[1.0, 2.0, 0.0]].view(), &batch, gradient.view_mut())?;
/// // The student says what its teacher says, so only the label counts.
/// let hard = HardLabels.evaluate(array![[1.0, 2.0, 0.0]].view(), &batch, gradient.view_mut())?;
/// assert!((value - hard).abs() < 1e-6);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub struct WeightedSum<'a> {
    parts: Vec<(f32, Box<dyn Loss + 'a>)>,
}

impl<'a> WeightedSum<'a> {
    /// Sums `parts`, each a weight and a loss.
    ///
    /// # Errors
    /// Where a weight is not finite, or none is other than 0.
    pub fn new(mut parts: Vec<(f32, Box<dyn Loss + 'a>)>) -> Result<Self> {
        for (number, (weight, _)) in (1..).zip(&parts) {
            if !weight.is_finite() {
                let what = format!("the weight of loss {number}");
                return Err(CoreError::invalid(what, weight, "finite").into());
            }
        }
        parts.retain(|(weight, _)| *weight != 0.0);
        if parts.is_empty() {
            let what = "the sum of losses of a weight other than 0".into();
            return Err(CoreError::Empty { what }.into());
        }
        Ok(WeightedSum { parts })
    }
}

impl Loss for WeightedSum<'_> {
    fn reads_inputs(&self) -> bool {
        self.parts.iter().any(|(_, loss)| loss.reads_inputs())
    }

    fn is_cached(&self) -> bool {
        self.parts.iter().any(|(_, loss)| loss.is_cached())
    }

    fn reads_values(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for name in self.parts.iter().flat_map(|(_, loss)| loss.reads_values()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        self.evaluate_with(logits, &mut [], batch, gradient)
    }

    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        check_batch(logits, &gradient)?;
        let names = self.reads_values();
        CoreError::check_shape(
            "values that the loss reads",
            &[names.len()],
            &[values.len()],
        )?;
        for (value, name) in values.iter_mut().zip(&names) {
            let what = format!("gradient of {name}");
            CoreError::check_shape(&what, value.rows.shape(), value.gradient.shape())?;
            value.gradient.fill(0.0);
        }
        gradient.fill(0.0);
        let mut sum = 0.0;
        for (weight, loss) in &self.parts {
            let reads = loss.reads_values();
            let places = reads
                .iter()
                .filter_map(|a| names.iter().position(|b| a == b));
            let places: Vec<usize> = places.collect();
            let shapes = places.iter().map(|&place| values[place].rows.raw_dim());
            let mut gradients: Vec<Array2<f32>> = shapes.map(Array2::zeros).collect();
            let mut own: Vec<Value<'_>> = (places.iter().zip(&mut gradients))
                .map(|(&place, gradient)| Value {
                    rows: values[place].rows.view(),
                    gradient: gradient.view_mut(),
                })
                .collect();
            let mut logits_gradient = Array2::zeros(logits.raw_dim());
            let part = loss.evaluate_with(logits, &mut own, batch, logits_gradient.view_mut())?;
            drop(own);
            sum += f64::from(*weight) * f64::from(part);
            gradient.scaled_add(*weight, &logits_gradient);
            for (place, own) in places.into_iter().zip(&gradients) {
                values[place].gradient.scaled_add(*weight, own);
            }
        }
        Ok(finite(sum)?)
    }
}
