//! From end to end on random images: an epoch of training, encoding the network, loading the file,
//! and predictions from it, one at a time and many.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::network::{Activation, Network};
use compress_core::rng;
use compress_core::train::Fit;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_nn::data::ImageSet;
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;

/// A tenth of MNIST.
const IMAGES: usize = 6_000;

fn images() -> ImageSet {
    let mut stream = rng::stream(1, "bench.images");
    let mut pixel = || rng::below(&mut stream, 256).saturating_sub(192) as u8 * 4;
    let pixels = (0..IMAGES * 784).map(|_| pixel()).collect();
    let labels = (0..IMAGES as u32).map(|i| i % 10).collect();
    ImageSet::new(pixels, 28, 28, labels).expect("images of one size")
}

fn network(widths: &[usize]) -> Mlp {
    Mlp::new(widths, Activation::Relu, Init::HeUniform, 1, "bench").expect("positive widths")
}

fn end_to_end(criterion: &mut Criterion) {
    let images = images();
    for widths in [&[784, 300, 100, 10][..], &[784, 1200, 1200, 10]] {
        let name = widths
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("-");
        let settings = Settings {
            epochs: 1,
            learning_rate: 0.01,
            optimizer: Optimizer::sgd(0.9),
            ..Settings::default()
        };
        criterion.bench_function(&format!("train_epoch_6000/{name}"), |bencher| {
            bencher.iter(|| {
                let mut trainer = Trainer::new(network(widths), settings.clone()).expect("valid");
                trainer
                    .fit(&images, &CrossEntropy, &mut [])
                    .expect("it trains")
            });
        });
    }
    let network = network(&[784, 300, 100, 10]);
    let artifact = Artifact::of_chain(network.architecture(), network.to_tensors()).unwrap();
    criterion.bench_function("encode/784-300-100-10", |bencher| {
        bencher.iter(|| black_box(&artifact).to_bytes().expect("it fits"));
    });
    let (bytes, _) = artifact.to_bytes().expect("it fits");
    criterion.bench_function("load/784-300-100-10", |bencher| {
        bencher.iter(|| Runtime::from_bytes(black_box(&bytes)).expect("it loads"));
    });
    let runtime = Runtime::from_bytes(&bytes).expect("it loads");
    for batch in [1, 64, 1024] {
        let inputs = Array2::from_shape_fn((batch, 784), |(i, j)| ((i + j) % 7) as f32 / 7.0);
        criterion.bench_function(&format!("predict/784-300-100-10/{batch}"), |bencher| {
            bencher.iter(|| {
                runtime
                    .predict(black_box(inputs.view()))
                    .expect("it predicts")
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = end_to_end
}
criterion_main!(benches);
