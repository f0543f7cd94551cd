//! Loads a `.cmp` file and prints what it is: bytes, architecture, weights that are not zero, errors
//! on the test set, time per image on one thread.

use std::path::{Path, PathBuf};
use std::time::Instant;

use compress_core::artifact::Artifact;
use compress_core::runtime::{Arithmetic, Runtime};
use compress_core::train::Samples;
use compress_nn::data::ImageSet;
use ndarray::{Array2, ArrayView2, Axis};

use crate::data;

/// Images whose predictions are timed.
const TIMED: usize = 2_000;
/// How often they are.
const REPETITIONS: usize = 15;
/// Images of a batch when timed in batches.
const BATCH: usize = 1_000;
/// Images between two looks at the clock when timed one by one: so few that what else the machine
/// does seldom comes between.
const SINGLES: usize = 50;

/// What can go wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvaluateError {
    #[error("{}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not a usable .cmp file", path.display())]
    Model {
        path: PathBuf,
        #[source]
        source: compress_core::Error,
    },
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error(transparent)]
    Images(#[from] compress_nn::Error),
}

/// Evaluates the model at `path` on the test images in `data`.
pub(crate) fn run(path: &Path, data: &Path) -> Result<(), EvaluateError> {
    let bytes = std::fs::read(path).map_err(|source| EvaluateError::Read {
        path: path.to_owned(),
        source,
    })?;
    let model = |source| EvaluateError::Model {
        path: path.to_owned(),
        source,
    };
    let artifact = Artifact::from_bytes(&bytes).map_err(model)?;
    let weights = nonzeros(&artifact).map_err(model)?;
    let exact = Runtime::new(artifact.clone()).map_err(model)?;
    let integer = Runtime::with(artifact, Arithmetic::Integer).map_err(model)?;
    let files = data::load_test(data)?;
    let images = ImageSet::from_idx(&files.images, &files.labels)?;

    let architecture = exact.architecture();
    let widths: Vec<String> = std::iter::once(architecture.inputs())
        .chain(architecture.layers.iter().map(|layer| layer.outputs))
        .map(|width| width.to_string())
        .collect();
    println!("{}", path.display());
    println!("  bytes         {}", bytes.len());
    let front = architecture
        .front
        .map_or(String::new(), |front| format!(" through {}", front.name()));
    println!(
        "  architecture  {} ({} features{front})",
        widths.join("-"),
        architecture.features
    );
    let total: usize = weights.iter().sum();
    let by_layer: Vec<String> = weights.iter().map(usize::to_string).collect();
    println!(
        "  weights       {total} not zero ({})",
        by_layer.join(" + ")
    );
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    one_thread.install(|| {
        print_run(&exact, &images).map_err(model)?;
        if !exact.kernels().eq(integer.kernels()) {
            println!("  with inputs of layers rounded to 8 bits:");
            print_run(&integer, &images).map_err(model)?;
        }
        Ok(())
    })
}

/// How many weights of each layer are not zero.
fn nonzeros(artifact: &Artifact) -> compress_core::Result<Vec<usize>> {
    let weights = artifact.tensors.iter().step_by(2);
    let count = |values: Vec<f32>| values.iter().filter(|value| **value != 0.0).count();
    weights.map(|weight| weight.values().map(count)).collect()
}

/// Prints what a loaded model runs on, how often it is wrong and how long it takes.
fn print_run(runtime: &Runtime, images: &ImageSet) -> compress_core::Result<()> {
    let kernels: Vec<String> = runtime.kernels().map(|k| k.to_string()).collect();
    println!("  kernels       {}", kernels.join(", "));
    let errors = count_errors(runtime, images)?;
    println!("  test errors   {errors} of {}", images.len());
    let inputs = all_inputs(images)?;
    let (inputs, _) = inputs.view().split_at(Axis(0), TIMED.min(images.len()));
    let mut session = runtime.session();
    let mut classes = vec![0; BATCH];
    let single = time(inputs, SINGLES, |images| {
        for image in images.axis_chunks_iter(Axis(0), 1) {
            session.predict_classes_into(image, &mut classes[..1])?;
        }
        Ok(())
    })?;
    let batched = time(inputs, BATCH, |images| {
        session.predict_classes_into(images, &mut classes[..images.nrows()])
    })?;
    println!("  one by one    {single:.2} µs per image, on one thread");
    println!("  batches       {batched:.2} µs per image ({BATCH} at a time), on one thread");
    Ok(())
}

/// How many of the images the loaded model gets wrong.
pub(crate) fn count_errors(runtime: &Runtime, images: &ImageSet) -> compress_core::Result<usize> {
    let classes = runtime.predict_classes(all_inputs(images)?.view())?;
    Ok(classes
        .iter()
        .zip(images.labels())
        .filter(|(class, label)| class != label)
        .count())
}

fn all_inputs(images: &ImageSet) -> compress_core::Result<Array2<f32>> {
    let indices: Vec<usize> = (0..images.len()).collect();
    let mut inputs = Array2::zeros((images.len(), images.features()));
    images.fill(0, &indices, inputs.view_mut())?;
    Ok(inputs)
}

/// Microseconds per image: the median over pieces of `count` images and repetitions.
fn time(
    images: ArrayView2<'_, f32>,
    count: usize,
    mut work: impl FnMut(ArrayView2<'_, f32>) -> compress_core::Result<()>,
) -> compress_core::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..REPETITIONS {
        for images in images.axis_chunks_iter(Axis(0), count) {
            let started = Instant::now();
            work(images)?;
            times.push(started.elapsed().as_secs_f64() * 1e6 / images.nrows() as f64);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
