//! Sine and cosine by a fixed sequence of operations, the same on every machine.

use std::f64::consts::FRAC_PI_2;

/// The coefficients of x³, x⁵, … x²¹ in the Taylor series of the sine.
const SINE: [f64; 10] = [
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
    -1.0 / 121_645_100_408_832_000.0,
    1.0 / 51_090_942_171_709_440_000.0,
];

/// The sine of an angle from −π/2 to π/2, in radians. The series breaks off below 10⁻¹⁸ there.
pub fn sin(x: f64) -> f64 {
    let square = x * x;
    let tail = SINE.iter().rev().fold(0.0, |sum, c| (sum + c) * square);
    x + x * tail
}

/// The cosine of an angle from −π to π, in radians.
pub fn cos(x: f64) -> f64 {
    sin(FRAC_PI_2 - x.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn agree_with_the_standard_library() {
        for i in -1000..=1000 {
            let x = f64::from(i) / 1000.0;
            assert!((sin(x * FRAC_PI_2) - (x * FRAC_PI_2).sin()).abs() < 4e-16);
            assert!((cos(x * PI) - (x * PI).cos()).abs() < 4e-16);
        }
        assert_eq!((sin(0.0), cos(0.0)), (0.0, 1.0));
    }
}
