//! The arithmetic of ONNX's `QuantizeLinear`, so written that it vectorizes at any instruction
//! set level, and the checks that every codec makes first.

use compress_core::{Error, Result};

/// 1.5·2²³: in the binade of this number the distance of neighbours is 1, so that adding it
/// rounds to an integer, half to even. `f32::round_ties_even` gives the same values, but is a
/// call per element where the processor's baseline has no instruction for it.
const MAGIC: f32 = 12_582_912.0;

/// The steps of one set of values that share a scale: `scale · step` with integer steps from
/// `low` to `high`, both counted from the zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    /// Positive and finite.
    pub(crate) scale: f32,
    /// At most 0, an integer.
    pub(crate) low: f32,
    /// At least 0, an integer below 2¹⁶.
    pub(crate) high: f32,
}

impl Steps {
    /// Steps of width `scale`, of which code `zero` of the codes `low..=high` is the zero.
    pub(crate) fn new(scale: f32, (low, high): (i32, i32), zero: i32) -> Self {
        Steps {
            scale,
            low: (low - zero) as f32,
            high: (high - zero) as f32,
        }
    }

    /// `x / scale`, saturated; rounding it gives the step.
    ///
    /// The bounds are integers, so saturating before rounding is saturating after it.
    /// Comparisons rather than `clamp`: this is two instructions, and an infinite quotient
    /// saturates.
    #[inline(always)]
    fn quotient(&self, x: f32) -> f32 {
        let q = x / self.scale;
        let q = if q > self.low { q } else { self.low };
        if q < self.high { q } else { self.high }
    }

    /// The value that `x` is rounded to. Never −0.0.
    #[inline(always)]
    pub(crate) fn round(&self, x: f32) -> f32 {
        self.scale * ((self.quotient(x) + MAGIC) - MAGIC)
    }

    /// The step that `x` is rounded to.
    #[inline(always)]
    pub(crate) fn step(&self, x: f32) -> i32 {
        // Within the binade of MAGIC bit patterns count like the integers.
        (self.quotient(x) + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
    }
}

/// Fails at the first NaN, naming `what`. One pass without a branch per value.
pub(crate) fn reject_nan(what: &str, values: &[f32]) -> Result<()> {
    if !values.iter().fold(false, |any, v| any | v.is_nan()) {
        return Ok(());
    }
    let index = values.iter().position(|v| v.is_nan()).unwrap_or(0);
    Err(Error::NonFinite {
        what: what.to_owned(),
        index,
        value: f32::NAN,
    })
}

/// Fails unless `count` values fill `shape`, every partial product of which can be counted.
pub(crate) fn check_volume(what: &str, shape: &[usize], count: usize) -> Result<()> {
    let counted = shape
        .iter()
        .try_fold(1usize, |volume, &side| volume.checked_mul(side.max(1)));
    if counted.is_none() {
        return Err(Error::invalid(
            format!("shape of {what}"),
            format!("{shape:?}"),
            "of a volume below 2^64",
        ));
    }
    if shape.iter().product::<usize>() == count {
        return Ok(());
    }
    Error::check_shape(what, shape, &[count])
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
    fn names_the_nan() {
        let error = reject_nan("w", &[0.0, f32::INFINITY, f32::NAN]).unwrap_err();
        assert!(
            matches!(error, Error::NonFinite { index: 2, .. }),
            "{error}"
        );
        assert!(reject_nan("w", &[]).is_ok());
    }

    #[test]
    fn refuses_uncountable_shapes() {
        assert!(check_volume("w", &[0, usize::MAX, 2], 0).is_err());
        assert!(check_volume("w", &[2, 3], 5).is_err());
        assert!(check_volume("w", &[3, 0], 0).is_ok());
        assert!(check_volume("w", &[], 1).is_ok());
    }
}
