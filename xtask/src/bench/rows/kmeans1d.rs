//! The codebook of many values: the optimum, and what comes within 10⁻⁴ of its error.

use std::hint::black_box;

use compress_core::Result;
use compress_quant::optimal_kmeans::{near_optimal_kmeans, optimal_kmeans};

use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::weights;

/// Of the values' name, the values, and how many levels to find.
type Search = fn(&str, &[f32], usize) -> Result<Vec<f32>>;

pub(super) fn rows() -> Vec<Row> {
    let searches: [(&str, Search); 2] = [
        ("kmeans1d", optimal_kmeans),
        ("kmeans1d_near", near_optimal_kmeans),
    ];
    let mut rows = Vec::new();
    for (family, search) in searches {
        for count in [235_200, 4_194_304] {
            let name = format!("{family}/16/{count}");
            let measure = move |bench: &Bench| codebook(bench, search, 16, count);
            rows.push(Row::new(name, Unit::Milliseconds, measure));
        }
    }
    rows
}

/// The floor is to read the values once; there is no algorithm that does no more.
fn codebook(bench: &Bench, search: Search, levels: usize, count: usize) -> Outcome {
    let values = weights(count);
    bench.time(Floor::reading(size_of_val(&values[..])), || {
        search("values", black_box(&values), levels).map(|found| drop(black_box(found)))
    })
}
