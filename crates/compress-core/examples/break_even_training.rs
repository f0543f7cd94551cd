//! Where training on live weights alone becomes faster than the dense products: microseconds of
//! the products of a training step, forward, for the weights and, behind the first layer, for
//! the inputs. The dense ones include zeroing the gradient of what is dead. The least of many
//! runs.
//!
//! `cargo run --release -p compress-core --example break_even_training`; `RAYON_NUM_THREADS` sets
//! the threads.

use std::time::Instant;

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::sparse_layer::{Live, backward_inputs, backward_weights, forward};
use compress_core::ops::vector::zero_where;
use compress_core::{Result, rng};
use ndarray::Array2;

const BATCH: usize = 256;
const DENSITIES: [f32; 8] = [0.3, 0.2, 0.16, 0.14, 0.12, 0.1, 0.05, 0.01];

fn main() -> Result<()> {
    for (n, k, first) in [
        (300, 784, true),
        (100, 300, false),
        (1200, 784, true),
        (1200, 1200, false),
    ] {
        let (x, dy) = (random(BATCH, k), random(BATCH, n));
        let w = random(n, k);
        let mut y = Array2::zeros((BATCH, n));
        let (mut dx, mut dw) = (Array2::zeros((BATCH, k)), Array2::zeros((n, k)));
        let keep = marks(n * k, 0.1);
        let dense = least(|| {
            gemm(x.view(), w.t(), Init::Zero, y.view_mut())?;
            gemm(dy.t(), x.view(), Init::Zero, dw.view_mut())?;
            zero_where(dw.as_slice_mut().unwrap_or_default(), &keep)?;
            match first {
                true => Ok(()),
                false => gemm(dy.view(), w.view(), Init::Zero, dx.view_mut()),
            }
        })?;
        print!("{n}x{k} batch {BATCH}: dense {dense:.0} | live");

        // The same, feature by feature.
        let (x, dy) = (random(k, BATCH), random(n, BATCH));
        let mut y = Array2::zeros((n, BATCH));
        let mut dx = Array2::zeros((k, BATCH));
        let bias = vec![0.0; n];
        for density in DENSITIES {
            let live = Live::new(n, k, &marks(n * k, density))?;
            let values = vec![0.5; live.len()];
            let mut dw = vec![0.0; live.len()];
            let time = least(|| {
                forward(&live, &values, &bias, x.view(), y.view_mut())?;
                backward_weights(&live, dy.view(), x.view(), &mut dw)?;
                match first {
                    true => Ok(()),
                    false => backward_inputs(&live, &values, dy.view(), dx.view_mut()),
                }
            })?;
            print!(" {density}: {time:.0}");
        }
        println!();
    }
    Ok(())
}

fn marks(count: usize, density: f32) -> Vec<bool> {
    let mut stream = rng::stream(1, "marks");
    (0..count)
        .map(|_| rng::uniform(&mut stream) < density)
        .collect()
}

fn random(rows: usize, columns: usize) -> Array2<f32> {
    let mut stream = rng::stream(1, "x");
    Array2::from_shape_simple_fn((rows, columns), || rng::uniform(&mut stream) - 0.5)
}

/// The least of several times, in microseconds.
fn least(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}
