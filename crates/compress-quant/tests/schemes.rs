//! What every registered scheme promises.

use compress_quant::schemes::{REGISTRY, Range, Scheme, Settings, by_name};
use proptest::prelude::*;

fn all() -> Vec<Box<dyn Scheme>> {
    let settings = Settings::default();
    REGISTRY
        .iter()
        .map(|entry| by_name(entry.name, &settings).unwrap())
        .collect()
}

fn rounded(scheme: &dyn Scheme, weights: &[f32]) -> Vec<f32> {
    let shape = [1, weights.len()];
    let mut values = weights.to_vec();
    let codec = scheme.fit("w", weights, &shape).unwrap();
    codec.fake_quantize(&mut values, &shape).unwrap();
    values
}

fn squared_error(a: &[f32], b: &[f32]) -> f64 {
    let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
    a.iter().zip(b).map(square).sum()
}

proptest! {
    #[test]
    fn rounding_is_encoding_and_decoding(weights in prop::collection::vec(-3.0f32..3.0, 1..60)) {
        for scheme in all() {
            let shape = [1, weights.len()];
            let codec = scheme.fit("w", &weights, &shape).unwrap();
            let decoded = codec.encode("w", &weights, &shape).unwrap().dequantize().unwrap();
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&decoded), bits(&rounded(scheme.as_ref(), &weights)));
        }
    }

    #[test]
    fn pruned_weights_stay_zero(weights in prop::collection::vec(-3.0f32..3.0, 1..60)) {
        let mut weights = weights;
        weights.push(0.0);
        for scheme in all() {
            let zero = *rounded(scheme.as_ref(), &weights).last().unwrap();
            prop_assert_eq!(zero.to_bits(), 0, "{}", scheme.name());
        }
    }

    #[test]
    fn eight_bits_are_off_by_half_a_step(weights in prop::collection::vec(-3.0f32..3.0, 1..60)) {
        let make = |range| {
            let settings = Settings { bits: 8, range, ..Settings::default() };
            by_name("linear_symmetric", &settings).unwrap()
        };
        let whole = rounded(make(Range::AbsMax).as_ref(), &weights);
        let bound = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / 127.0 * 0.50001;
        for (w, r) in weights.iter().zip(&whole) {
            prop_assert!((w - r).abs() <= bound);
        }
        let clipped = rounded(make(Range::LeastSquares).as_ref(), &weights);
        let (clipped, whole) = (squared_error(&weights, &clipped), squared_error(&weights, &whole));
        prop_assert!(clipped <= whole * (1.0 + 1e-6));
    }
}

#[test]
fn names_what_is_no_number() {
    for scheme in all() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let Err(error) = scheme.fit("some.weight", &[1.0, 0.5, value], &[1, 3]) else {
                panic!("{} takes {value}", scheme.name());
            };
            let text = error.to_string();
            assert!(text.contains("some.weight") && text.contains('2'), "{text}");
        }
    }
}

#[test]
fn plain_tensors() {
    for scheme in all() {
        assert_eq!(rounded(scheme.as_ref(), &[0.0; 5]), [0.0; 5]);
        assert!(rounded(scheme.as_ref(), &[]).is_empty());
        for weights in [vec![0.75], vec![-0.5; 7]] {
            let values = rounded(scheme.as_ref(), &weights);
            assert!(values.iter().all(|v| v.is_finite() && *v == values[0]));
        }
    }
}
