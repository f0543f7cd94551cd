//! The optimal codebook of many values.

use std::hint::black_box;

use compress_core::Error;
use compress_quant::optimal_kmeans::optimal_kmeans;

use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::weights;

pub(super) fn rows() -> Vec<Row> {
    let row = |levels, count| {
        let name = format!("kmeans1d/{levels}/{count}");
        let measure = move |bench: &Bench| optimal(bench, levels, count);
        Row::new(name, Unit::Milliseconds, measure)
    };
    vec![row(16, 235_200), row(16, 4_194_304)]
}

/// The floor is to read the values once; there is no algorithm that does no more.
fn optimal(bench: &Bench, levels: usize, count: usize) -> Outcome {
    let values = weights(count);
    bench.time(Floor::reading(size_of_val(&values[..])), || {
        black_box(optimal_kmeans("values", &values, levels)?);
        Ok::<_, Error>(())
    })
}
