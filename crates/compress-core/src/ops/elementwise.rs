//! Functions of one value applied to whole slices, and their derivatives.
//!
//! NaN stays NaN. Long slices are shared among threads where a value costs more than the memory
//! it lies in: blocks of 32,768 values, whatever the number of threads.

use rayon::prelude::*;

use super::activation::Activation;
use super::scalar::{exp_body, gelu_body, gelu_slope_body, ln_body, tanh_body};
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// Values that a thread takes at once: long enough that starting it does not count.
const BLOCK: usize = 1 << 15;

/// `x = activation(x)`.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn activate(activation: Activation, x: &mut [f32]) -> Result<()> {
    match activation {
        Activation::Identity => Ok(()),
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
        Activation::Tanh => tanh(x),
    }
}

/// `x = max(x, 0)`; +0 for −0.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn relu(x: &mut [f32]) -> Result<()> {
    relu_at(Isa::active()?, x);
    Ok(())
}

/// `gradient = 0` where the activation's `output` is not positive; unchanged where it is NaN.
///
/// # Errors
/// Where the lengths differ.
pub fn relu_backward(output: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a ReLU", &[output.len()], &[gradient.len()])?;
    relu_backward_at(Isa::active()?, output, gradient);
    Ok(())
}

/// `x = tanh(x)`, as [`super::scalar::tanh`].
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn tanh(x: &mut [f32]) -> Result<()> {
    in_blocks(x, tanh_at)
}

/// `gradient *= 1 − output²`, `output` being the tanh.
///
/// # Errors
/// Where the lengths differ.
pub fn tanh_backward(output: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a tanh", &[output.len()], &[gradient.len()])?;
    tanh_backward_at(Isa::active()?, output, gradient);
    Ok(())
}

/// `x = gelu(x)`, as [`super::scalar::gelu`]: the tanh form of [`Activation::Gelu`].
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn gelu(x: &mut [f32]) -> Result<()> {
    in_blocks(x, gelu_at)
}

/// `gradient *= gelu'(input)`, `input` being what went into the GELU.
///
/// # Errors
/// Where the lengths differ.
pub fn gelu_backward(input: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a GELU", &[input.len()], &[gradient.len()])?;
    let isa = Isa::active()?;
    if gradient.len() <= BLOCK {
        gelu_backward_at(isa, input, gradient);
    } else {
        let blocks = gradient.par_chunks_mut(BLOCK).zip(input.par_chunks(BLOCK));
        blocks.for_each(|(gradient, input)| gelu_backward_at(isa, input, gradient));
    }
    Ok(())
}

/// `x = exp(x)`, as [`super::scalar::exp`].
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn exp(x: &mut [f32]) -> Result<()> {
    in_blocks(x, exp_at)
}

/// `x = ln(x)`, as [`super::scalar::ln`].
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn ln(x: &mut [f32]) -> Result<()> {
    in_blocks(x, ln_at)
}

/// Applies `f` to blocks of `x`.
fn in_blocks(x: &mut [f32], f: impl Fn(Isa, &mut [f32]) + Sync) -> Result<()> {
    let isa = Isa::active()?;
    if x.len() <= BLOCK {
        f(isa, x);
    } else {
        x.par_chunks_mut(BLOCK).for_each(|block| f(isa, block));
    }
    Ok(())
}

by_level! {
    pub(super) fn relu_at(x: &mut [f32]) = relu_body;
    pub(super) fn relu_backward_at(output: &[f32], gradient: &mut [f32]) = relu_backward_body;
    pub(super) fn tanh_at(x: &mut [f32]) = tanh_slice;
    pub(super) fn tanh_backward_at(output: &[f32], gradient: &mut [f32]) = tanh_backward_body;
    pub(super) fn gelu_at(x: &mut [f32]) = gelu_slice;
    pub(super) fn gelu_backward_at(input: &[f32], gradient: &mut [f32]) = gelu_backward_body;
    pub(super) fn exp_at(x: &mut [f32]) = exp_slice;
    pub(super) fn ln_at(x: &mut [f32]) = ln_slice;
}

#[inline(always)]
fn relu_body(x: &mut [f32]) {
    for x in x {
        *x = if *x <= 0.0 { 0.0 } else { *x };
    }
}

#[inline(always)]
fn relu_backward_body(output: &[f32], gradient: &mut [f32]) {
    for (g, &y) in gradient.iter_mut().zip(output) {
        *g = if y <= 0.0 { 0.0 } else { *g };
    }
}

#[inline(always)]
fn tanh_slice(x: &mut [f32]) {
    for x in x {
        *x = tanh_body(*x);
    }
}

#[inline(always)]
fn tanh_backward_body(output: &[f32], gradient: &mut [f32]) {
    for (g, &y) in gradient.iter_mut().zip(output) {
        *g *= (-y).mul_add(y, 1.0);
    }
}

#[inline(always)]
fn gelu_slice(x: &mut [f32]) {
    for x in x {
        *x = gelu_body(*x);
    }
}

#[inline(always)]
fn gelu_backward_body(input: &[f32], gradient: &mut [f32]) {
    for (g, &x) in gradient.iter_mut().zip(input) {
        *g *= gelu_slope_body(x);
    }
}

#[inline(always)]
fn exp_slice(x: &mut [f32]) {
    for x in x {
        *x = exp_body(*x);
    }
}

#[inline(always)]
fn ln_slice(x: &mut [f32]) {
    for x in x {
        *x = ln_body(*x);
    }
}
