//! The integer product with weights that were packed before, as a loaded model has them, and
//! activations in row-major order.

use compress_core::kernels::gemm_i8::{PackedI8, gemm_i8};
use compress_core::rng;
use ndarray::Array2;
use rand::Rng;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};

pub(super) fn rows() -> Vec<Row> {
    let row = |m, k, n, threads| {
        let name = format!("gemm_i8/{m}x{k}x{n}/t{threads}");
        Row::new(name, Unit::Rate, move |bench| product(bench, m, k, n))
    };
    vec![row(1024, 1024, 1024, 1), row(1024, 1024, 1024, 2)]
}

fn product(bench: &Bench, m: usize, k: usize, n: usize) -> Outcome {
    let (x, w) = (codes("x", m, k), codes("w", k, n));
    let w = PackedI8::pack(w.view())?;
    let mut y = Array2::zeros((m, n));
    let floor = Floor::reading(m * k + n * k + 4 * m * n)
        .computing(Arithmetic::Int8, 2.0 * (m * k * n) as f64);
    bench.time(floor, || gemm_i8(x.view(), &w, y.view_mut()))
}

/// Every code is as likely as any other.
fn codes(name: &str, rows: usize, columns: usize) -> Array2<i8> {
    let mut stream = rng::stream(1, name);
    Array2::from_shape_simple_fn((rows, columns), || stream.next_u32() as i8)
}
