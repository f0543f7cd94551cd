//! Results within f32 of which an intermediate value is not.

use ndarray::{Array2, arr2};

use super::assert_same;
use crate::isa::Isa;
use crate::ops::optimizer::{self, Adam, Sgd};
use crate::ops::{cross_entropy, softmax};

#[test]
fn a_temperature_brings_distant_logits_together() {
    for isa in Isa::available() {
        let mut far = [3e38, -3e38, 0.0, f32::NEG_INFINITY];
        softmax::softmax_at(isa, &mut far, 4, 1e38);
        let mut near = [3.0, -3.0, 0.0, f32::NEG_INFINITY];
        softmax::softmax_at(isa, &mut near, 4, 1.0);
        for (far, near) in far.iter().zip(near) {
            assert!((far - near).abs() <= 1e-6 * near, "{far} {near}");
        }
        let mut far = [3e38, -3e38, f32::NEG_INFINITY];
        softmax::log_softmax_at(isa, &mut far, 3, 1e38);
        assert!((far[1] + 6.0025).abs() < 1e-4 && far[2] == f32::NEG_INFINITY);
        // Without a temperature the logarithm itself is beyond f32.
        let mut far = [3e38, -3e38];
        softmax::log_softmax_at(isa, &mut far, 2, 1.0);
        assert_eq!(far, [0.0, f32::NEG_INFINITY]);
    }
}

#[test]
fn distant_logits_of_small_probability_have_a_loss() {
    // Whole blocks and a rest.
    for samples in [1, 16, 21] {
        let logits = Array2::from_shape_fn((2, samples), |(class, _)| [3e38, -3e38][class]);
        for (small, expected) in [(0.0, 0.0), (1e-10, 6e28)] {
            let p = Array2::from_shape_fn((2, samples), |(class, _)| [1.0, small][class]);
            let (logits, p) = (logits.as_slice().unwrap(), p.as_slice().unwrap());
            for isa in Isa::available() {
                let found = cross_entropy::by_class_at(isa, logits, p, samples);
                let expected = expected * samples as f64;
                assert!((found - expected).abs() <= 1e-6 * expected, "{found}");
            }
        }
    }
    let infinite = arr2(&[[0.0], [f32::NEG_INFINITY]]);
    let loss = cross_entropy::cross_entropy_by_class(infinite.as_slice().unwrap(), &[0.5; 2], 1);
    assert!(!loss.unwrap().is_finite());
}

#[test]
fn steps_take_shares_of_what_is_beyond_f32() {
    let adam = Adam {
        factor: 1.0,
        coupled_decay: 0.0,
        shrink: 1.0,
        first_share: 0.1,
        beta2: 0.999,
        second_share: 0.001,
        step: 0.5,
        correction: 1.0,
        epsilon: 1e-8,
    };
    let sgd = Sgd {
        rate: 1e-4,
        factor: 1.0,
        momentum: 1.0,
        nesterov: true,
        decay: 0.0,
    };
    for isa in Isa::available() {
        let (mut w, mut m, mut v) = ([1.0; 40], [0.0; 40], [0.0; 40]);
        optimizer::adam_at(isa, adam, &mut w, &[1e20; 40], &mut m, &mut v);
        assert_same("m", &[1e19; 40], &m);
        assert!(v.iter().all(|v| (v - 1e37).abs() < 1e31));
        assert!(
            w.iter()
                .all(|w| (w - (1.0 - 0.5 * 10f32.sqrt())).abs() < 1e-5)
        );
        let mut m = [-3e38; 40];
        optimizer::adam_at(isa, adam, &mut w, &[3e38; 40], &mut m, &mut v);
        assert!(m.iter().all(|m| (m + 2.4e38).abs() < 1e32));
        let (mut w, mut b) = ([0.0; 40], [1e38; 40]);
        optimizer::nesterov_at(isa, sgd, &mut w, &[2e38; 40], &mut b);
        assert!(w.iter().all(|w| (w + 5e34).abs() < 1e29), "{}", w[0]);
    }
}
