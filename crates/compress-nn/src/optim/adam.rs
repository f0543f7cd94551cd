//! Adam and AdamW in one pass over each tensor.

use rayon::prelude::*;

use super::Optimizer;
use crate::layers::CHUNK;

/// One step of Adam or AdamW.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    factor: f32,
    /// Added to the gradient per weight (Adam).
    coupled_decay: f32,
    /// What is left of a weight before the step (AdamW).
    shrink: f32,
    /// 1 − β₁.
    first_share: f32,
    beta2: f32,
    /// 1 − β₂.
    second_share: f32,
    /// The learning rate over 1 − β₁ᵗ.
    step: f32,
    /// √(1 − β₂ᵗ).
    correction: f32,
    epsilon: f32,
}

impl Update {
    /// Of `optimizer`, with gradients times `factor`; `powers` are β₁ᵗ and β₂ᵗ of this step.
    pub(super) fn new(optimizer: Optimizer, rate: f32, factor: f32, powers: [f64; 2]) -> Self {
        let (beta1, beta2, epsilon, coupled_decay, shrink) = match optimizer {
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => (beta1, beta2, epsilon, weight_decay, 1.0),
            Optimizer::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let shrink = 1.0 - f64::from(rate) * f64::from(weight_decay);
                (beta1, beta2, epsilon, 0.0, shrink as f32)
            }
            Optimizer::Sgd { weight_decay, .. } => (0.0, 0.0, 0.0, weight_decay, 1.0),
        };
        Update {
            factor,
            coupled_decay,
            shrink,
            first_share: (1.0 - f64::from(beta1)) as f32,
            beta2,
            second_share: (1.0 - f64::from(beta2)) as f32,
            step: (f64::from(rate) / (1.0 - powers[0])) as f32,
            correction: (1.0 - powers[1]).sqrt() as f32,
            epsilon,
        }
    }

    /// Changes `values` and the moments, all of one length.
    pub(super) fn apply(
        self,
        values: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        values
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .for_each(|(((w, g), m), v)| self.chunk(w, g, m, v));
    }

    fn chunk(self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let moments = first.iter_mut().zip(second);
        for ((w, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
            let g = self.factor * g + self.coupled_decay * *w;
            *m += self.first_share * (g - *m);
            *v = self.beta2 * *v + self.second_share * (g * g);
            let denominator = v.sqrt() / self.correction + self.epsilon;
            *w = self.shrink * *w - self.step * (*m / denominator);
        }
    }
}
