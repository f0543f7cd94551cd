//! Dynamic sparse training of the network of `compress-nn`, with layers that train on their live
//! weights alone: the density stays, what grows begins at zero, and a resumed run has the same bits.

use compress_core::mask::{Mask, Structure, score};
use compress_core::network::Activation;
use compress_core::parameters::Parameters;
use compress_core::train::{ArraySamples, Fit, TrainHook, Training};
use compress_core::{Error, Result, rng};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use compress_prune::{DynamicOptions, DynamicSparse, Growth, Known, PerLayer, Random};
use ndarray::Array2;

/// Below the break-even of 0.14 layers are sparse; above it they are not.
const DENSITIES: [f64; 2] = [0.1, 0.4];

fn start() -> Mlp {
    Mlp::new(&[40, 30, 20, 3], Activation::Relu, Init::HeUniform, 3, "t").unwrap()
}

fn hook(growth: Growth, density: f64) -> DynamicSparse {
    let scores = score(&start(), &Random { seed: 1 }, &Known::nothing()).unwrap();
    let mask = PerLayer.mask(&scores, density).unwrap();
    let options = DynamicOptions {
        growth,
        interval: 3,
        ..DynamicOptions::default()
    };
    DynamicSparse::new(mask, options).unwrap()
}

fn trainer() -> Trainer<'static> {
    let settings = Settings {
        epochs: 6,
        batch_size: 60,
        learning_rate: 0.01,
        optimizer: Optimizer::adam(),
        gradient_clip: Some(1.5),
        seed: 5,
        ..Settings::default()
    };
    Trainer::new(start(), settings).unwrap()
}

fn data() -> ArraySamples {
    let mut values = vec![0.0; 300 * 40];
    rng::fill_uniform(&mut rng::stream(3, "samples"), -1.0, 1.0, &mut values).unwrap();
    let labels = values
        .chunks(40)
        .map(|x| u32::from(x[3] + x[20] > 0.0) + u32::from(x[7] > 0.3));
    let labels = labels.collect();
    ArraySamples::new(Array2::from_shape_vec((300, 40), values).unwrap(), labels).unwrap()
}

/// Of each weight: which positions live, and its values and second moments.
type Seen = Vec<(Vec<bool>, Vec<f32>, Vec<f32>)>;

/// Notes what stands before each step, and may fail before one.
#[derive(Default)]
struct Watch {
    seen: Vec<Seen>,
    cut: Option<usize>,
}

impl TrainHook for Watch {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        if self.cut == Some(training.step.step) {
            return Err(Error::invalid("the step", training.step.step, "another"));
        }
        let mut seen = Seen::new();
        training.model.visit(&mut |tensor| {
            if let Some(live) = training.live.of(tensor.name) {
                let mut marks = vec![false; tensor.values.len()];
                live.positions().for_each(|i| marks[i] = true);
                seen.push((marks, tensor.values.to_vec(), Vec::new()));
            }
            Ok(())
        })?;
        let mut weights = seen.iter_mut();
        training.model.visit_second_moments(&mut |moments| {
            if training.live.of(moments.name).is_some() {
                weights.next().unwrap().2 = moments.values.to_vec();
            }
            Ok(())
        })?;
        self.seen.push(seen);
        Ok(())
    }
}

#[test]
fn the_density_stays_and_what_grows_begins_at_zero() {
    for growth in [Growth::Rigl, Growth::Set { seed: 7 }] {
        for density in DENSITIES {
            let (mut hook, mut watch) = (hook(growth, density), Watch::default());
            let kept: Vec<usize> = [1200.0, 600.0, 60.0]
                .map(|n| (density * n).round() as usize)
                .into();
            let mut trainer = trainer();
            let hooks: &mut [&mut dyn TrainHook] = &mut [&mut hook, &mut watch];
            trainer.fit(&data(), &CrossEntropy, hooks).unwrap();
            assert_eq!(watch.seen.len(), 30);
            let (mut grown, mut moved_on) = (0, 0);
            for (step, seen) in watch.seen.iter().enumerate() {
                for (weight, (live, values, moments)) in seen.iter().enumerate() {
                    assert_eq!(live.iter().filter(|l| **l).count(), kept[weight]);
                    for i in 0..live.len() {
                        let begins = step > 0 && live[i] && !watch.seen[step - 1][weight].0[i];
                        if begins || !live[i] {
                            assert_eq!((values[i], moments[i]), (0.0, 0.0));
                        }
                        grown += usize::from(begins);
                        let next = watch.seen.get(step + 1).filter(|_| begins);
                        moved_on += usize::from(next.is_some_and(|n| n[weight].1[i] != 0.0));
                    }
                }
            }
            assert!(grown > 20, "{growth:?} {density}: {grown}");
            // Not all: some are behind neurons that are off for all samples.
            assert!(
                5 * moved_on > grown,
                "{growth:?} {density}: {moved_on} of {grown}"
            );
            let mask = Mask::of_nonzeros(&trainer.into_network()).unwrap();
            assert!(mask.kept() <= hook.mask().kept());
        }
    }
}

fn bits(model: &dyn Parameters) -> Vec<u32> {
    let mut bits = Vec::new();
    let take = &mut |tensor: compress_core::tensor::TensorRef<'_>| {
        bits.extend(tensor.values.iter().map(|v| v.to_bits()));
        Ok(())
    };
    model.visit(take).unwrap();
    bits
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dynamic.ckpt");
    for growth in [Growth::Rigl, Growth::Set { seed: 7 }] {
        for density in DENSITIES {
            let run = |mut trainer: Trainer<'_>, cut| {
                let (mut hook, seen) = (hook(growth, density), Vec::new());
                let mut watch = Watch { seen, cut };
                let hooks: &mut [&mut dyn TrainHook] = &mut [&mut hook, &mut watch];
                let done = trainer.fit(&data(), &CrossEntropy, hooks);
                assert_eq!(done.is_err(), cut.is_some());
                (bits(&trainer.into_network()), hook.mask().clone())
            };
            let whole = run(trainer(), None);
            // Five steps an epoch, updates after every third: an epoch ends between two updates,
            // before one, or after one.
            for every in 1..=3 {
                run(trainer().checkpoint(&path, every), Some(5 * every + 1));
                assert_eq!(whole, run(trainer().resume(&path), None));
            }
        }
    }
}
