//! A first layer of few live weights reads just their features: the bits stay those of reading
//! whole samples, and a loss still gets what it reads.

use std::sync::atomic::{AtomicUsize, Ordering};

use compress_core::Result;
use compress_core::network::Activation;
use compress_core::train::{ArraySamples, Batch, FeatureMajor, FeatureRow, Fit, Loss, Samples};
use compress_nn::data::ImageSet;
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Held, keep, mask};

/// Images of 5 × 8 pixels.
fn images(count: usize) -> ImageSet {
    let pixels = (0..count * 40).map(|i| (i * i % 251) as u8).collect();
    let labels = (0..count as u32).map(|i| i % 3).collect();
    ImageSet::new(pixels, 5, 8, labels).unwrap()
}

/// Samples that count how often they are read whole, and feature by feature.
struct Counted<'a> {
    samples: &'a dyn Samples,
    by_feature: bool,
    reads: [AtomicUsize; 2],
}

impl<'a> Counted<'a> {
    fn new(samples: &'a dyn Samples, by_feature: bool) -> Self {
        let reads = Default::default();
        Counted {
            samples,
            by_feature,
            reads,
        }
    }

    fn reads(&self) -> [usize; 2] {
        self.reads.each_ref().map(|n| n.load(Ordering::Relaxed))
    }
}

impl Samples for Counted<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn features(&self) -> usize {
        self.samples.features()
    }

    fn labels(&self) -> &[u32] {
        self.samples.labels()
    }

    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.reads[0].fetch_add(1, Ordering::Relaxed);
        self.samples.fill(epoch, indices, out)
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        self.by_feature.then_some(self)
    }
}

impl FeatureMajor for Counted<'_> {
    fn fill_by_feature(
        &self,
        epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        self.reads[1].fetch_add(1, Ordering::Relaxed);
        let samples = self.samples.by_feature().unwrap();
        samples.fill_by_feature(epoch, indices, wanted, out)
    }
}

/// Cross-entropy, and whether it must see the inputs.
struct Seeing(bool);

impl Loss for Seeing {
    fn reads_inputs(&self) -> bool {
        self.0
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let columns = if self.0 { 40 } else { 0 };
        assert_eq!(batch.inputs.dim(), (logits.nrows(), columns));
        CrossEntropy.evaluate(logits, batch, gradient)
    }
}

/// Of 40 features some may be selected.
fn network(selects: bool) -> Mlp {
    let mut mlp = Mlp::new(&[40, 30, 3], Activation::Relu, Init::HeUniform, 3, "t").unwrap();
    if selects {
        let selected: Vec<bool> = (0..40).map(|i| i % 3 != 1).collect();
        keep(&mut mlp, "inputs", &selected).unwrap();
    }
    mlp
}

/// Of the weights of the first layer, every `every`-th is live.
fn trained(
    (network, every): (Mlp, usize),
    data: &dyn Samples,
    loss: &dyn Loss,
    dropout_input: f32,
) -> Result<Mlp> {
    let mut held = Held(mask(&network, |weight, i| {
        weight > 0 || i.is_multiple_of(every)
    }));
    let settings = Settings {
        epochs: 3,
        batch_size: 40,
        optimizer: Optimizer::adam(),
        dropout_input,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network, settings).unwrap();
    trainer.fit(data, loss, &mut [&mut held])?;
    Ok(trainer.into_network())
}

#[test]
fn the_bits_are_those_of_whole_samples() {
    let images = images(90);
    for selects in [false, true] {
        let [whole, few, seeing] = [(false, false), (true, false), (true, true)].map(
            |(by_feature, sees): (bool, bool)| {
                let data = Counted::new(&images, by_feature);
                let loss: &dyn Loss = match by_feature {
                    true => &Seeing(sees),
                    false => &CrossEntropy,
                };
                let network = trained((network(selects), 11), &data, loss, 0.0).unwrap();
                let expected = if by_feature && !sees { [0, 9] } else { [9, 0] };
                assert_eq!(data.reads(), expected);
                network
            },
        );
        for other in [few, seeing] {
            for (a, b) in whole.parameters().iter().zip(other.parameters()) {
                assert_eq!(a.values(), b.values(), "{}", a.name());
            }
        }
    }
}

#[test]
fn samples_are_read_whole_where_much_of_them_is_used() {
    let images = images(90);
    for (every, dropout_input) in [(2, 0.0), (11, 0.2)] {
        let data = Counted::new(&images, true);
        let thin = (network(true), every);
        trained(thin, &data, &CrossEntropy, dropout_input).unwrap();
        assert_eq!(data.reads(), [9, 0]);
    }
}

/// Samples with a value that is not finite.
struct Spoilt(ArraySamples);

impl Samples for Spoilt {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn features(&self) -> usize {
        self.0.features()
    }

    fn labels(&self) -> &[u32] {
        self.0.labels()
    }

    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.0.fill(epoch, indices, out)
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        Some(self)
    }
}

impl FeatureMajor for Spoilt {
    fn fill_by_feature(
        &self,
        epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        mut out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let samples = self.0.by_feature().unwrap();
        samples.fill_by_feature(epoch, indices, wanted, out.view_mut())?;
        let column = indices.iter().position(|&index| index == 13);
        let row = wanted.iter().find(|(feature, _)| *feature == 33);
        if let (Some(column), Some(&(_, row))) = (column, row) {
            out[(row, column)] = f32::INFINITY;
        }
        Ok(())
    }
}

#[test]
fn a_feature_that_is_not_finite_is_named() {
    let labels = vec![1; 60];
    let samples = ArraySamples::new(Array2::from_elem((60, 40), 0.5), labels).unwrap();
    let thin = (network(true), 11);
    let error = trained(thin, &Spoilt(samples), &CrossEntropy, 0.0).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("feature 33 of sample 13"), "{text}");
}
