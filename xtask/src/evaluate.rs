//! Loads `.cmp` files and prints what each is: bytes, architecture, weights that are not zero, errors
//! on the test set, time per image on one thread.

use std::path::{Path, PathBuf};
use std::time::Instant;

use compress_core::isa::Isa;
use compress_core::train::Samples;
use compress_format::artifact::Artifact;
use compress_format::runtime::{Arithmetic, Runtime};
use compress_nn::data::ImageSet;
use ndarray::{Array2, ArrayView2, Axis};

use crate::data::{self, Dataset, Split};
use crate::output::{OutputError, say};

/// Images whose predictions are timed.
const TIMED: usize = 2_000;
/// How often they are.
const REPETITIONS: usize = 15;
/// Images of a batch when timed in batches.
const BATCH: usize = 1_000;
/// Images between two looks at the clock when timed one by one: so few that what else the machine
/// does seldom comes between.
const SINGLES: usize = 50;

/// Load .cmp files and print of each its bytes, architecture, test errors and time per image
#[derive(clap::Args)]
pub(crate) struct EvaluateArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A folder with the four IDX files of another data set [default: the MNIST that ships]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What can go wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvaluateError {
    #[error("cannot read {}", path.display())]
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
    #[error("{} reads {reads} features, {data} has {has}", path.display())]
    Features {
        path: PathBuf,
        reads: usize,
        data: String,
        has: usize,
    },
    #[error("{} tells {tells} classes apart, {data} has {has}", path.display())]
    Classes {
        path: PathBuf,
        tells: usize,
        data: String,
        has: usize,
    },
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A file, loaded.
struct Loaded<'p> {
    path: &'p Path,
    bytes: usize,
    /// Weights of each layer that are not zero.
    weights: Vec<usize>,
    exact: Runtime,
    integer: Runtime,
}

/// Loads all files and the test images, and sees that they belong together, before it prints.
pub(crate) fn run(args: EvaluateArgs) -> Result<(), EvaluateError> {
    let isa = Isa::active()?;
    let files = args.files.iter().map(|path| Loaded::read(path));
    let files = files.collect::<Result<Vec<Loaded<'_>>, EvaluateError>>()?;
    let test = Dataset::new(args.data).test()?;
    for file in &files {
        file.check(&test)?;
    }
    let images = test.images.len();
    say!("{}: {images} test images; {}", test.name, isa.name())?;
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let errors = files
        .iter()
        .map(|file| one_thread.install(|| file.print(&test.images)));
    let errors = errors.collect::<Result<Vec<usize>, EvaluateError>>()?;
    if let count @ 2.. = files.len() {
        let mean = |sum: usize| sum as f64 / count as f64;
        let bytes = mean(files.iter().map(|file| file.bytes).sum());
        let wrong = mean(errors.iter().sum());
        let percent = 100.0 * wrong / images as f64;
        say!("mean of {count}: {bytes:.1} bytes, {wrong:.1} test errors ({percent:.3} %)")?;
    }
    Ok(())
}

impl<'p> Loaded<'p> {
    fn read(path: &'p Path) -> Result<Self, EvaluateError> {
        let bytes = std::fs::read(path).map_err(|source| EvaluateError::Read {
            path: path.to_owned(),
            source,
        })?;
        let loaded = || -> compress_core::Result<Self> {
            let artifact = Artifact::from_bytes(&bytes)?;
            Ok(Loaded {
                path,
                bytes: bytes.len(),
                weights: nonzeros(&artifact)?,
                exact: Runtime::new(artifact.clone())?,
                integer: Runtime::with(artifact, Arithmetic::Integer)?,
            })
        };
        loaded().map_err(|source| model_error(path, source))
    }

    /// Fails where the model reads or tells apart what the data do not have.
    fn check(&self, test: &Split) -> Result<(), EvaluateError> {
        let (architecture, shape) = (self.exact.architecture(), test.shape());
        let (path, data) = (self.path.to_owned(), test.name.clone());
        if architecture.features != shape.features() {
            return Err(EvaluateError::Features {
                path,
                reads: architecture.features,
                data,
                has: shape.features(),
            });
        }
        let tells = architecture.layers.last().map_or(0, |layer| layer.outputs);
        if tells != shape.classes {
            return Err(EvaluateError::Classes {
                path,
                tells,
                data,
                has: shape.classes,
            });
        }
        Ok(())
    }

    /// Prints what the file is and how it does; returns its errors.
    fn print(&self, images: &ImageSet) -> Result<usize, EvaluateError> {
        let architecture = self.exact.architecture();
        let widths: Vec<String> = std::iter::once(architecture.inputs())
            .chain(architecture.layers.iter().map(|layer| layer.outputs))
            .map(|width| width.to_string())
            .collect();
        let front = architecture
            .front
            .as_ref()
            .map_or(String::new(), |front| format!(" through {}", front.name()));
        let total: usize = self.weights.iter().sum();
        let by_layer: Vec<String> = self.weights.iter().map(usize::to_string).collect();
        say!("{}", self.path.display())?;
        say!("  bytes         {}", self.bytes)?;
        say!(
            "  architecture  {} ({} features{front})",
            widths.join("-"),
            architecture.features
        )?;
        say!(
            "  weights       {total} not zero ({})",
            by_layer.join(" + ")
        )?;
        let errors = self.print_run(&self.exact, images)?;
        if !self.exact.kernels().eq(self.integer.kernels()) {
            say!("  with inputs of layers rounded to 8 bits:")?;
            self.print_run(&self.integer, images)?;
        }
        Ok(errors)
    }

    /// Prints what a loaded model runs on, how often it is wrong and how long it takes.
    fn print_run(&self, runtime: &Runtime, images: &ImageSet) -> Result<usize, EvaluateError> {
        let failed = |source| model_error(self.path, source);
        let kernels: Vec<String> = runtime.kernels().map(|k| k.to_string()).collect();
        say!("  kernels       {}", kernels.join(", "))?;
        let errors = count_errors(runtime, images).map_err(failed)?;
        say!("  test errors   {errors} of {}", images.len())?;
        let [single, batched] = times(runtime, images).map_err(failed)?;
        say!("  one by one    {single:.2} µs per image, on one thread")?;
        say!("  batches       {batched:.2} µs per image ({BATCH} at a time), on one thread")?;
        Ok(errors)
    }
}

fn model_error(path: &Path, source: compress_core::Error) -> EvaluateError {
    EvaluateError::Model {
        path: path.to_owned(),
        source,
    }
}

/// How many weights of each layer are not zero.
fn nonzeros(artifact: &Artifact) -> compress_core::Result<Vec<usize>> {
    let weights = artifact.tensors.iter().step_by(2);
    let count = |values: Vec<f32>| values.iter().filter(|value| **value != 0.0).count();
    weights.map(|weight| weight.values().map(count)).collect()
}

/// Microseconds per image, one by one and in batches.
pub(crate) fn times(runtime: &Runtime, images: &ImageSet) -> compress_core::Result<[f64; 2]> {
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
    Ok([single, batched])
}

/// How many of the images the loaded model gets wrong.
pub(crate) fn count_errors(runtime: &Runtime, images: &ImageSet) -> compress_core::Result<usize> {
    let classes = predicted(runtime, images)?;
    let pairs = classes.iter().zip(images.labels());
    Ok(pairs.filter(|(class, label)| class != label).count())
}

/// The class that is predicted for each image.
pub(crate) fn predicted(runtime: &Runtime, images: &ImageSet) -> compress_core::Result<Vec<u32>> {
    runtime.predict_classes(all_inputs(images)?.view())
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
