//! u8 × i8 → i32, weights packed before.

use std::hint::black_box;

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

use super::{Failure, Values};
use crate::timing::seconds;

pub(super) fn measure(shape: &[usize]) -> Values {
    let &[m, k, n] = shape else {
        return Ok(Vec::new());
    };
    let operations = 2.0 * (m * k * n) as f64;
    let rate = operations / rten(m, k, n)? / 1e9;
    Ok(vec![("rten-gemm", rate)])
}

fn rten(m: usize, k: usize, n: usize) -> Result<f64, Failure> {
    let x: Vec<u8> = (0..m * k).map(|i| (i * 31 % 251) as u8).collect();
    let w: Vec<i8> = (0..k * n).map(|i| (i * 17 % 127) as i8 - 63).collect();
    let executor: GemmExecutor<u8, i8, i32> = GemmExecutor::new();
    let w = executor.prepack_b(NdTensorView::from_data([k, n], &w[..]));
    let mut y = vec![0i32; m * n];
    seconds(|| {
        let a = GemmInputA::Unpacked(NdTensorView::from_data([m, k], &x[..]));
        executor
            .gemm(&mut y, a, GemmInputB::Packed(&w), GemmOptions::default())
            .map_err(|e| format!("{e:?}"))?;
        black_box(&y);
        Ok(())
    })
}
