//! Random samples and values.

use compress_core::rng;
use compress_core::train::ArraySamples;
use ndarray::Array2;

/// One cloud of points for each class, in turn. The clouds are the same for every seed; the points
/// differ.
pub fn blobs(samples: usize, features: usize, classes: usize, seed: u64) -> ArraySamples {
    let mut stream = rng::stream(seed, "tests.blobs");
    let mut centers = rng::stream(7, "tests.blobs.centers");
    let mut draw = || 2.0 * rng::uniform(&mut centers) - 1.0;
    let centers = Array2::from_shape_simple_fn((classes, features), &mut draw);
    let labels: Vec<u32> = (0..samples).map(|i| (i % classes) as u32).collect();
    let inputs = Array2::from_shape_fn((samples, features), |(i, j)| {
        centers[(i % classes, j)] + 1.5 * (rng::uniform(&mut stream) - 0.5)
    });
    ArraySamples::new(inputs, labels).unwrap()
}

/// About standard normal: sums of twelve uniform numbers, so tails end at ±6.
pub fn normal(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let mut stream = rng::stream(seed, name);
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}
