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
        let squares: Vec<f32> = chunks.map(|g| reduce::dot(g, g)).collect::<Result<_>>()?;
        sum += squares.iter().map(|&s| f64::from(s)).sum::<f64>();
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
    let norm = reduce::dot(row, row)?.sqrt();
    if norm > limit {
        let factor = limit / norm;
        row.iter_mut().for_each(|w| *w *= factor);
    }
    Ok(())
}
