//! `x · wᵀ` in f32, weights as they are: what a dense layer does while it is trained.

use compress_core::kernels::gemm_f32::{Init, gemm};
use ndarray::Array2;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::uniform;

pub(super) fn rows() -> Vec<Row> {
    let row = |m, k, n, threads| {
        let name = format!("gemm_f32/{m}x{k}x{n}/t{threads}");
        Row::new(name, Unit::Rate, move |bench| product(bench, m, k, n))
    };
    vec![
        row(1024, 1024, 1024, 1),
        row(1024, 1024, 1024, 2),
        row(128, 784, 300, 2),
        row(128, 1200, 1200, 2),
    ]
}

fn product(bench: &Bench, m: usize, k: usize, n: usize) -> Outcome {
    let (x, w) = (uniform("x", m, k), uniform("w", n, k));
    let mut y = Array2::zeros((m, n));
    let floor = Floor::reading(4 * (m * k + n * k + m * n))
        .computing(Arithmetic::F32, 2.0 * (m * k * n) as f64);
    bench.time(floor, || gemm(x.view(), w.t(), Init::Zero, y.view_mut()))
}
