//! Limits on norms: of all gradients together (gradient clipping), and of each neuron's incoming
//! weights (max-norm).

use compress_core::Result;
use compress_core::kernels::reduce;
use compress_core::network::Parameter;
use rayon::prelude::*;

use crate::layers::CHUNK;

/// The factor that brings the joint L2 norm of all gradients down to at most `limit`, as PyTorch's
/// `clip_grad_norm_`: min(1, limit / (norm + 10⁻⁶)).
pub(crate) fn clip_factor(parameters: &[&Parameter], limit: f32) -> Result<f32> {
    let mut sum = 0.0;
    for parameter in parameters {
        let chunks = parameter.gradient().par_chunks(CHUNK);
        let squares: Vec<f64> = chunks.map(sum_of_squares).collect::<Result<_>>()?;
        sum += squares.iter().sum::<f64>();
    }
    let factor = f64::from(limit) / (sum.sqrt() + 1e-6);
    Ok(factor.min(1.0) as f32)
}

/// Scales down each row of a weight whose L2 norm is above `limit`.
pub(crate) fn limit_rows(weight: &mut Parameter, limit: f32) -> Result<()> {
    let columns = weight.shape()[1].max(1);
    let rows = weight.values_mut().par_chunks_mut(columns);
    rows.with_min_len((CHUNK / columns).max(1))
        .try_for_each(|row| limit_row(row, limit))
}

fn limit_row(row: &mut [f32], limit: f32) -> Result<()> {
    let factor = match reduce::dot(row, row)? {
        sum if sum.is_finite() => limit / sum.sqrt(),
        // Of finite values, the norm is so even where its square is beyond f32.
        _ => (f64::from(limit) / reduce::squared_norm(row)?.sqrt()) as f32,
    };
    if factor < 1.0 {
        row.iter_mut().for_each(|w| *w *= factor);
    }
    Ok(())
}

/// The sum of squares in f32; in f64 where that is not finite.
fn sum_of_squares(x: &[f32]) -> Result<f64> {
    match reduce::dot(x, x)? {
        sum if sum.is_finite() => Ok(sum.into()),
        _ => reduce::squared_norm(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(values: Vec<f32>) -> Parameter {
        let shape = (1, values.len());
        let matrix = ndarray::Array2::from_shape_vec(shape, values).unwrap();
        Parameter::weight("w", matrix)
    }

    #[test]
    fn norms_whose_squares_leave_f32_are_limited_too() {
        let mut large = weight(vec![3e20, -4e20]);
        large.gradient_mut().copy_from_slice(&[3e20, 4e20]);
        let factor = clip_factor(&[&large], 1.0).unwrap();
        assert!((factor * 5e20 - 1.0).abs() < 1e-6, "{factor}");
        limit_rows(&mut large, 5.0).unwrap();
        let [a, b] = [0, 1].map(|i| large.values()[i]);
        assert!((a - 3.0).abs() < 1e-5 && (b + 4.0).abs() < 1e-5, "{a} {b}");
    }

    #[test]
    fn norms_within_f32_are_summed_in_f32() {
        let values: Vec<f32> = (0..100).map(|i| (i as f32).sin()).collect();
        let norm = reduce::dot(&values, &values).unwrap().sqrt();
        let expected: Vec<f32> = values.iter().map(|w| w * (0.5 / norm)).collect();
        let mut limited = weight(values);
        limit_rows(&mut limited, 0.5).unwrap();
        assert_eq!(limited.values(), expected);
    }
}
