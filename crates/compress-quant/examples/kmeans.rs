//! Milliseconds of the codebook of 16 levels for normal values, the least of several runs.
//!
//! `cargo run --release -p compress-quant --example kmeans`; `RAYON_NUM_THREADS` sets the threads.

use std::time::Instant;

use compress_core::{Result, rng};
use compress_quant::optimal_kmeans::optimal_kmeans;

fn main() -> Result<()> {
    for count in [235_200, 4_194_304] {
        let values = normal(count);
        for levels in [16, 256] {
            let mut best = f64::INFINITY;
            for _ in 0..if count > 1 << 20 { 3 } else { 20 } {
                let start = Instant::now();
                optimal_kmeans("w", &values, levels)?;
                best = best.min(start.elapsed().as_secs_f64() * 1e3);
            }
            println!("{count:8} values, {levels:3} levels: optimal {best:8.2} ms");
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
