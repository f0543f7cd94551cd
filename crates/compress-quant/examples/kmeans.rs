//! Milliseconds of the codebook of 16 levels for normal values, the least of several runs.
//!
//! `cargo run --release -p compress-quant --example kmeans`; `RAYON_NUM_THREADS` sets the threads.

use std::time::Instant;

use compress_core::{Result, rng};
use compress_quant::optimal_kmeans::{near_optimal_kmeans, optimal_kmeans};

fn main() -> Result<()> {
    for count in [235_200, 4_194_304] {
        let values = normal(count);
        for levels in [16, 256] {
            let times = if count * levels > 1 << 28 { 1 } else { 7 };
            let optimal = least(times, || optimal_kmeans("w", &values, levels))?;
            let near = least(times, || near_optimal_kmeans("w", &values, levels))?;
            println!(
                "{count:8} values, {levels:3} levels: optimal {optimal:8.2} ms, near {near:8.2} ms"
            );
        }
    }
    Ok(())
}

/// Nearly normal values: sums of twelve uniform numbers.
fn normal(count: usize) -> Vec<f32> {
    let mut stream = rng::stream(1, "weights");
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}

/// The least of several times, in milliseconds.
fn least(times: usize, run: impl Fn() -> Result<Vec<f32>>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}
