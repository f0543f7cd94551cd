//! An epoch of training on 60,000 images of 28 × 28: shuffled, SGD with momentum 0.9.

use compress_core::network::Activation;
use compress_core::rng;
use compress_core::train::Fit;
use compress_nn::data::ImageSet;
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use rand::Rng;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{NETWORKS, dashed};

pub(super) const IMAGES: usize = 60_000;

pub(super) fn rows() -> Vec<Row> {
    let row = |widths, batch| {
        let name = format!("train_epoch/{}/bs{batch}", dashed(widths));
        let measure = move |bench: &Bench| epoch(bench, widths, batch);
        Row::new(name, Unit::Seconds, measure)
    };
    NETWORKS.map(|widths| row(widths, 128)).into()
}

/// A run of one epoch, from making the optimizer to the report; the weights go on.
fn epoch(bench: &Bench, widths: &[usize], batch: usize) -> Outcome {
    let images = random_images()?;
    let network = Mlp::new(widths, Activation::Relu, Init::HeUniform, 1, "bench")?;
    let settings = Settings {
        epochs: 1,
        batch_size: batch,
        learning_rate: 0.01,
        optimizer: Optimizer::sgd(0.9),
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network, settings)?;
    let floor = Floor::default().computing(Arithmetic::F32, operations(widths));
    bench.time(floor, || {
        trainer.fit(&images, &CrossEntropy, &mut [])?;
        Ok::<_, compress_core::Error>(())
    })
}

/// Three products a layer for each image, but two in the first: nobody asks for the gradient of
/// the image.
fn operations(widths: &[usize]) -> f64 {
    let all: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
    let first = widths[0] * widths[1];
    2.0 * IMAGES as f64 * (3 * all - first) as f64
}

/// A quarter of the pixels are not black, as in MNIST.
pub(super) fn random_images() -> compress_nn::Result<ImageSet> {
    let mut stream = rng::stream(1, "bench.images");
    let mut pixels = vec![0; IMAGES * 784];
    stream.fill_bytes(&mut pixels);
    pixels
        .iter_mut()
        .for_each(|p| *p = p.saturating_sub(192) * 4);
    let labels = (0..IMAGES).map(|_| rng::below(&mut stream, 10)).collect();
    ImageSet::new(pixels, 28, 28, labels)
}
