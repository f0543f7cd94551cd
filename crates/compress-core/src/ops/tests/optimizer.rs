//! Updates: every level alike, and lengths that differ. (`compress-nn` compares whole runs with
//! f64 arithmetic.)

use super::{LENGTHS, assert_same, mixed};
use crate::isa::Isa;
use crate::ops::optimizer::{self, Adam, Sgd};

const SGD: Sgd = Sgd {
    rate: 0.1,
    factor: 0.7,
    momentum: 0.9,
    nesterov: true,
    decay: 0.01,
};

const ADAM: Adam = Adam {
    factor: 0.7,
    coupled_decay: 0.02,
    shrink: 0.99,
    first_share: 0.1,
    beta2: 0.999,
    second_share: 0.001,
    step: 0.03,
    correction: 0.4,
    epsilon: 1e-8,
};

/// Values, gradient and two moments, the second not negative.
fn tensors(len: usize) -> [Vec<f32>; 4] {
    let mut all = [1, 2, 3, 4].map(|salt| mixed(len, salt));
    all[3].iter_mut().for_each(|v| *v = v.abs());
    all
}

#[test]
fn every_level_gives_the_same_bits() {
    type Update = fn(Isa, &mut [Vec<f32>; 4]);
    let updates: [Update; 4] = [
        |isa, [w, g, _, _]| optimizer::plain_at(isa, SGD, w, g),
        |isa, [w, g, b, _]| optimizer::momentum_at(isa, SGD, w, g, b),
        |isa, [w, g, b, _]| optimizer::nesterov_at(isa, SGD, w, g, b),
        |isa, [w, g, m, v]| optimizer::adam_at(isa, ADAM, w, g, m, v),
    ];
    for len in LENGTHS {
        for (number, update) in updates.into_iter().enumerate() {
            let mut expected = tensors(len);
            update(Isa::Scalar, &mut expected);
            for isa in Isa::available() {
                let mut found = tensors(len);
                update(isa, &mut found);
                for (expected, found) in expected.iter().zip(&found) {
                    let what = format!("update {number} of {len} at {}", isa.name());
                    assert_same(&what, expected, found);
                }
            }
        }
    }
}

#[test]
fn one_step_by_hand() {
    let (mut w, mut b) = ([2.0], [0.5]);
    let sgd = Sgd {
        rate: 0.5,
        factor: 0.5,
        momentum: 0.5,
        nesterov: false,
        decay: 0.25,
    };
    // g' = 0.5 + 0.5 = 1, b = 0.25 + 1 = 1.25, w = 2 − 0.625.
    sgd.with_momentum(&mut w, &[1.0], &mut b).unwrap();
    assert_eq!((w, b), ([1.375], [1.25]));
    let (mut w, mut m, mut v) = ([2.0], [0.0], [0.0]);
    let adam = Adam {
        factor: 1.0,
        coupled_decay: 0.0,
        shrink: 0.5,
        first_share: 0.5,
        beta2: 0.5,
        second_share: 0.5,
        step: 0.25,
        correction: 0.5,
        epsilon: 1.0,
    };
    // m = 1, v = 2, w = 1 − 0.25 · 1 / (√2 / 0.5 + 1).
    adam.step(&mut w, &[2.0], &mut m, &mut v).unwrap();
    assert_eq!((m, v), ([1.0], [2.0]));
    let expected = 1.0 - 0.25 / (2.0_f32.sqrt() / 0.5 + 1.0);
    assert!((w[0] - expected).abs() < 1e-7);
}

#[test]
fn lengths_must_agree() {
    let [w, g, m, v] = &mut [(); 4].map(|()| vec![1.0; 4]);
    assert!(SGD.plain(w, &g[1..]).is_err());
    assert!(SGD.with_momentum(w, g, &mut m[1..]).is_err());
    assert!(ADAM.step(w, g, m, &mut v[1..]).is_err());
    assert_eq!(*w, [1.0; 4], "nothing was changed");
    assert!(SGD.plain(&mut [], &[]).is_ok());
}
