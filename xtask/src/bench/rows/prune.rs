//! Weights set to zero in one large matrix.

use compress_core::Error;
use compress_core::kernels::select::{
    NOfM, keep_largest, largest_magnitudes, zero_n_of_m, zero_smaller,
};
use compress_prune::prune_weights;

use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{SIDE, weights};

pub(super) fn rows() -> Vec<Row> {
    let row = |kind, measure| {
        let name = format!("prune/{kind}/{SIDE}x{SIDE}");
        Row::new(name, Unit::Milliseconds, measure)
    };
    vec![
        row(
            "global_magnitude_90",
            global_magnitude_90 as fn(&Bench) -> _,
        ),
        row("threshold", threshold),
        row("2_of_4", two_of_four),
    ]
}

/// Finds the boundary of the largest tenth, marks it, and zeroes the rest: at least one reading,
/// and one change in place.
fn global_magnitude_90(bench: &Bench) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let bytes = size_of_val(&weights[..]);
    let floor = Floor::reading(bytes).moving(bytes, bytes);
    let kept = weights.len() / 10;
    let mut keep = [Vec::new()];
    let prune = |pruned: &mut Vec<f32>| {
        let boundary = largest_magnitudes(&[pruned], kept)?;
        keep_largest(&[pruned], boundary, &mut keep)?;
        zero_smaller(&mut [pruned], boundary)
    };
    bench.time_on(floor, || weights.clone(), prune)
}

/// In place; half of the weights go.
fn threshold(bench: &Bench) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let bytes = size_of_val(&weights[..]);
    let floor = Floor::default().moving(bytes, bytes);
    let prune = |pruned: &mut Vec<f32>| {
        prune_weights(pruned, 0.034);
        Ok::<_, Error>(())
    };
    bench.time_on(floor, || weights.clone(), prune)
}

/// In place, along the rows.
fn two_of_four(bench: &Bench) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let bytes = size_of_val(&weights[..]);
    let floor = Floor::default().moving(bytes, bytes);
    let pattern = NOfM::new(2, 4)?;
    let prune = |pruned: &mut Vec<f32>| zero_n_of_m(pruned, SIDE, pattern);
    bench.time_on(floor, || weights.clone(), prune)
}
