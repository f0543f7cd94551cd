//! Functions of one value applied to whole slices, and their derivatives.

use crate::{Error, Result};

/// `x = max(x, 0)`.
pub fn relu(x: &mut [f32]) -> Result<()> {
    for x in x {
        *x = if *x > 0.0 { *x } else { 0.0 };
    }
    Ok(())
}

/// `gradient = 0` where the activation's `output` is not positive.
pub fn relu_backward(output: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a ReLU", &[output.len()], &[gradient.len()])?;
    for (g, &y) in gradient.iter_mut().zip(output) {
        *g = if y > 0.0 { *g } else { 0.0 };
    }
    Ok(())
}

/// `x = tanh(x)`.
pub fn tanh(x: &mut [f32]) -> Result<()> {
    for x in x {
        *x = x.tanh();
    }
    Ok(())
}

/// `gradient *= 1 − output²`, `output` being the tanh.
pub fn tanh_backward(output: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a tanh", &[output.len()], &[gradient.len()])?;
    for (g, &y) in gradient.iter_mut().zip(output) {
        *g *= (-y).mul_add(y, 1.0);
    }
    Ok(())
}

/// `x = gelu(x)`, the tanh form of [`crate::network::Activation::Gelu`].
pub fn gelu(x: &mut [f32]) -> Result<()> {
    for x in x {
        let inner = 0.797_884_6 * (0.044_715 * *x * *x).mul_add(*x, *x);
        *x = 0.5 * *x * (1.0 + inner.tanh());
    }
    Ok(())
}

/// `gradient *= gelu'(input)`, `input` being what went into the GELU.
pub fn gelu_backward(input: &[f32], gradient: &mut [f32]) -> Result<()> {
    Error::check_shape("gradient of a GELU", &[input.len()], &[gradient.len()])?;
    for (g, &x) in gradient.iter_mut().zip(input) {
        let t = (0.797_884_6 * (0.044_715 * x * x).mul_add(x, x)).tanh();
        let slope = 0.797_884_6 * (3.0 * 0.044_715 * x).mul_add(x, 1.0);
        *g *= 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope;
    }
    Ok(())
}

/// `x = exp(x)`.
pub fn exp(x: &mut [f32]) -> Result<()> {
    for x in x {
        *x = x.exp();
    }
    Ok(())
}

/// `x = ln(x)`.
pub fn ln(x: &mut [f32]) -> Result<()> {
    for x in x {
        *x = x.ln();
    }
    Ok(())
}
