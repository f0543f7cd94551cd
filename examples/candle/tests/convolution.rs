//! What the example shows, on few images.

use std::path::Path;

use compress_candle_example::data::Images;
use compress_candle_example::network::{ConvNet, OnImages};
use compress_candle_example::training::{Settings, train};
use compress_core::mask::Mask;
use compress_core::observe::{Observe, Place, Tap};
use compress_core::parameters;
use compress_core::tensor::Role;
use compress_distill::{HardLabels, Joint, Teacher};
use compress_prune::{
    Criterion, Cubic, Global, GradualOptions, GradualPruning, Known, Magnitude, MaskHook, NOfM,
    PerRow, Random, Structure, Wanda, score,
};
use compress_quant::Granularity;
use compress_quant::qat::{FakeQuantize, Target};
use compress_quant::schemes::{LinearSymmetric, Range};
use ndarray::{Array2, ArrayView2};

const SETTINGS: Settings = Settings {
    epochs: 3,
    batch: 32,
    rate: 0.02,
    seed: 1,
};

fn images(range: std::ops::Range<usize>) -> Images {
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/data/mnist");
    Images::read(&mnist, range).unwrap()
}

fn error_rate(network: &ConvNet, images: &Images) -> f64 {
    network.errors(images).unwrap() as f64 / images.count() as f64
}

#[test]
fn it_is_pruned_quantized_and_distilled_in_a_loop_of_its_own() {
    let (training, validation) = (images(0..1_000), images(1_000..1_500));
    let mut teacher = ConvNet::new([8, 16], 1).unwrap();
    train(&mut teacher, &training, &HardLabels, &mut [], SETTINGS).unwrap();
    assert!(error_rate(&teacher, &validation) < 0.25);

    let logits = teacher.logits_array(&training.pixels).unwrap();
    let loss = Joint::new(Teacher::Cached(logits), 2.0, 0.7).unwrap();
    let mut student = ConvNet::new([4, 8], 2).unwrap();
    let options = GradualOptions {
        target: 0.25,
        interval: 5,
        ..GradualOptions::default()
    };
    let (criterion, structure) = (Box::new(Magnitude), Box::new(Global::default()));
    let mut pruning = GradualPruning::new(criterion, structure, Box::new(Cubic), options).unwrap();
    train(
        &mut student,
        &training,
        &loss,
        &mut [&mut pruning],
        SETTINGS,
    )
    .unwrap();
    let mask = Mask::of_nonzeros(&student).unwrap();
    let total = 4 * 9 + 8 * 4 * 9 + 10 * 8 * 49;
    assert_eq!((mask.total(), mask.kept()), (total, total / 4));

    let four = LinearSymmetric::new(4, Granularity::Channel, Range::LeastSquares).unwrap();
    let assignments: [(Target<'_>, _); 1] = [(Target::Role(Role::Weight), &four as _)];
    let mut quantize = FakeQuantize::fit(&student, &assignments).unwrap();
    let mut held = MaskHook::new(mask.clone());
    let hooks: &mut [&mut dyn compress_core::hook::TrainHook] = &mut [&mut held, &mut quantize];
    train(&mut student, &training, &loss, hooks, SETTINGS).unwrap();
    assert!(error_rate(&student, &validation) < 0.3);
    // Pruned weights are zero still, and the network in hand is the one that is stored.
    for tensor in quantize.to_tensors(&student).unwrap() {
        let values = parameters::values(&student, tensor.name()).unwrap();
        assert_eq!(tensor.values().unwrap(), values);
        if let Some(mask) = mask.of(tensor.name()) {
            assert!(
                values
                    .iter()
                    .zip(&mask.keep)
                    .all(|(w, keep)| *keep || *w == 0.0)
            );
        }
    }
}

/// Keeps what one weight reads.
struct Keep<'a>(&'a str, Vec<Array2<f32>>);

impl Tap for Keep<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        place == Place::InputOf(self.0)
    }

    fn observe(&mut self, _: Place<'_>, rows: ArrayView2<'_, f32>) -> compress_core::Result<()> {
        self.1.push(rows.to_owned());
        Ok(())
    }
}

#[test]
fn a_convolution_reads_its_patches() {
    let (network, few) = (ConvNet::new([3, 5], 4).unwrap(), images(0..7));
    let on_images = OnImages {
        network: &network,
        images: &few,
    };
    let mut keep = Keep("conv1.weight", Vec::new());
    on_images.observe_batch(0, &mut keep).unwrap();
    let patches = &keep.1[0];
    assert_eq!(patches.dim(), (7 * 14 * 14, 9));
    let products = parameters::with(&network, "conv1.weight", |weight| {
        Ok(patches.dot(&weight.matrix()?.t()))
    });
    // What the second convolution reads is what the first gives after its ReLU.
    let mut next = Keep("conv2.weight", Vec::new());
    on_images.observe_batch(0, &mut next).unwrap();
    let products = products.unwrap();
    let center = |image: usize, row: usize, column: usize, channel: usize| {
        next.1[0][((image * 7 + row) * 7 + column, channel * 9 + 4)]
    };
    for image in 0..7 {
        for (row, column) in [(0, 0), (3, 5), (6, 6)] {
            for channel in 0..3 {
                let place = (image * 14 + 2 * row) * 14 + 2 * column;
                let expected = products[(place, channel)].max(0.0);
                let found = center(image, row, column, channel);
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}

#[test]
fn wanda_and_random_score_it() {
    let (training, validation) = (images(0..1_000), images(1_000..1_500));
    let mut network = ConvNet::new([4, 8], 2).unwrap();
    train(&mut network, &training, &HardLabels, &mut [], SETTINGS).unwrap();
    let on_images = OnImages {
        network: &network,
        images: &training,
    };
    let known = Known::by_observing(&on_images, Wanda.needs()).unwrap();
    let wanda = score(&network, &Wanda, &known).unwrap();
    let random = score(&network, &Random { seed: 3 }, &known).unwrap();
    assert!(score(&network, &Wanda, &Known::nothing()).is_err());
    let rates = [wanda, random].map(|scores| {
        let mut pruned = ConvNet::new([4, 8], 2).unwrap();
        for name in parameters::names(&network).unwrap() {
            let values = parameters::values(&network, &name).unwrap();
            let copied = parameters::with_mut(&mut pruned, &name, |tensor| {
                tensor.values.copy_from_slice(&values);
                Ok(())
            });
            copied.unwrap();
        }
        let mask = PerRow.mask(&scores, 0.5).unwrap();
        mask.apply(&mut pruned).unwrap();
        error_rate(&pruned, &validation)
    });
    assert!(rates[0] < rates[1], "{rates:?}");
    // 2:4 along rows, which are everything but the first axis.
    let scores = score(&network, &Magnitude, &known).unwrap();
    let mask = NOfM::default().mask(&scores, 0.5).unwrap();
    let second = mask.of("conv2.weight").unwrap();
    assert_eq!(second.shape, [8, 4, 3, 3]);
    for row in second.keep.chunks(36) {
        assert!(
            row.chunks(4)
                .all(|group| group.iter().filter(|k| **k).count() == 2)
        );
    }
}
