//! The Cholesky factorization in f64, and the factor of the inverse that GPTQ uses.

use std::hint::black_box;

use compress_core::linalg::{Cholesky, Damping, inverse_upper};
use ndarray::Array2;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{SIDE, weights};

pub(super) fn rows() -> Vec<Row> {
    let row = |kind, threads, measure| {
        let name = format!("cholesky/{kind}/{SIDE}/t{threads}");
        Row::new(name, Unit::Milliseconds, measure)
    };
    vec![
        row("factor", 1, factor as fn(&Bench) -> _),
        row("factor", 2, factor),
        row("inverse_upper", 2, upper),
    ]
}

/// A symmetric matrix that its diagonal outweighs.
fn matrix() -> Array2<f64> {
    let values = weights(SIDE * SIDE);
    Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
        let own = if i == j { SIDE as f64 } else { 0.0 };
        own + f64::from(values[i.max(j) * SIDE + i.min(j)])
    })
}

/// Reading and writing a triangle, and so many times n³ operations.
fn floor(cubes: f64) -> Floor {
    let n = SIDE as f64;
    Floor::reading(4 * SIDE * SIDE)
        .moving(0, 4 * SIDE * SIDE)
        .computing(Arithmetic::F64, cubes * n * n * n)
}

/// n³/6 multiply-adds.
fn factor(bench: &Bench) -> Outcome {
    let matrix = matrix();
    bench.time(floor(1.0 / 3.0), || {
        Cholesky::factor("matrix", matrix.view()).map(|found| drop(black_box(found)))
    })
}

/// The factor, and the inverse of a triangle: n³/6 more.
fn upper(bench: &Bench) -> Outcome {
    let matrix = matrix();
    bench.time(floor(2.0 / 3.0), || {
        inverse_upper("matrix", matrix.view(), &Damping::default())
            .map(|found| drop(black_box(found)))
    })
}
