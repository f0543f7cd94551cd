//! `x · wᵀ` in f32 with weights that are not packed before.

use std::hint::black_box;

use candle_core::{Device, Tensor};
use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

use super::{Failure, Values, values};
use crate::timing::seconds;

pub(super) fn measure(shape: &[usize]) -> Values {
    let &[m, k, n] = shape else {
        return Ok(Vec::new());
    };
    let rate = |seconds: f64| 2.0 * (m * k * n) as f64 / seconds / 1e9;
    let (x, w) = (values(m * k), values(n * k));
    Ok(vec![
        (
            "matrixmultiply (ndarray)",
            rate(matrixmultiply([m, k, n], &x, &w)?),
        ),
        ("gemm (candle)", rate(gemm([m, k, n], &x, &w)?)),
        ("rten-gemm", rate(rten([m, k, n], &x, &w)?)),
    ])
}

fn matrixmultiply([m, k, n]: [usize; 3], x: &[f32], w: &[f32]) -> Result<f64, Failure> {
    let x = Array2::from_shape_vec((m, k), x.to_vec())?;
    let w = Array2::from_shape_vec((n, k), w.to_vec())?;
    let mut y = Array2::zeros((m, n));
    seconds(|| {
        general_mat_mul(1.0, &x, &w.t(), 0.0, &mut y);
        black_box(&y);
        Ok(())
    })
}

fn gemm([m, k, n]: [usize; 3], x: &[f32], w: &[f32]) -> Result<f64, Failure> {
    let x = Tensor::from_slice(x, (m, k), &Device::Cpu)?;
    let w = Tensor::from_slice(w, (n, k), &Device::Cpu)?.t()?;
    seconds(|| {
        black_box(x.matmul(&w)?);
        Ok(())
    })
}

fn rten([m, k, n]: [usize; 3], x: &[f32], w: &[f32]) -> Result<f64, Failure> {
    let x = NdTensorView::from_data([m, k], x);
    let w = NdTensorView::from_data([n, k], w);
    let w = w.transposed();
    let executor: GemmExecutor = GemmExecutor::new();
    let mut y = vec![0.0; m * n];
    seconds(|| {
        let (a, b) = (GemmInputA::Unpacked(x), GemmInputB::Unpacked(w));
        executor
            .gemm(&mut y, a, b, GemmOptions::default())
            .map_err(|e| format!("{e:?}"))?;
        black_box(&y);
        Ok(())
    })
}
