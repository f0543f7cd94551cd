//! Elementary functions in units in the last place of the f64 result.

use super::sweep;
use crate::ops::{elementwise, scalar};

/// How far `found` is from `exact`, in units in the last place of an f32 of that size.
fn ulps(exact: f64, found: f32) -> f64 {
    let rounded = exact as f32;
    if rounded == found || (rounded.is_nan() && found.is_nan()) {
        // Correctly rounded; the rest of the distance is no error of ours.
        return 0.0;
    }
    if !rounded.is_finite() || !found.is_finite() {
        return f64::INFINITY;
    }
    let exponent = (rounded.abs().to_bits() >> 23).max(1) as i32;
    (f64::from(found) - exact).abs() / 2.0f64.powi(exponent - 150)
}

/// Fails where `function` is further than `bound` from `exact`, at the worst argument.
#[track_caller]
fn within(
    bound: f64,
    function: fn(&mut [f32]) -> crate::Result<()>,
    arguments: impl IntoIterator<Item = f32>,
    exact: fn(f64) -> f64,
) {
    let arguments: Vec<f32> = arguments.into_iter().collect();
    let mut found = arguments.clone();
    function(&mut found).unwrap();
    let mut worst = (0.0, 0.0, 0.0);
    for (&x, &y) in arguments.iter().zip(&found) {
        let error = ulps(exact(f64::from(x)), y);
        if error > worst.0 {
            worst = (error, x, y);
        }
    }
    let (error, x, y) = worst;
    assert!(
        error <= bound,
        "{error} ULP at {x:e} ({:#x}): {y:e} instead of {:e}",
        x.to_bits(),
        exact(f64::from(x))
    );
}

/// Every value of `[from, to]` (of one sign) that is `step` bit patterns apart.
fn between(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    let (low, high) = (from.to_bits(), to.to_bits());
    (low.min(high)..=high.max(low))
        .step_by(step)
        .map(f32::from_bits)
}

#[test]
fn exp_is_accurate_over_the_whole_range() {
    within(1.02, elementwise::exp, sweep(), f64::exp);
    within(1.02, elementwise::exp, between(0.01, 89.0, 13), f64::exp);
    within(1.02, elementwise::exp, between(-0.01, -105.0, 13), f64::exp);
}

#[test]
fn ln_is_accurate_over_the_whole_range() {
    within(0.95, elementwise::ln, sweep(), f64::ln);
    within(0.95, elementwise::ln, between(0.25, 4.0, 37), f64::ln);
    within(0.95, elementwise::ln, between(1e-45, 1e-38, 101), f64::ln);
}

#[test]
fn tanh_is_accurate_over_the_whole_range() {
    within(1.4, elementwise::tanh, sweep(), f64::tanh);
    within(1.4, elementwise::tanh, between(0.01, 12.0, 13), f64::tanh);
}

#[test]
fn boundaries_are_exact() {
    use scalar::{exp, ln, tanh};
    assert_eq!(exp(0.0), 1.0);
    assert_eq!(exp(-0.0), 1.0);
    assert_eq!(exp(f32::INFINITY), f32::INFINITY);
    assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
    assert_eq!(exp(88.722_84), f32::INFINITY);
    assert!(exp(88.722_83).is_finite());
    assert_eq!(exp(-103.972_084), 0.0);
    assert_eq!(exp(-103.972_08).to_bits(), 1);
    assert_eq!(ln(1.0).to_bits(), 0);
    assert_eq!(ln(0.0), f32::NEG_INFINITY);
    assert_eq!(ln(-0.0), f32::NEG_INFINITY);
    assert_eq!(ln(f32::INFINITY), f32::INFINITY);
    assert!(ln(-1e-45).is_nan() && ln(f32::NEG_INFINITY).is_nan());
    assert_eq!(ln(f32::from_bits(1)), -103.278_93);
    assert_eq!(tanh(0.0).to_bits(), 0);
    assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
    assert_eq!(tanh(1e-45), 1e-45);
    assert_eq!(tanh(f32::INFINITY), 1.0);
    assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
    assert_eq!(tanh(9.02), 1.0);
    for f in [exp, ln, tanh, scalar::gelu, scalar::gelu_slope] {
        assert!(f(f32::NAN).is_nan());
    }
}

#[test]
fn tanh_is_odd_and_does_not_descend() {
    let mut last = 0.0;
    for x in between(0.0, 10.0, 997) {
        let y = scalar::tanh(x);
        assert_eq!(scalar::tanh(-x).to_bits(), (-y).to_bits(), "at {x}");
        // Two polynomials meet at 0.625, so it may step back by a unit in the last place.
        assert!(y.to_bits() + 1 >= f32::to_bits(last), "descends at {x}");
        last = y;
    }
    assert_eq!(last, 1.0);
}

/// The tanh form in f64, without cancellation: ½ (1 + tanh u) = 1 / (1 + e⁻²ᵘ).
fn gelu64(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    x / (1.0 + (-2.0 * u).exp())
}

#[test]
fn gelu_is_close_to_the_formula() {
    for x in between(1e-6, 12.0, 4999).flat_map(|x| [x, -x]) {
        let (exact, found) = (gelu64(f64::from(x)), f64::from(scalar::gelu(x)));
        // The argument of the exponential carries rounding errors, so the relative error grows
        // with its size, up to about 2u · 2⁻²³.
        let size = 1.0 + f64::from(x * x * x).abs().min(100.0);
        assert!(
            (found - exact).abs() <= 3e-7 * size * exact.abs() + 1e-36,
            "gelu({x}) is {found:e}, not {exact:e}"
        );
    }
    assert_eq!(
        scalar::gelu(f32::NEG_INFINITY).to_bits(),
        (-0.0f32).to_bits()
    );
    assert_eq!(scalar::gelu(f32::INFINITY), f32::INFINITY);
    assert_eq!(scalar::gelu(f32::MAX), f32::MAX);
    assert_eq!(scalar::gelu(f32::MIN), 0.0);
}

#[test]
fn gelu_slope_agrees_with_differences() {
    let h = 1e-5;
    for x in (-9000..=9000).map(|i| i as f32 * 1e-3) {
        let at = f64::from(x);
        let difference = (gelu64(at + h) - gelu64(at - h)) / (2.0 * h);
        let found = f64::from(scalar::gelu_slope(x));
        assert!(
            (found - difference).abs() < 1e-6,
            "gelu'({x}) is {found}, not {difference}"
        );
    }
    for x in [16.0, 1e20, f32::MAX, f32::INFINITY] {
        assert_eq!(scalar::gelu_slope(x), 1.0);
        assert!(scalar::gelu_slope(-x).abs() < 1e-30);
    }
}
