//! The integer tables against the functions that they stand for.

use super::*;

#[test]
fn logarithms_are_within_a_unit() {
    for x in (1..70_000).chain((0..1000).map(|i| i * 4_294_967 + 1)) {
        let exact = (x as f64).log2() * f64::from(UNIT);
        let error = (f64::from(log2(x)) - exact).abs();
        assert!(error <= 2.0, "log2({x}) is off by {error}");
    }
    assert_eq!(log2(0), 0);
    assert_eq!(log2(u64::MAX) / UNIT, 63);
}

#[test]
fn probabilities_match_the_logistic_function() {
    for x in -LIMIT..=LIMIT {
        let exact = 65536.0 / (1.0 + 2_f64.powf(-f64::from(x) / f64::from(UNIT)));
        assert!((f64::from(squash(x)) - exact).abs() <= 1.0, "squash({x})");
        assert!(squash(x) > 0);
    }
    assert_eq!(squash(0), 1 << 15);
    assert_eq!(squash(i32::MIN), squash(-LIMIT));
    assert_eq!(squash(i32::MAX), squash(LIMIT));
}

#[test]
fn stretch_undoes_squash() {
    for x in (-8 * UNIT..=8 * UNIT).step_by(7) {
        let back = stretch(u32::from(squash(x)) << 16);
        assert!((back - x).abs() <= 4, "{x} came back as {back}");
    }
}
