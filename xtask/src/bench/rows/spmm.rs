//! A matrix with scattered zeros times a dense one.

use compress_core::kernels::spmm::{Epilogue, Layout, Sparse, Values, spmm};
use compress_core::rng;
use ndarray::Array2;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{uniform, weights};

pub(super) fn rows() -> Vec<Row> {
    let row = |zeros, n, k, batch| {
        let name = format!("spmm/{zeros}/{n}x{k}x{batch}");
        let measure = move |bench: &Bench| product(bench, zeros, [n, k, batch]);
        Row::new(name, Unit::Microseconds, measure)
    };
    [90, 95, 99].map(|zeros| row(zeros, 1024, 1024, 128)).into()
}

/// `zeros` are in percent. The floor is the arithmetic on what is not zero, or reading all three
/// matrices once.
fn product(bench: &Bench, zeros: u8, [n, k, batch]: [usize; 3]) -> Outcome {
    let mut stream = rng::stream(1, "bench.zeros");
    let mut dense = weights(n * k);
    for weight in &mut dense {
        if rng::uniform(&mut stream) < f32::from(zeros) / 100.0 {
            *weight = 0.0;
        }
    }
    let w = Sparse::from_dense(Layout::Csr, n, k, Values::F32(&dense))?;
    let x = uniform("x", k, batch);
    let mut y = Array2::zeros((n, batch));
    let floor = Floor::reading(w.bytes() + 4 * (x.len() + y.len()))
        .computing(Arithmetic::F32, 2.0 * (w.kept() * batch) as f64);
    bench.time(floor, || {
        spmm(&w, x.view(), Epilogue::default(), y.view_mut())
    })
}
