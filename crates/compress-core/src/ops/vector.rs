//! Operations on whole vectors that are bound by memory, not by arithmetic.

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// `y += factor · x`, each by one fused multiply-add.
///
/// # Errors
/// Where the lengths differ.
pub fn axpy(factor: f32, x: &[f32], y: &mut [f32]) -> Result<()> {
    Error::check_shape("vector that is added to", &[x.len()], &[y.len()])?;
    axpy_at(Isa::active()?, factor, x, y);
    Ok(())
}

/// `x *= factor`.
pub fn scale(factor: f32, x: &mut [f32]) -> Result<()> {
    scale_at(Isa::active()?, factor, x);
    Ok(())
}

/// Sets to +0 each value whose `keep` is false, whatever it is: −0, NaN and infinities too.
///
/// # Errors
/// Where the lengths differ.
pub fn zero_where(values: &mut [f32], keep: &[bool]) -> Result<()> {
    Error::check_shape("marks of what is kept", &[values.len()], &[keep.len()])?;
    zero_where_at(Isa::active()?, values, keep);
    Ok(())
}

by_level! {
    pub(super) fn axpy_at(factor: f32, x: &[f32], y: &mut [f32]) = axpy_body;
    pub(super) fn scale_at(factor: f32, x: &mut [f32]) = scale_body;
    pub(super) fn zero_where_at(values: &mut [f32], keep: &[bool]) = zero_where_body;
}

#[inline(always)]
fn axpy_body(factor: f32, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = factor.mul_add(x, *y);
    }
}

#[inline(always)]
fn scale_body(factor: f32, x: &mut [f32]) {
    for x in x {
        *x *= factor;
    }
}

#[inline(always)]
fn zero_where_body(values: &mut [f32], keep: &[bool]) {
    for (value, &keep) in values.iter_mut().zip(keep) {
        // All ones or all zeros; a selection would become a branch in the remainder.
        let bits = u32::from(keep).wrapping_neg();
        *value = f32::from_bits(value.to_bits() & bits);
    }
}
