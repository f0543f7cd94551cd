//! The weights of one tensor, rounded to multiples of a step that is learned.

use std::sync::Arc;

use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor};
use compress_core::kernels::sparse_layer::Live;
use compress_core::network::Parameter;
use compress_core::ops::optimizer::Adam;
use compress_core::ops::scalar::{exp, ln};
use compress_core::{Error, Result};

/// Adam's β₁ and β₂: how much of its moments it keeps.
pub(super) const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-12;

/// One weight with its step.
pub(super) struct Learned {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The logarithm of the step, and Adam's moments of its gradient.
    pub(super) log_step: f32,
    pub(super) moments: [f32; 2],
    live: Option<Arc<Live>>,
    /// The positions of the weights that are worked on: the live ones, or all.
    pub(super) positions: Vec<u32>,
    /// Their values while the network holds quantized ones.
    pub(super) shadow: Vec<f32>,
}

impl Learned {
    /// Chooses the first step of a weight; none where all of its values are zero.
    pub(super) fn new(index: usize, weight: &Parameter, top: f32) -> Option<Self> {
        let live = weight.values().iter().filter(|w| **w != 0.0);
        let (sum, count) = live.fold((0.0, 0.0), |(sum, count), w| {
            (sum + f64::from(w.abs()), count + 1.0)
        });
        let step = (2.0 * sum / count) as f32 / top.sqrt();
        // There is no value, or only the smallest floats.
        step.is_normal().then(|| Learned {
            index,
            name: weight.name().to_owned(),
            shape: weight.shape().to_vec(),
            log_step: ln(step),
            moments: [0.0; 2],
            live: None,
            positions: Vec::new(),
            shadow: Vec::new(),
        })
    }

    /// The step itself.
    pub(super) fn step(&self) -> f32 {
        exp(self.log_step)
    }

    /// Replaces weights by what they are rounded to.
    pub(super) fn round(&self, weights: &mut [f32], top: f32) {
        let step = self.step();
        for weight in weights {
            *weight = code(*weight, step, top) * step;
        }
    }

    /// The codes of the weights.
    ///
    /// # Errors
    /// Where a weight is NaN or infinite.
    pub(super) fn encode(&self, weight: &Parameter, bits: u8) -> Result<QuantizedTensor> {
        let weights = weight.values();
        Error::check_finite(&self.name, weights)?;
        let (step, top) = (self.step(), top(bits));
        let codes = weights.iter().map(|&w| code(w, step, top) as i32);
        let grid = Grid::Linear {
            bits,
            granularity: Granularity::Tensor,
            scales: vec![step],
            zero_points: Vec::new(),
        };
        Ok(QuantizedTensor {
            name: self.name.clone(),
            shape: weight.shape().to_vec(),
            codes: Codes::saturating(grid.code_range(), codes),
            grid,
        })
    }

    /// Finds out which weights to work on.
    fn follow(&mut self, weight: &Parameter) {
        let same = match (&self.live, weight.live()) {
            (Some(known), Some(live)) => Arc::ptr_eq(known, live),
            (None, None) => self.positions.len() == weight.values().len(),
            _ => false,
        };
        if same {
            return;
        }
        self.live = weight.live().cloned();
        self.positions = match &self.live {
            Some(live) => live.positions().map(|p| p as u32).collect(),
            None => (0..weight.values().len() as u32).collect(),
        };
    }

    /// Puts the rounded weights in place of the trained ones, which are kept.
    pub(super) fn swap_in(&mut self, weight: &mut Parameter, top: f32) {
        self.follow(weight);
        let step = self.step();
        let values = weight.values_mut();
        self.shadow.clear();
        for &position in &self.positions {
            let value = &mut values[position as usize];
            self.shadow.push(*value);
            *value = code(*value, step, top) * step;
        }
    }

    /// Puts the trained weights back.
    pub(super) fn swap_out(&self, weight: &mut Parameter) {
        let values = weight.values_mut();
        for (&position, &value) in self.positions.iter().zip(&self.shadow) {
            values[position as usize] = value;
        }
    }

    /// Turns the gradient of the quantized weights into that of the trained weights. Returns the
    /// gradient of the step's logarithm, multiplied by the factor for its size.
    pub(super) fn backward(&self, gradient: &mut [f32], top: f32, penalty: f32) -> f32 {
        let step = self.step();
        let nats = penalty * std::f32::consts::LOG2_E;
        let (mut of_step, mut count) = (0.0, 0_u32);
        for (&position, &w) in self.positions.iter().zip(&self.shadow) {
            let g = &mut gradient[position as usize];
            let ratio = w / step;
            if ratio.abs() < top {
                of_step += *g * (code(w, step, top) - ratio);
            } else {
                of_step += *g * top.copysign(ratio);
                *g = 0.0;
            }
            // d log2(1 + |w|/s)/d|w| = 1 / ln 2 / (s + |w|), and −|w|/s of it by s.
            let slope = nats / (step + w.abs());
            of_step -= slope * ratio.abs();
            if w != 0.0 {
                *g += slope.copysign(w);
                count += 1;
            }
        }
        of_step * step / (count.max(1) as f32 * top).sqrt()
    }

    /// One step of Adam.
    pub(super) fn update(&mut self, gradient: f32, rate: f32, powers: [f32; 2]) -> Result<()> {
        let adam = Adam {
            factor: 1.0,
            coupled_decay: 0.0,
            shrink: 1.0,
            first_share: 1.0 - BETAS[0],
            beta2: BETAS[1],
            second_share: 1.0 - BETAS[1],
            step: rate / (1.0 - powers[0]),
            correction: (1.0 - powers[1]).sqrt(),
            epsilon: EPSILON,
        };
        let value = std::slice::from_mut(&mut self.log_step);
        let [first, second] = self.moments.each_mut().map(std::slice::from_mut);
        adam.step(value, &[gradient], first, second)?;
        let (step, expected) = (self.step(), "finite and positive");
        if step.is_finite() && step > 0.0 {
            return Ok(());
        }
        Err(Error::invalid(
            format!("the step of {}", self.name),
            step,
            expected,
        ))
    }
}

/// The largest code.
pub(super) fn top(bits: u8) -> f32 {
    ((1_u32 << (bits - 1)) - 1) as f32
}

/// The code of a weight: a whole number, never −0. NaN for NaN.
fn code(weight: f32, step: f32, top: f32) -> f32 {
    /// Beyond this, f32 holds whole numbers alone, so adding it rounds half to even. This serves
    /// processors without a rounding instruction.
    const WHOLE: f32 = 12_582_912.0;
    ((weight / step).clamp(-top, top) + WHOLE) - WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_gradient_of_the_step_has_the_factor_of_the_paper() {
        let values = array![[0.9, -0.2, 0.0], [7.0, -0.45, 0.0]];
        let mut weight = Parameter::weight("w", values);
        let mut learned = Learned::new(0, &weight, 3.0).unwrap();
        learned.log_step = ln(0.5);
        learned.swap_in(&mut weight, 3.0);
        assert_eq!(weight.values(), [1.0, 0.0, 0.0, 1.5, -0.5, 0.0]);
        let mut gradient = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let found = learned.backward(&mut gradient, 3.0, 0.0);
        // Each term is the distance to the nearest code, or the top level where the weight
        // saturates.
        let of_step = 0.2 + 2.0 * 0.4 + 4.0 * 3.0 + 5.0 * -0.1;
        let expected = of_step * 0.5 / (4.0_f32 * 3.0).sqrt();
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        assert_eq!(gradient, [1.0, 2.0, 3.0, 0.0, 5.0, 6.0]);
        // The derivative of the penalty 2·Σ log2(1 + |w| / s) by ln s is −2 / ln 2 · Σ |w| / (s +
        // |w|).
        let slopes = [0.9_f32, 0.2, 7.0, 0.45].map(|w| w / (0.5 + w));
        let of_penalty = -2.0 * std::f32::consts::LOG2_E * slopes.iter().sum::<f32>();
        let penalized = learned.backward(&mut [0.0; 6], 3.0, 2.0);
        let expected = of_penalty / (4.0_f32 * 3.0).sqrt();
        assert!(
            (penalized - expected).abs() < 1e-5,
            "{penalized}, {expected}"
        );
    }

    #[test]
    fn halves_round_to_even_and_zero_is_positive() {
        let codes = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 9.0, -9.0];
        let codes = codes.map(|w| code(w, 1.0, 3.0));
        assert_eq!(codes, [0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 3.0, -3.0]);
        assert!(codes[3].is_sign_positive());
        assert!(code(f32::NAN, 1.0, 3.0).is_nan());
        let top = top(16);
        for i in 0..32_767 {
            let w = i as f32 + 0.5;
            assert_eq!(code(w, 1.0, top), w.round_ties_even().min(top));
        }
    }
}
