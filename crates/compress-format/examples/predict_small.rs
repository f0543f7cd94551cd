//! How long a network of a few thousand whole numbers takes for an image, one at a time and in
//! batches, on one thread: microseconds, the least and the median of many runs.
//!
//! `cargo run --release -p compress-format --example predict_small` makes networks of the shape that
//! `cargo xtask experiment record` gives; a `.cmp` file after it is timed instead. Images are
//! random: no time depends on what they show.

use std::time::Instant;

use compress_core::chain::{Activation, Architecture};
use compress_core::codec::{Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::rng;
use compress_format::Pooling;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use ndarray::{Array2, ArrayView2, Axis};

/// Images: more than the second cache holds.
const IMAGES: usize = 2_000;
/// Images of a batch.
const BATCH: usize = 1_000;
/// Images between two looks at the clock where they come one by one: so few that other processes
/// seldom come between.
const SINGLES: usize = 50;
/// Times that all images are predicted.
const RUNS: usize = 60;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let files: Vec<String> = std::env::args().skip(1).collect();
    for file in &files {
        let artifact = Artifact::from_bytes(&std::fs::read(file)?)?;
        measure(file, artifact)?;
    }
    if files.is_empty() {
        let pixels = network(784, 350, &[80, 40, 10], &[0.055, 0.25, 0.5])?;
        measure("784 pixels, 350 of them read", pixels)?;
        let mut pooled = network(196, 150, &[50, 28, 10], &[0.1, 0.25, 0.5])?;
        pooled.architecture = pooled.architecture.behind(Pooling::TentPool {
            height: 28,
            width: 28,
        })?;
        measure("784 pixels, pooled, 150 of them read", pooled)?;
        let mut pyramid = network(245, 150, &[60, 28, 10], &[0.08, 0.2, 0.4])?;
        pyramid.architecture = pyramid.architecture.behind(Pooling::TentPyramid {
            height: 28,
            width: 28,
        })?;
        measure(
            "784 pixels, pooled to two levels, 150 of them read",
            pyramid,
        )?;
    }
    Ok(())
}

/// A network that reads `selected` of `features`, of codes and biases that are random, with so
/// much of each weight not zero.
fn network(
    features: usize,
    selected: usize,
    widths: &[usize],
    densities: &[f32],
) -> Result<Artifact> {
    let all: Vec<usize> = [selected].iter().chain(widths).copied().collect();
    let mut architecture = Architecture::mlp(&all, Activation::Relu)?;
    architecture.features = features;
    let read = (0..selected).map(|i| (i * features / selected) as u32);
    architecture.selected = Some(read.collect());
    let mut stream = rng::stream(1, "codes");
    let mut tensors = Vec::new();
    for (i, (pair, &density)) in all.windows(2).zip(densities).enumerate() {
        let mut code = |density: f32, most: f32| match rng::uniform(&mut stream) < density {
            true => (rng::uniform(&mut stream) * 2.0 * most - most).round() as i32,
            false => 0,
        };
        let weights = (0..pair[0] * pair[1]).map(|_| code(density, 7.4));
        tensors.push(whole(
            format!("layers.{i}.weight"),
            &[pair[1], pair[0]],
            weights.collect(),
            1.0,
        )?);
        let biases = (0..pair[1]).map(|_| code(1.0, 15.0));
        tensors.push(whole(
            format!("layers.{i}.bias"),
            &[pair[1]],
            biases.collect(),
            0.5,
        )?);
    }
    Ok(Artifact {
        architecture,
        tensors,
    })
}

fn whole(name: String, shape: &[usize], codes: Vec<i32>, step: f32) -> Result<Tensor> {
    let grid = Grid::Linear {
        bits: 5,
        granularity: Granularity::Tensor,
        scales: vec![step],
        zero_points: Vec::new(),
    };
    Ok(Tensor::Quantized(QuantizedTensor::new(
        &name, shape, grid, codes,
    )?))
}

fn measure(name: &str, artifact: Artifact) -> Result<()> {
    let weights = artifact.tensors.iter().step_by(2);
    let mut kept = Vec::new();
    for weight in weights {
        kept.push(weight.values()?.iter().filter(|v| **v != 0.0).count());
    }
    let (bytes, _) = artifact.to_bytes()?;
    let model = Runtime::from_bytes(&bytes)?;
    let kernels: Vec<String> = model.kernels().map(|k| k.to_string()).collect();
    let mut stream = rng::stream(2, "images");
    let features = model.architecture().features;
    let images = Array2::from_shape_simple_fn((IMAGES, features), || rng::uniform(&mut stream));
    let mut session = model.session();
    let mut classes = vec![0; BATCH];
    let single = times(&images, SINGLES, |images| {
        for image in images.axis_chunks_iter(Axis(0), 1) {
            session.predict_classes_into(image, &mut classes[..1])?;
        }
        Ok(())
    })?;
    let batches = times(&images, BATCH, |images| {
        Ok(session.predict_classes_into(images, &mut classes)?)
    })?;
    println!(
        "{name}: {} bytes, weights {kept:?}, {}",
        bytes.len(),
        kernels.join(", ")
    );
    println!(
        "  one by one  {:.2} least, {:.2} median",
        single.0, single.1
    );
    println!(
        "  batches     {:.2} least, {:.2} median",
        batches.0, batches.1
    );
    Ok(())
}

/// The least and the median of the times of an image, in microseconds, `count` at a time.
fn times(
    images: &Array2<f32>,
    count: usize,
    mut run: impl FnMut(ArrayView2<'_, f32>) -> Result<()>,
) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        for images in images.axis_chunks_iter(Axis(0), count) {
            let start = Instant::now();
            run(images)?;
            times.push(start.elapsed().as_secs_f64() * 1e6 / count as f64);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[0], times[times.len() / 2]))
}
