//! The weights of one tensor, rounded to multiples of a step that is learned.

use std::sync::Arc;

use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor};
use compress_core::kernels::sparse_layer::Live;
use compress_core::ops::optimizer::Adam;
use compress_core::ops::scalar::{exp, ln};
use compress_core::tensor::TensorRef;
use compress_core::{Error, Result};

/// Adam's β₁ and β₂: how much of its moments it keeps.
pub(super) const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-12;
/// Steps below this, 2⁻⁶⁴, have gradients that f32 may not hold.
const SMALL: f32 = f32::from_bits((127 - 64) << 23);
/// The bits of a float's exponent.
const EXPONENT: u32 = 0x7f80_0000;

/// One weight with its step.
pub(super) struct Learned {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The logarithm of the step, and Adam's moments of its gradient.
    pub(super) log_step: f32,
    pub(super) moments: [f32; 2],
    /// The weights that `shadow` holds: the live ones of the present step, or all.
    live: Option<Arc<Live>>,
    /// Their values while the model holds quantized ones.
    shadow: Vec<f32>,
}

impl Learned {
    /// Chooses the first step of a weight; none where all of its values are zero, or so small that no
    /// normal f32 is a step for them.
    pub(super) fn new(weight: TensorRef<'_>, top: f32) -> Option<Self> {
        let live = weight.values.iter().filter(|w| **w != 0.0);
        let (sum, count) = live.fold((0.0, 0.0), |(sum, count), w| {
            (sum + f64::from(w.abs()), count + 1.0)
        });
        // Of no value it is NaN, which is not normal.
        let step = first_step(2.0 * sum / count, top);
        step.is_normal().then(|| Learned {
            name: weight.name.to_owned(),
            shape: weight.shape.to_vec(),
            log_step: ln(step),
            moments: [0.0; 2],
            live: None,
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
    pub(super) fn encode(&self, weight: TensorRef<'_>, bits: u8) -> Result<QuantizedTensor> {
        let weights = weight.values;
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
            shape: weight.shape.to_vec(),
            codes: Codes::saturating(grid.code_range(), codes),
            grid,
        })
    }

    /// Puts the rounded weights in place of the trained ones, which are kept.
    pub(super) fn swap_in(&mut self, weights: &mut [f32], live: Option<&Arc<Live>>, top: f32) {
        let step = self.step();
        self.live = live.cloned();
        self.shadow.clear();
        let shadow = &mut self.shadow;
        at_each(live, weights, |_, value| {
            shadow.push(*value);
            *value = code(*value, step, top) * step;
        });
    }

    /// Puts the trained weights back.
    pub(super) fn swap_out(&self, weights: &mut [f32]) {
        at_each(self.live.as_ref(), weights, |i, value| {
            *value = self.shadow[i]
        });
    }

    /// Turns the gradient of the quantized weights into that of the trained weights. Returns the
    /// gradient of the step's logarithm, multiplied by the factor for its size.
    pub(super) fn backward(&self, gradient: &mut [f32], top: f32, penalty: f32) -> f32 {
        let step = self.step();
        // The terms grow as the step shrinks. Those of a small step are summed in units of a power of
        // two, which changes no bit of a sum that f32 can hold.
        let unit = f32::from_bits(step.to_bits() & EXPONENT).max(f32::MIN_POSITIVE);
        let (unit, (sum, count)) = match step < SMALL {
            true => (unit, self.backward_in(gradient, top, penalty, unit)),
            // A constant, with which the compiler need not multiply.
            false => (1.0, self.backward_in(gradient, top, penalty, 1.0)),
        };
        let step = step / unit;
        let factor = (count.max(1) as f32 * top).sqrt();
        match sum * step {
            product if product.is_finite() => product / factor,
            _ => (f64::from(sum) * f64::from(step) / f64::from(factor)) as f32,
        }
    }

    /// As [`Learned::backward`]. Returns the gradient of the step, multiplied by `unit`, and how many
    /// weights are not zero.
    #[inline(always)]
    fn backward_in(&self, gradient: &mut [f32], top: f32, penalty: f32, unit: f32) -> (f32, u32) {
        let step = self.step();
        let nats = penalty * std::f32::consts::LOG2_E;
        let (mut of_step, mut count) = (0.0, 0);
        at_each(self.live.as_ref(), gradient, |i, g| {
            let w = self.shadow[i];
            let ratio = w / step;
            if ratio.abs() < top {
                of_step += *g * unit * (code(w, step, top) - ratio);
            } else {
                of_step += *g * unit * top.copysign(ratio);
                *g = 0.0;
            }
            // d log2(1 + |w|/s)/d|w| = 1 / ln 2 / (s + |w|), and −|w|/s of it by s.
            let slope = nats / (step + w.abs());
            of_step -= slope * unit * ratio.abs();
            if w != 0.0 {
                *g += slope.copysign(w);
                count += 1;
            }
        });
        (of_step, count)
    }

    /// One step of Adam.
    ///
    /// # Errors
    /// Where the step or a moment leaves the range of f32.
    pub(super) fn update(
        &mut self,
        gradient: f32,
        rate: f32,
        powers: [f32; 2],
        top: f32,
    ) -> Result<()> {
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
        check_step(&format!("the step of {}", self.name), self.step(), top)?;
        // An infinite moment would hold the step where it is for good.
        let what = format!("the moments of the step of {}", self.name);
        Error::check_finite(&what, &self.moments)
    }
}

/// `2·mean|w| / √top`, but so small that every level is finite.
fn first_step(twice_mean: f64, top: f32) -> f32 {
    /// Below 1 by more than what the logarithm of a step, and the step of that, are rounded by.
    const BELOW: f32 = 0.9999;
    let step = twice_mean as f32 / top.sqrt();
    let largest = BELOW * f32::MAX / top;
    if step > largest { largest } else { step }
}

/// Fails unless the step is positive and its levels are finite.
pub(super) fn check_step(what: &str, step: f32, top: f32) -> Result<()> {
    if step > 0.0 && (step * top).is_finite() {
        return Ok(());
    }
    Err(Error::invalid(
        what,
        step,
        "positive, and so small that every level is finite",
    ))
}

/// Calls `act` with each live value (with all, where none is pruned) and its number among these.
#[inline(always)]
fn at_each(live: Option<&Arc<Live>>, values: &mut [f32], mut act: impl FnMut(usize, &mut f32)) {
    match live {
        Some(live) => {
            for (i, position) in live.positions().enumerate() {
                act(i, &mut values[position]);
            }
        }
        None => values
            .iter_mut()
            .enumerate()
            .for_each(|(i, value)| act(i, value)),
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

    #[test]
    fn the_gradient_of_the_step_has_the_factor_of_the_paper() {
        let mut values = [0.9, -0.2, 0.0, 7.0, -0.45, 0.0];
        let weight = TensorRef::weight("w", &[2, 3], &values).unwrap();
        let mut learned = Learned::new(weight, 3.0).unwrap();
        learned.log_step = ln(0.5);
        learned.swap_in(&mut values, None, 3.0);
        assert_eq!(values, [1.0, 0.0, 0.0, 1.5, -0.5, 0.0]);
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

    /// Weights with a step, swapped in.
    fn swapped_in(weights: &[f32], step: f32, top: f32) -> Learned {
        let mut learned = Learned {
            name: "w".into(),
            shape: vec![weights.len()],
            log_step: ln(step),
            moments: [0.0; 2],
            live: None,
            shadow: Vec::new(),
        };
        learned.swap_in(&mut weights.to_vec(), None, top);
        learned
    }

    /// The gradient of the step's logarithm, in f64.
    fn of_step(learned: &Learned, gradient: &[f32], top: f32, penalty: f32) -> f64 {
        let step = f64::from(learned.step());
        let mut sum = 0.0;
        let weights = || learned.shadow.iter().map(|&w| f64::from(w));
        for (w, &g) in weights().zip(gradient) {
            let ratio = w / step;
            let level = match ratio.abs() < f64::from(top) {
                true => ratio.round_ties_even() - ratio,
                false => f64::from(top).copysign(ratio),
            };
            let slope = f64::from(penalty) * std::f64::consts::LOG2_E / (step + w.abs());
            sum += (f64::from(g) * level - slope * ratio.abs()) * step;
        }
        let count = weights().filter(|w| *w != 0.0).count().max(1);
        sum / (count as f64 * f64::from(top)).sqrt()
    }

    #[test]
    fn gradients_of_steps_are_right_where_parts_of_them_are_beyond_f32() {
        for (weight, step, gradient, penalty) in [
            // The terms, and their sum.
            (1e-37, 1e-37, 0.0, 1.0),
            (1e-36, 2e-38, 1e36, 1e-3),
            (3e-37, 1.2e-38, -1e37, 0.0),
            (1e-39, 1e-39, 1e37, 0.0),
            (1e-30, 1e-29, 2e33, 0.0),
            // The sum times the step.
            (25.0, 1e3, 1e35, 0.0),
        ] {
            let weights: Vec<f32> = (0..3000).map(|i| weight * ((i % 7) as f32 / 7.0)).collect();
            let learned = swapped_in(&weights, step, 3.0);
            let expected = of_step(&learned, &[gradient; 3000], 3.0, penalty);
            let found = learned.backward(&mut [gradient; 3000], 3.0, penalty);
            let error = (f64::from(found) - expected).abs();
            assert!(
                error <= 1e-4 * expected.abs(),
                "{weight:e} {step:e} {gradient:e} {penalty:e}: {found:e}, {expected:e}"
            );
        }
        // What is no number stays none.
        let learned = swapped_in(&[1.0, 2.0], 0.5, 3.0);
        assert!(learned.backward(&mut [f32::NAN, 1.0], 3.0, 0.1).is_nan());
        let found = learned.backward(&mut [1.0, f32::NEG_INFINITY], 3.0, 0.1);
        assert_eq!(found, f32::NEG_INFINITY);
    }

    #[test]
    fn the_unit_of_a_sum_changes_no_bit() {
        let weights: Vec<f32> = (0..500).map(|i| (i * 37 % 101 - 50) as f32).collect();
        let given: Vec<f32> = (0..500).map(|i| (i * 53 % 97 - 48) as f32 / 7.0).collect();
        let learned = swapped_in(&weights, 5.3, 15.0);
        let [plain, scaled] = [1.0, f32::from_bits(40 << 23)].map(|unit| {
            let mut gradient = given.clone();
            let (sum, count) = learned.backward_in(&mut gradient, 15.0, 0.01, unit);
            (sum / unit, count, gradient)
        });
        assert_eq!(plain, scaled);
    }

    #[test]
    fn first_steps_of_the_largest_weights_have_finite_levels() {
        for bits in [2, 4, 16] {
            let top = top(bits);
            for weight in [1e36, 1e38, 3e38, f32::MAX] {
                let mut weights = [weight, -weight, 0.5 * weight, 0.0];
                let tensor = TensorRef::weight("w", &[4], &weights).unwrap();
                let learned = Learned::new(tensor, top).unwrap();
                learned.encode(tensor, bits).unwrap().validate().unwrap();
                learned.round(&mut weights, top);
                assert!(weights.iter().all(|w| w.is_finite()), "{bits}: {weights:?}");
                assert!(weights[0] > 0.5 * weight && weights[1] < -0.5 * weight);
            }
        }
        let zeros = TensorRef::weight("w", &[2], &[0.0; 2]).unwrap();
        assert!(Learned::new(zeros, 3.0).is_none());
        let tiny = [f32::from_bits(1); 2];
        let tiny = TensorRef::weight("w", &[2], &tiny).unwrap();
        assert!(Learned::new(tiny, 3.0).is_none());
    }

    #[test]
    fn a_step_out_of_range_is_an_error() {
        let update = |step: f32, gradient: f32, rate: f32| {
            let mut learned = swapped_in(&[1.0], step, 127.0);
            let updated = learned.update(gradient, rate, [0.9, 0.999], 127.0);
            updated.map_err(|error| error.to_string())
        };
        assert!(update(1.0, 1e18, 0.1).is_ok());
        // The levels are no longer finite, though the step is.
        let error = update(2.5e36, -1.0, 0.2).unwrap_err();
        assert!(error.contains("the step of w is 305350"), "{error}");
        assert!(
            update(1.0, 1.0, 1e4)
                .unwrap_err()
                .contains("the step of w is 0")
        );
        let error = update(1.0, 1e30, 0.1).unwrap_err();
        assert!(error.contains("the moments of the step of w"), "{error}");
    }
}
