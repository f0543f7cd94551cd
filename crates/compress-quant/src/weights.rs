//! The two plainest functions: turn a slice of weights into integers by one scale, and back.
//!
//! They truncate, and their scale *multiplies*. The [`schemes`](crate::schemes) round to nearest
//! and divide by their scale, which halves the largest error. Use these two functions where exactly
//! `int32(weight · scale)` is wanted.

/// `int32(weight · scale)` for each weight: the product in f32, truncated toward zero.
///
/// Products outside of the range of `i32` saturate, infinities included; NaN (also from
/// `0 · ∞`) becomes 0; −0.0 becomes 0.
///
/// ```
/// use compress_quant::weights::quantize_weights;
/// assert_eq!(quantize_weights(&[0.5, -0.126, 0.99], 100.0), [50, -12, 99]);
/// ```
pub fn quantize_weights(weights: &[f32], scale: f32) -> Vec<i32> {
    weights.iter().map(|w| (w * scale) as i32).collect()
}

/// `code / scale` for each code, in f32.
///
/// A code beyond ±2²⁴ is first rounded to the nearest f32. A scale of 0 gives ±∞, and NaN for
/// code 0; a scale of ±∞ gives ±0; a scale of NaN gives NaN.
///
/// ```
/// use compress_quant::weights::dequantize_weights;
/// assert_eq!(dequantize_weights(&[50, -12, 0], 100.0), [0.5, -0.12, 0.0]);
/// ```
pub fn dequantize_weights(codes: &[i32], scale: f32) -> Vec<f32> {
    codes.iter().map(|&code| code as f32 / scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_toward_zero() {
        let weights = [0.0, 0.999, -0.999, 1.0, -1.0, 1.999, -1.999, 2.5, -2.5];
        assert_eq!(
            quantize_weights(&weights, 1.0),
            [0, 0, 0, 1, -1, 1, -1, 2, -2]
        );
    }

    #[test]
    fn multiplies_in_f32() {
        // In f64 the product is 28.999999…; in f32 it rounds to 29.
        assert_eq!(quantize_weights(&[0.29], 100.0), [29]);
        assert_eq!((f64::from(0.29f32) * 100.0) as i32, 28);
    }

    #[test]
    fn saturates() {
        let weights = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e10];
        let (low, high) = (i32::MIN, i32::MAX);
        assert_eq!(
            quantize_weights(&weights, 1.0),
            [high, low, high, low, high]
        );
        assert_eq!(
            quantize_weights(&weights, -1.0),
            [low, high, low, high, low]
        );
        assert_eq!(quantize_weights(&[f32::MAX], f32::MAX), [high]);
    }

    #[test]
    fn the_edges_of_i32() {
        // 2^31 is one too many; the f32 below it is 2^31 − 128. −2^31 itself fits.
        let edges = [2147483648.0, 2147483520.0, -2147483648.0, -2147483904.0];
        assert_eq!(
            quantize_weights(&edges, 1.0),
            [i32::MAX, 2147483520, i32::MIN, i32::MIN]
        );
    }

    #[test]
    fn nan_becomes_zero() {
        assert_eq!(quantize_weights(&[f32::NAN, 1.0], 1.0), [0, 1]);
        assert_eq!(quantize_weights(&[1.0, -1.0], f32::NAN), [0, 0]);
        assert_eq!(quantize_weights(&[0.0, -0.0], f32::INFINITY), [0, 0]);
        assert_eq!(quantize_weights(&[f32::INFINITY], 0.0), [0]);
    }

    #[test]
    fn odd_scales() {
        assert_eq!(quantize_weights(&[1.5, -1.5], 0.0), [0, 0]);
        assert_eq!(quantize_weights(&[1.5, -1.5], -2.0), [-3, 3]);
        let infinite = quantize_weights(&[1.5, -1.5], f32::INFINITY);
        assert_eq!(infinite, [i32::MAX, i32::MIN]);
        assert_eq!(quantize_weights(&[-0.0], 3.0), [0]);
        assert_eq!(quantize_weights(&[f32::from_bits(1)], 1.0), [0]);
    }

    #[test]
    fn empty() {
        assert!(quantize_weights(&[], 1.0).is_empty());
        assert!(dequantize_weights(&[], 1.0).is_empty());
    }

    #[test]
    fn divides() {
        assert_eq!(dequantize_weights(&[7, -7, 0], 2.0), [3.5, -3.5, 0.0]);
        assert_eq!(dequantize_weights(&[7, -7], -2.0), [-3.5, 3.5]);
        // A reciprocal would give 0.30000001…
        assert_eq!(dequantize_weights(&[3], 10.0), [0.3]);
    }

    #[test]
    fn dequantizing_by_odd_scales() {
        let zero = dequantize_weights(&[1, -1, 0], 0.0);
        assert_eq!(zero[..2], [f32::INFINITY, f32::NEG_INFINITY]);
        assert!(zero[2].is_nan());
        assert_eq!(dequantize_weights(&[1, -1, 0], f32::INFINITY), [0.0; 3]);
        assert!(
            dequantize_weights(&[1, 0], f32::NAN)
                .iter()
                .all(|v| v.is_nan())
        );
    }

    #[test]
    fn large_codes_round_to_f32() {
        let codes = [1 << 24, (1 << 24) + 1, (1 << 24) + 3, i32::MAX, i32::MIN];
        assert_eq!(
            dequantize_weights(&codes, 1.0),
            [
                16777216.0,
                16777216.0,
                16777220.0,
                2147483648.0,
                -2147483648.0
            ]
        );
    }

    #[test]
    fn there_and_back_loses_less_than_one_step() {
        for i in -1000..1000 {
            let (w, scale) = (i as f32 * 0.001_37, 127.0);
            let back = dequantize_weights(&quantize_weights(&[w], scale), scale)[0];
            assert!((w - back).abs() < 1.0 / scale && back.abs() <= w.abs() + 1e-7);
        }
    }
}
