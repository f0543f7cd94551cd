//! Elementary functions of one value: own polynomials in a fixed order of operations.
//!
//! They use `+ − × ÷`, fused multiply-add and integer operations on the bits, but no branch and no
//! table. So the compiler can turn a loop over them into vectors, and every machine gives the same
//! bits. Each is within 2 units in the last place (ULP) of the exact result over the whole range;
//! the tests give the exact figures. NaN gives the one canonical NaN.
//!
//! The slices in [`super::elementwise`] are faster than many calls from here.
//!
//! # References
//! Muller, *Elementary Functions*, 3rd edition: additive range reduction by Cody and Waite
//! (section 11.2) and minimax polynomials (section 4.3). The coefficients were fitted for this
//! crate: weighted minimax, rounded to f32 one after the other.

use crate::isa::Isa;
use crate::kernels::levels::by_level;

/// eˣ: +∞ above 88.72284, gradual underflow below −87.33655, 0 below −103.97208. Within
/// 1.02 ULP.
pub fn exp(x: f32) -> f32 {
    exp_at(Isa::Scalar, x)
}

/// Natural logarithm: −∞ at ±0, NaN below 0, +∞ at +∞, subnormal arguments included. Within
/// 0.95 ULP.
pub fn ln(x: f32) -> f32 {
    ln_at(Isa::Scalar, x)
}

/// Hyperbolic tangent: odd, ±1 from ±9.02 on. Within 1.4 ULP.
pub fn tanh(x: f32) -> f32 {
    tanh_at(Isa::Scalar, x)
}

/// Gaussian error linear unit in its tanh form, as [`super::activation::Activation::Gelu`]; −0 at
/// −∞.
pub fn gelu(x: f32) -> f32 {
    gelu_at(Isa::Scalar, x)
}

/// Derivative of [`gelu`]: 1 at +∞, and 0 to within 10⁻³⁰ at −∞.
#[cfg(test)]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    gelu_slope_body(x)
}

by_level! {
    fn exp_at(x: f32) -> f32 = exp_body;
    fn ln_at(x: f32) -> f32 = ln_body;
    fn tanh_at(x: f32) -> f32 = tanh_body;
    fn gelu_at(x: f32) -> f32 = gelu_body;
}

/// ln 2 in two parts; the first has 12 bits, so its product with an exponent is exact.
const LN2_HIGH: f32 = f32::from_bits(0x3f31_7000);
const LN2_LOW: f32 = f32::from_bits(0x3805_fdf4);

/// 1.5 · 2²³: adding it leaves a number rounded to an integer in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// `x` as `n ln 2 + r` with |r| at most ln 2 / 2: n as an integer, and r. |x| below 2²⁰.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let integer = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    (integer, r)
}

/// (eʳ − 1 − r) / r² for |r| at most ln 2 / 2; the relative error of eʳ is 2⁻²⁸.
#[inline(always)]
fn exp_tail(r: f32) -> f32 {
    let p = f32::from_bits(0x3ab5_2e39);
    let p = p.mul_add(r, f32::from_bits(0x3c09_1d75));
    let p = p.mul_add(r, f32::from_bits(0x3d2a_ac52));
    let p = p.mul_add(r, f32::from_bits(0x3e2a_aa48));
    p.mul_add(r, f32::from_bits(0x3eff_fffe))
}

/// 2ⁿ for n from −126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// See [`exp`].
#[inline(always)]
pub(crate) fn exp_body(x: f32) -> f32 {
    // Beyond these bounds the result is infinite or 0 all the same. NaN passes.
    let bounded = if x > 89.0 { 89.0 } else { x };
    let bounded = if bounded < -105.0 { -105.0 } else { bounded };
    let (n, r) = reduce(bounded);
    let p = (r * r).mul_add(exp_tail(r), r) + 1.0;
    // In two steps, since 2ⁿ alone may overflow or be subnormal. The first product is exact, so
    // the result is rounded once.
    let half = n >> 1;
    let y = p * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    if x.is_nan() { f32::NAN } else { y }
}

/// (ln(1 + f) − f + f²/2) / f³ for f from √½ − 1 to √2 − 1; the relative error of ln is 2⁻²⁷.
#[inline(always)]
fn ln_tail(f: f32) -> f32 {
    let p = f32::from_bits(0xbd9c_6446);
    let p = p.mul_add(f, f32::from_bits(0x3e02_af22));
    let p = p.mul_add(f, f32::from_bits(0xbe06_c11b));
    let p = p.mul_add(f, f32::from_bits(0x3e11_6c9c));
    let p = p.mul_add(f, f32::from_bits(0xbe2a_3946));
    let p = p.mul_add(f, f32::from_bits(0x3e4c_d00e));
    let p = p.mul_add(f, f32::from_bits(0xbe80_0113));
    p.mul_add(f, f32::from_bits(0x3eaa_aaaa))
}

/// See [`ln`].
#[inline(always)]
pub(crate) fn ln_body(x: f32) -> f32 {
    /// The bits of √½: what the mantissa is brought above.
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let offset = if subnormal { 23 } else { 0 };
    let above = scaled.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = ((above as i32) >> 23).wrapping_sub(offset) as f32;
    let f = f32::from_bits((above & 0x007f_ffff).wrapping_add(ROOT_HALF)) - 1.0;
    // ln(1 + f) = f + f² (f · tail − ½)
    let tail = f.mul_add(ln_tail(f), -0.5);
    let low = exponent.mul_add(LN2_LOW, f * f * tail);
    let y = exponent.mul_add(LN2_HIGH, f + low);
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    // False for NaN too.
    if x >= 0.0 { y } else { f32::NAN }
}

/// (tanh(x) / x − 1) / x² as a polynomial in s = x² up to 0.625²; relative error 2⁻²⁷.
#[inline(always)]
fn tanh_tail(s: f32) -> f32 {
    let p = f32::from_bits(0xbbba_c1d2);
    let p = p.mul_add(s, f32::from_bits(0x3ca9_0795));
    let p = p.mul_add(s, f32::from_bits(0xbd5c_1c22));
    let p = p.mul_add(s, f32::from_bits(0x3e08_8381));
    p.mul_add(s, f32::from_bits(0xbeaa_aa99))
}

/// See [`tanh`].
#[inline(always)]
pub(crate) fn tanh_body(x: f32) -> f32 {
    let size = x.abs();
    let s = x * x;
    let near = (size * s).mul_add(tanh_tail(s), size);
    // 1 − 2 / (e^2|x| + 1); from 9.02 on it rounds to 1.
    let bounded = if size > 10.0 { 10.0 } else { size };
    let (n, r) = reduce(bounded + bounded);
    let p = (r * r).mul_add(exp_tail(r), r) + 1.0;
    let far = 1.0 - 2.0 / p.mul_add(power_of_two(n), 1.0);
    let y = if size < 0.625 { near } else { far };
    if x.is_nan() { f32::NAN } else { y.copysign(x) }
}

/// √(8/π), twice the factor of the GELU's argument.
const GELU_FACTOR: f32 = 1.595_769_2;
/// The factor of the cube in it.
const GELU_CUBE: f32 = 0.044_715;

/// See [`gelu`]: with u the tanh's argument, ½ (1 + tanh u) is 1 / (1 + e⁻²ᵘ), which does not
/// cancel for negative x.
#[inline(always)]
pub(crate) fn gelu_body(x: f32) -> f32 {
    // Already −0 there; keeps −∞ · 0 out.
    let bounded = if x < -64.0 { -64.0 } else { x };
    let u = (GELU_CUBE * bounded * bounded).mul_add(bounded, bounded);
    bounded / (1.0 + exp_body(-GELU_FACTOR * u))
}

/// The derivative of [`gelu`]. With v = 2u and σ = 1 / (1 + e⁻ᵛ) the slope is σ + x v' σ (1 − σ), and
/// 1 − σ is e⁻ᵛ σ.
#[inline(always)]
pub(crate) fn gelu_slope_body(x: f32) -> f32 {
    // Nothing changes beyond; keeps infinities out.
    let bounded = if x < -16.0 { -16.0 } else { x };
    let bounded = if bounded > 16.0 { 16.0 } else { bounded };
    let square = GELU_CUBE * bounded * bounded;
    let v = GELU_FACTOR * square.mul_add(bounded, bounded);
    // e⁻ᵛ must stay finite: its product with σ twice is then 0.
    let e = exp_body(if v < -80.0 { 80.0 } else { -v });
    let sigma = 1.0 / (1.0 + e);
    let slope = GELU_FACTOR * square.mul_add(3.0, 1.0);
    (bounded * slope * (e * sigma)).mul_add(sigma, sigma)
}
