//! Seconds per training epoch over 60,000 random images of 28 × 28, batch 128, SGD with momentum
//! 0.9, shuffled: for 784-300-100-10 and 784-1200-1200-10.
//!
//! `cargo run --release -p compress-nn --example epoch [epochs]`; `RAYON_NUM_THREADS` sets the
//! threads.

use std::time::Instant;

use compress_core::network::Activation;
use compress_core::rng;
use compress_core::train::{Fit, Samples};
use compress_nn::data::{Augmentation, Augmented, ImageSet};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Result, Settings, Trainer};
use ndarray::Array2;
use rand::Rng;

const IMAGES: usize = 60_000;

fn main() -> Result<()> {
    let epochs = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let images = random_images()?;
    println!("augmentation: {:.2} µs per image", augmentation(&images)?);
    for widths in [&[784, 300, 100, 10][..], &[784, 1200, 1200, 10]] {
        let seconds = best_epoch(widths, &images, epochs.unwrap_or(5))?;
        println!("{widths:?}: {seconds:.3} s per epoch");
    }
    Ok(())
}

/// A quarter of the pixels are not black, as in MNIST.
fn random_images() -> Result<ImageSet> {
    let mut stream = rng::stream(1, "example.images");
    let mut pixels = vec![0; IMAGES * 784];
    stream.fill_bytes(&mut pixels);
    pixels
        .iter_mut()
        .for_each(|p| *p = p.saturating_sub(192) * 4);
    let labels = (0..IMAGES).map(|_| rng::below(&mut stream, 10)).collect();
    ImageSet::new(pixels, 28, 28, labels)
}

/// The fastest of some epochs, in seconds.
fn best_epoch(widths: &[usize], images: &ImageSet, epochs: usize) -> Result<f64> {
    let network = Mlp::new(widths, Activation::Relu, Init::HeUniform, 1, "example")?;
    let settings = Settings {
        epochs,
        learning_rate: 0.01,
        optimizer: Optimizer::sgd(0.9),
        ..Settings::default()
    };
    let (mut best, mut begin) = (f64::INFINITY, Instant::now());
    let mut trainer = Trainer::new(network, settings)?.progress(Box::new(|progress| {
        if progress.step % (progress.total_steps / epochs) == 0 {
            best = begin.elapsed().as_secs_f64().min(best);
            begin = Instant::now();
        }
    }));
    trainer.fit(images, &CrossEntropy, &mut [])?;
    drop(trainer);
    Ok(best)
}

/// Microseconds per image, with as many threads as there are.
fn augmentation(images: &ImageSet) -> Result<f64> {
    let augmented = Augmented::new(images, Augmentation::default(), 1, "example.augment")?;
    let indices: Vec<usize> = (0..10_000).collect();
    let mut out = Array2::zeros((indices.len(), 784));
    let mut best = f64::INFINITY;
    for epoch in 0..5 {
        let begin = Instant::now();
        augmented.fill(epoch, &indices, out.view_mut())?;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best * 1e6 / indices.len() as f64)
}
