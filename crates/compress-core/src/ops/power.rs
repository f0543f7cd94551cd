//! Powers by a fixed sequence of operations, the same on every machine.

/// `base` to the power of an `exponent` from 0 to 1, and exactly 1 and `base` at these two. The
/// exponent's binary digits say which of the square root, the fourth root, the eighth root and so on
/// to multiply. Within 10⁻¹⁴ of the result. NaN where `base` is negative or NaN.
pub fn power(base: f64, exponent: f64) -> f64 {
    if exponent >= 1.0 {
        return base;
    }
    let (mut root, mut rest, mut product) = (base, exponent, 1.0);
    while rest > 0.0 {
        root = root.sqrt();
        rest *= 2.0;
        if rest >= 1.0 {
            rest -= 1.0;
            product *= root;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_the_standard_library() {
        for base in [1e-300, 1e-9, 0.05, 0.1, 0.5, 0.999, 1.0, 7.0, 1e300] {
            for i in 0..=1000 {
                let exponent = f64::from(i) / 1000.0;
                let (found, expected) = (power(base, exponent), base.powf(exponent));
                assert!((found / expected - 1.0).abs() < 1e-14, "{base}^{exponent}");
            }
            assert_eq!((power(base, 0.0), power(base, 1.0)), (1.0, base));
            assert!((power(base, f64::MIN_POSITIVE) - 1.0).abs() < 1e-14);
        }
        assert_eq!((power(0.0, 0.0), power(0.0, 1e-300)), (1.0, 0.0));
        assert!(power(-1.0, 0.5).is_nan() && power(f64::NAN, 0.5).is_nan());
    }
}
