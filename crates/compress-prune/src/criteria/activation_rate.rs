//! How often each neuron is active.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs};
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::neurons::for_each_weight;

/// Scores a neuron (a row of a weight, a filter) by the fraction of the calibration data for which
/// its output is not zero, after its activation. That is one less the Average Percentage of Zeros
/// (APoZ). Each weight gets the score of its neuron.
///
/// Needs the activity of the outputs ([`compress_core::evidence::Known::find_activity`]). It tells
/// neurons apart only where the activation gives zeros, as ReLU does.
///
/// # References
/// Hu, Peng, Tai, Tang 2016 (1607.03250), equation 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivationRate;

impl Criterion for ActivationRate {
    fn name(&self) -> &'static str {
        "activation_rate"
    }

    fn needs(&self) -> Needs {
        Needs {
            activity: true,
            ..Needs::default()
        }
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        weight.check_finite()?;
        let (neurons, inputs) = matrix_shape(weight.shape);
        let seen = evidence.activity(self.name(), weight.name, neurons)?;
        let rate = |&active: &u64| active as f64 / seen.samples as f64;
        let rates = seen.active.iter().map(rate);
        Ok(for_each_weight(rates, inputs))
    }
}
