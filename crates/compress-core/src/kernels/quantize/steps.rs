//! The arithmetic of one value, and the scales that follow from a range.

/// 1.5·2²³. Near this number neighbouring floats are 1 apart, so adding it rounds to an integer,
/// half to even. `f32::round_ties_even` gives the same values, but is a call for each element where
/// the processor's baseline has no instruction for it. The low half of this constant's bits is zero,
/// so the low half of the sum's is that of the integer.
pub(super) const MAGIC: f32 = 12_582_912.0;

/// The steps of one set of values that share a scale: `scale · step` with integer steps from
/// `low` to `high`, both counted from the zero point.
///
/// A value's step is `clamp(round_ties_even(x / scale))`. This is a true division, as in ONNX's
/// `QuantizeLinear`. A product with the reciprocal would round differently.
///
/// # References
/// ONNX, `QuantizeLinear`.
///
/// ```
/// use compress_core::kernels::quantize::Steps;
/// let steps = Steps::new(0.5, (0, 255), 10);
/// assert_eq!([steps.step(1.25), steps.step(1.75), steps.step(-100.0)], [2, 4, -10]);
/// assert_eq!(steps.round(1.75), 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Positive and finite.
    pub scale: f32,
    /// At most 0, an integer.
    pub low: f32,
    /// At least 0, an integer below 2¹⁶.
    pub high: f32,
}

impl Steps {
    /// Steps of width `scale`, of which code `zero` of the codes `low..=high` is the zero.
    #[inline(always)]
    pub fn new(scale: f32, (low, high): (i32, i32), zero: i32) -> Self {
        Steps {
            scale,
            low: low.saturating_sub(zero) as f32,
            high: high.saturating_sub(zero) as f32,
        }
    }

    /// `x / scale`, saturated; rounding it gives the step.
    ///
    /// The bounds are integers, so saturating before rounding is the same as after it. Comparisons
    /// are used rather than `clamp`, because they are two instructions and also saturate an
    /// infinite quotient.
    #[inline(always)]
    fn quotient(&self, x: f32) -> f32 {
        let q = x / self.scale;
        let q = if q > self.low { q } else { self.low };
        if q < self.high { q } else { self.high }
    }

    /// The value that `x` is rounded to. Never −0.0. Of a NaN the lowest.
    #[inline(always)]
    pub fn round(&self, x: f32) -> f32 {
        self.scale * ((self.quotient(x) + MAGIC) - MAGIC)
    }

    /// The step that `x` is rounded to. Of a NaN the lowest.
    #[inline(always)]
    pub fn step(&self, x: f32) -> i32 {
        // Within the binade of MAGIC bit patterns count like the integers.
        self.step_bits(x) as i32 - MAGIC.to_bits() as i32
    }

    /// The step plus the bits of [`MAGIC`]; its low half is that of the step.
    #[inline(always)]
    pub(super) fn step_bits(&self, x: f32) -> u32 {
        (self.quotient(x) + MAGIC).to_bits()
    }
}

/// The scale at which `steps` (positive) steps reach `bound`. At least the smallest normal f32,
/// because subnormal scales are slow and imprecise. Small enough that every step's value is finite.
/// 1 where `bound` is 0: all values are then zero, and stay so at any scale.
///
/// ```
/// use compress_core::kernels::quantize::scale_of;
/// assert_eq!(scale_of(1.27, 127), 0.01);
/// assert_eq!(scale_of(0.0, 127), 1.0);
/// ```
pub fn scale_of(bound: f64, steps: i32) -> f32 {
    if bound <= 0.0 {
        return 1.0;
    }
    let scale = ((bound / f64::from(steps)) as f32).max(f32::MIN_POSITIVE);
    let largest = (f64::from(f32::MAX) / f64::from(steps)) as f32;
    let scale = scale.min(largest);
    if (scale * steps as f32).is_finite() {
        scale
    } else {
        scale.next_down()
    }
}

/// The scale and zero point with which the codes from 0 to `top` (positive) span `low` to `high`
/// and zero. One of the codes stands for exactly zero. A NaN counts as zero.
pub fn scale_and_zero(low: f32, high: f32, top: i32) -> (f32, i32) {
    let (low, high) = (low.min(0.0), high.max(0.0));
    // In f64, as the width of a range of f32 need not be one.
    let width = f64::from(high) - f64::from(low);
    if width <= 0.0 {
        return (1.0, 0);
    }
    let scale = (width / f64::from(top)).min(f32::MAX.into()) as f32;
    let scale = scale.max(f32::MIN_POSITIVE);
    let zero = zero_of(low, scale, top);
    // The steps are counted from zero, so only those on its farther side must stay finite.
    let steps = zero.max(top - zero);
    if (scale * steps as f32).is_finite() {
        (scale, zero)
    } else {
        (scale_of(f64::from(scale) * f64::from(steps), steps), zero)
    }
}

/// The code from 0 to `top` (positive) nearest to where zero is, if code 0 stands for `low` at
/// this scale.
pub fn zero_of(low: f32, scale: f32, top: i32) -> i32 {
    // Not `clamp`, which panics where `top` is negative.
    (-f64::from(low) / f64::from(scale))
        .max(0.0)
        .min(f64::from(top))
        .round_ties_even() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even_and_saturates() {
        let steps = Steps::new(1.0, (-7, 7), 0);
        for (x, step) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (-2.5, -2),
            (0.49999997, 0),
            (7.4, 7),
            (1e30, 7),
            (f32::INFINITY, 7),
            (f32::NEG_INFINITY, -7),
            (-0.0, 0),
        ] {
            assert_eq!(steps.step(x), step, "{x}");
            assert_eq!(steps.round(x).to_bits(), (step as f32).to_bits(), "{x}");
        }
    }

    #[test]
    fn agrees_with_round_ties_even_over_the_widest_range() {
        let steps = Steps::new(0.37, (0, 65_535), 30_000);
        for i in -400_000..400_000 {
            let x = i as f32 * 0.061_7;
            let expected = (x / 0.37).round_ties_even().clamp(-30_000.0, 35_535.0);
            assert_eq!(steps.step(x), expected as i32, "{x}");
            assert_eq!(steps.round(x), 0.37 * expected, "{x}");
        }
    }

    #[test]
    fn a_subnormal_scale_gives_finite_values() {
        let steps = Steps::new(f32::from_bits(1), (-127, 127), 0);
        for x in [0.0, 1.0, -1.0, f32::MAX, f32::INFINITY, f32::from_bits(3)] {
            assert!(steps.round(x).is_finite(), "{x}");
        }
        assert_eq!(steps.step(f32::from_bits(3)), 3);
    }

    #[test]
    fn a_range_wider_than_any_f32_is_not_clipped() {
        let most = f32::MAX;
        for (low, high) in [
            (-2e38, 1.4e38),
            (-2e38, 2e38),
            (-most, most),
            (-most, 0.0),
            (0.0, most),
            (-1e30, most),
            (-most, 3e38),
        ] {
            for bits in [2, 4, 8, 16] {
                let top = (1 << bits) - 1;
                let (scale, zero) = scale_and_zero(low, high, top);
                let steps = Steps::new(scale, (0, top), zero);
                for x in [low, high, low / 2.0, high / 2.0, 0.0] {
                    let got = steps.round(x);
                    assert!(got.is_finite(), "{x} of {low} to {high}, {bits} bits");
                    let error = (f64::from(got) - f64::from(x)).abs();
                    // Half a step; at the ends zero's own rounding adds as much.
                    assert!(
                        error <= f64::from(scale) * 1.001,
                        "{x} of {low} to {high}: {got}"
                    );
                }
            }
        }
    }

    #[test]
    fn scales_are_normal_and_their_steps_finite() {
        for bound in [
            1e-45,
            1e-38,
            1.0,
            f64::from(f32::MAX),
            2.0 * f64::from(f32::MAX),
        ] {
            for steps in [1, 7, 127, 128, 255, 32_767, 65_535] {
                let scale = scale_of(bound, steps);
                assert!(scale >= f32::MIN_POSITIVE);
                assert!((scale * steps as f32).is_finite(), "{bound} {steps}");
            }
        }
    }
}
