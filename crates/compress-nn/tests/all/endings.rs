//! How runs end: by a gradient that is not finite, by validation before a promise is kept, and at
//! their end, where a resumed run has nothing left to do.

use std::sync::atomic::{AtomicUsize, Ordering};

use compress_core::gradients::LiveSets;
use compress_core::hook::Pruned;
use compress_core::mask::Mask;
use compress_core::network::Activation;
use compress_core::parameters::{self, Parameters};
use compress_core::train::{ArraySamples, Batch, Fit, FitReport, Loss, TrainHook, Training};
use compress_core::{Error, Result, structured};
use compress_nn::{CrossEntropy, EarlyStopping, Init, Mlp, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Held, bits, mask, values};

const ROWS: usize = 20;

fn network() -> Mlp {
    Mlp::new(
        &[6, 12, 10, 3],
        Activation::Tanh,
        Init::XavierNormal,
        3,
        "e",
    )
    .unwrap()
}

fn data() -> ArraySamples {
    let value = |(i, j)| ((i * 7 + j * 3) % 11) as f32 / 5.0 - 1.0;
    let labels = (0..ROWS as u32).map(|i| i % 3).collect();
    ArraySamples::new(Array2::from_shape_fn((ROWS, 6), value), labels).unwrap()
}

/// Four steps an epoch.
fn settings() -> Settings {
    Settings {
        epochs: 3,
        batch_size: 5,
        ..Settings::default()
    }
}

/// Zero, and a gradient of zero but in step `at`, where it is `slope`.
struct Steep {
    at: usize,
    slope: f32,
    step: AtomicUsize,
}

impl Steep {
    fn new(at: usize, slope: f32) -> Self {
        let step = AtomicUsize::new(0);
        Steep { at, slope, step }
    }
}

impl Loss for Steep {
    fn evaluate(
        &self,
        _: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let here = self.step.fetch_add(1, Ordering::Relaxed) == self.at;
        gradient.fill(if here { self.slope } else { 0.0 });
        Ok(0.0)
    }
}

#[test]
fn a_gradient_that_overflows_is_an_error_of_its_own_step() {
    let steep = |gain: f32| {
        let mut network = network();
        let weight = network.parameters_mut().swap_remove(4);
        weight.values_mut().iter_mut().for_each(|w| *w *= gain);
        network
    };
    // The sum over the batch overflows; the product with a weight does; a value is not finite.
    for (gain, slope, name) in [
        (1.0, 2e38, "layers.2.bias"),
        (1e10, 1e30, "layers.1.bias"),
        (1.0, f32::NAN, "layers.2.bias"),
        (1.0, f32::NEG_INFINITY, "layers.2.bias"),
    ] {
        for (every, batchwise_dropout) in [(1, false), (2, false), (10, false), (1, true)] {
            let settings = Settings {
                dropout_hidden: if batchwise_dropout { 0.3 } else { 0.0 },
                batchwise_dropout,
                ..settings()
            };
            // In the middle of the second epoch.
            let loss = Steep::new(6, slope);
            let live = |weight, i| weight == 2 || i % every == 0;
            let mut held = Held(mask(&network(), live));
            let mut trainer = Trainer::new(steep(gain), settings).unwrap();
            let error = trainer.fit(&data(), &loss, &mut [&mut held]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("diverged in epoch 1 at step 6"), "{text}");
            assert!(text.contains(&format!("the gradient of {name}")), "{text}");
            assert_eq!(loss.step.into_inner(), 7);
            assert!(
                values(&trainer.into_network())
                    .iter()
                    .all(|w| w.is_finite())
            );
        }
    }
}

/// Prunes a tenth after each step until half is left, rounds all values in the end, and counts how
/// often it is called there.
struct Tighten {
    mask: Mask,
    done: u32,
    /// How many steps it needs.
    steps: u32,
    /// The numbers of pruned tensors that it was told of in the end.
    ended: Vec<usize>,
}

impl Tighten {
    fn new(steps: u32) -> Self {
        Tighten {
            mask: mask(&network(), |_, _| true),
            done: 0,
            steps,
            ended: Vec::new(),
        }
    }
}

impl TrainHook for Tighten {
    fn after_step(&mut self, _: &mut Training<'_>) -> Result<()> {
        if self.done < self.steps {
            self.done += 1;
            let share = (self.done * 50 / self.steps) as usize;
            self.mask = mask(&network(), |_, i| i * 37 % 100 >= share);
        }
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.mask,
            revision: self.done.into(),
        })
    }

    fn finish(
        &mut self,
        model: &mut dyn Parameters,
        live: &LiveSets,
        steps: usize,
        total_steps: usize,
    ) -> Result<()> {
        if self.done < self.steps {
            let ended = format!("{steps} of {total_steps} steps");
            return Err(Error::invalid("the density", ended, "reached in the end"));
        }
        let pruned = self
            .mask
            .tensors
            .iter()
            .filter(|t| live.of(&t.name).is_some());
        self.ended.push(pruned.count());
        model.visit_mut(&mut |tensor| {
            let values = tensor.values.iter_mut();
            values.for_each(|w| *w = (*w * 64.0).round() / 64.0);
            Ok(())
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        structured::to_bytes(&(self.done, &self.mask))
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        (self.done, self.mask) = structured::from_bytes(state)?.0;
        Ok(())
    }
}

/// Ends after the second epoch, since no loss falls by so much.
fn impatient() -> Settings {
    Settings {
        early_stopping: Some(EarlyStopping {
            patience: 1,
            min_improvement: 100.0,
        }),
        ..settings()
    }
}

#[test]
fn stopping_before_a_hook_has_what_it_promised_is_an_error() {
    let data = data();
    let fit = |settings, steps| {
        let trainer = Trainer::new(network(), settings).unwrap();
        let mut trainer = trainer.validation(&data, 1);
        let mut hook = Tighten::new(steps);
        trainer.fit(&data, &CrossEntropy, &mut [&mut hook])
    };
    assert!(!fit(settings(), 10).unwrap().stopped_early);
    assert!(fit(impatient(), 8).unwrap().stopped_early);
    let error = fit(impatient(), 10).unwrap_err().to_string();
    assert!(error.contains("8 of 12 steps"), "{error}");
    // So is a run that is too short as planned.
    let error = fit(settings(), 13).unwrap_err().to_string();
    assert!(error.contains("12 of 12 steps"), "{error}");
}

#[test]
fn resuming_a_run_that_had_ended_takes_no_step_and_leaves_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ended.ckpt");
    let data = data();
    for settings in [settings(), impatient()] {
        let run = |resume: bool| -> (FitReport, Vec<u32>, Vec<usize>, usize) {
            let trainer = Trainer::new(network(), settings.clone()).unwrap();
            let trainer = trainer.validation(&data, 1);
            let mut steps = 0;
            let trainer = trainer.progress(Box::new(|_| steps += 1));
            let mut trainer = match resume {
                true => trainer.resume(&path),
                false => trainer.checkpoint(&path, 1),
            };
            let mut hook = Tighten::new(8);
            let report = trainer.fit(&data, &CrossEntropy, &mut [&mut hook]).unwrap();
            let network = trainer.into_network();
            (report, bits(&network), hook.ended, steps)
        };
        let whole = run(false);
        let again = run(true);
        assert_eq!((whole.3, again.3), (4 * whole.0.epochs.len(), 0));
        assert_eq!((&whole.0, &whole.1), (&again.0, &again.1));
        // In the end the hook is told what is pruned, and rounds once.
        assert_eq!((whole.2, again.2), (vec![3], vec![3]));
        assert!(
            whole
                .1
                .iter()
                .all(|&w| (f32::from_bits(w) * 64.0).fract() == 0.0)
        );
    }
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_of_its_step() {
    /// Not a number from the fourth step on.
    struct Spoilt(AtomicUsize);

    impl Loss for Spoilt {
        fn evaluate(
            &self,
            _: ArrayView2<'_, f32>,
            _: &Batch<'_>,
            mut gradient: ArrayViewMut2<'_, f32>,
        ) -> Result<f32> {
            gradient.fill(0.0);
            let step = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(if step < 3 { 1.0 } else { f32::NAN })
        }
    }

    let mut trainer = Trainer::new(network(), settings()).unwrap();
    let loss = Spoilt(AtomicUsize::new(0));
    let error = trainer
        .fit(&data(), &loss, &mut [])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("epoch 0 at step 3: the loss is NaN"),
        "{error}"
    );
}

/// Makes a weight infinite in the eighth step, such that a ReLU is off for all samples.
struct Spoil;

impl TrainHook for Spoil {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        let step = training.step.step;
        parameters::with_mut(training.model, "layers.0.weight", |weight| {
            if step == 7 {
                weight.values[0] = f32::NEG_INFINITY;
            }
            Ok(())
        })
    }
}

#[test]
fn a_weight_that_no_output_tells_of_is_named_after_the_epoch() {
    let network = Mlp::new(&[6, 12, 3], Activation::Relu, Init::HeNormal, 3, "e").unwrap();
    let data = ArraySamples::new(Array2::from_elem((ROWS, 6), 0.5), vec![0; ROWS]).unwrap();
    let mut trainer = Trainer::new(network, settings()).unwrap();
    let error = trainer.fit(&data, &CrossEntropy, &mut [&mut Spoil]);
    let text = error.unwrap_err().to_string();
    let expected = "diverged in epoch 1 at step 8: layers.0.weight is -inf";
    assert!(text.contains(expected), "{text}");
}
