//! Training on live weights alone: the same as dense training with a mask, up to rounding; the
//! same bits with any number of threads and after resuming.

use compress_core::hook::Pruned;
use compress_core::mask::Mask;
use compress_core::network::{Activation, Parameter};
use compress_core::parameters::Parameters;
use compress_core::train::{ArraySamples, Batch, Fit, Loss, TrainHook, Training};
use compress_core::{Error, Result, rng, structured};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Held, mask, values};

fn start() -> Mlp {
    Mlp::new(&[40, 30, 20, 3], Activation::Relu, Init::HeUniform, 3, "t").unwrap()
}

/// A mask that keeps of each weight so many of a hundred.
fn share(model: &dyn Parameters, keep: [u32; 3]) -> Mask {
    let streams = [0, 1, 2].map(|weight| rng::stream(9, &format!("marks.{weight}")));
    let mut streams = streams;
    mask(model, |weight, _| {
        rng::below(&mut streams[weight], 100) < keep[weight]
    })
}

/// Keeps of each weight what `keep` says, twice as much until `halfway` steps are done, and looks
/// whether what is dead has no gradient and no value.
struct Pruner {
    keep: [u32; 3],
    halfway: usize,
    /// Whether it shows the driver its mask, or zeroes values and gradients itself.
    shows: bool,
    now: Mask,
    revision: u64,
}

impl Pruner {
    fn new(model: &dyn Parameters, keep: [u32; 3], halfway: usize, shows: bool) -> Self {
        let begin = if halfway > 0 {
            keep.map(|k| 2 * k)
        } else {
            keep
        };
        Pruner {
            keep,
            halfway,
            shows,
            now: share(model, begin),
            revision: 0,
        }
    }

    fn check(&self, name: &str, values: &[f32]) {
        if let Some(tensor) = self.now.of(name) {
            for (value, live) in values.iter().zip(&tensor.keep) {
                assert!(*live || *value == 0.0, "{name}");
            }
        }
    }
}

impl TrainHook for Pruner {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        match self.shows {
            true => Ok(()),
            false => self.now.apply(training.model),
        }
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let now = &self.now;
        if !self.shows {
            return training.model.visit_gradients(&mut |gradient| {
                let keep = now.of(gradient.name).map(|tensor| &tensor.keep);
                let marks = keep.into_iter().flatten();
                let all = gradient.values.iter_mut().zip(marks);
                all.for_each(|(g, &live)| *g = if live { *g } else { 0.0 });
                Ok(())
            });
        }
        training.model.visit_gradients(&mut |gradient| {
            self.check(gradient.name, gradient.values);
            Ok(())
        })?;
        training.model.visit(&mut |tensor| {
            self.check(tensor.name, tensor.values);
            Ok(())
        })
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        if !self.shows {
            self.now.apply(training.model)?;
        }
        training.model.visit(&mut |tensor| {
            self.check(tensor.name, tensor.values);
            Ok(())
        })?;
        if training.step.step + 1 == self.halfway {
            self.now = share(training.model, self.keep);
            self.revision += 1;
        }
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        self.shows.then_some(Pruned {
            mask: &self.now,
            revision: self.revision,
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        structured::to_bytes(&(self.revision, &self.now))
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        (self.revision, self.now) = structured::from_bytes(state)?.0;
        Ok(())
    }
}

fn data(count: usize) -> ArraySamples {
    let mut values = vec![0.0; count * 40];
    let mut stream = rng::stream(3, "samples");
    rng::fill_uniform(&mut stream, -1.0, 1.0, &mut values).unwrap();
    let labels = (0..count).map(|i| {
        let x = &values[i * 40..][..40];
        u32::from(x[3] + x[20] * x[30] > 0.0) + u32::from(x[7] > 0.3)
    });
    let labels = labels.collect();
    ArraySamples::new(Array2::from_shape_vec((count, 40), values).unwrap(), labels).unwrap()
}

fn settings(optimizer: Optimizer) -> Settings {
    Settings {
        epochs: 4,
        // The last batch of an epoch is a part of one, and no multiple of a vector.
        batch_size: 70,
        learning_rate: 0.01,
        optimizer,
        gradient_clip: Some(1.5),
        seed: 5,
        ..Settings::default()
    }
}

fn train(
    optimizer: Optimizer,
    hidden: Activation,
    (keep, halfway): ([u32; 3], usize),
    shows: bool,
) -> Vec<f32> {
    let network = Mlp::new(&[40, 30, 20, 3], hidden, Init::HeUniform, 3, "test").unwrap();
    let mut pruner = Pruner::new(&network, keep, halfway, shows);
    let mut trainer = Trainer::new(network, settings(optimizer)).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner];
    trainer.fit(&data(300), &CrossEntropy, hooks).unwrap();
    values(&trainer.into_network())
}

/// Sparse, dense and sparse; all sparse after half the steps; all dense.
const CASES: [([u32; 3], usize); 3] = [([5, 60, 9], 0), ([8, 6, 9], 9), ([70, 90, 80], 7)];

#[test]
fn comes_to_what_a_mask_on_dense_training_comes_to() {
    for optimizer in [
        Optimizer::adam(),
        Optimizer::sgd(0.9),
        Optimizer::adam_w(0.1),
    ] {
        for case in CASES {
            for hidden in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
                // What a mask leaves in the moments of weights that have just died would move
                // them, were they not zeroed after each step.
                let dense = train(optimizer, hidden, case, false);
                let sparse = train(optimizer, hidden, case, true);
                let moved = train(optimizer, hidden, ([50, 50, 50], case.1), true);
                assert_ne!(sparse, moved);
                for (i, (a, b)) in dense.iter().zip(&sparse).enumerate() {
                    assert!(
                        (a - b).abs() < 2e-3,
                        "{optimizer:?} {case:?} {hidden:?}: value {i} is {b}, dense {a}"
                    );
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // Sparse, dense, sparse, and large enough to be shared.
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let widths = [40, 1200, 300, 3];
            let network = Mlp::new(&widths, Activation::Relu, Init::HeUniform, 3, "test").unwrap();
            let settings = Settings {
                epochs: 2,
                batch_size: 256,
                ..settings(Optimizer::adam())
            };
            let mut pruner = Pruner::new(&network, [10, 40, 11], 0, true);
            let mut trainer = Trainer::new(network, settings).unwrap();
            let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner];
            trainer.fit(&data(400), &CrossEntropy, hooks).unwrap();
            values(&trainer.into_network())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

/// Has the weights in keeping from before a forward pass until after the backward pass, as fake
/// quantization does, and pushes on all of them.
#[derive(Default)]
struct Keeper(Vec<Vec<f32>>);

impl TrainHook for Keeper {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.0.clear();
        training.model.visit(&mut |tensor| {
            self.0.push(tensor.values.to_vec());
            Ok(())
        })
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let mut kept = self.0.iter();
        training.model.visit_mut(&mut |tensor| {
            let values = kept.next().unwrap();
            tensor.values.copy_from_slice(values);
            Ok(())
        })?;
        training.model.visit_gradients(&mut |gradient| {
            gradient.values.iter_mut().for_each(|g| *g += 0.01);
            Ok(())
        })
    }
}

#[test]
fn what_is_dead_stays_dead_in_either_order_of_hooks() {
    for keep in [[5, 60, 9], [35, 45, 40]] {
        for keeper_first in [true, false] {
            let mut pruner = Pruner::new(&start(), keep, 9, true);
            let mut trainer = Trainer::new(start(), settings(Optimizer::adam())).unwrap();
            let mut keeper = Keeper::default();
            // After the backward pass the hook that comes first is called last: the pruner may not
            // look at gradients then.
            let mut dead = Dead(&mut pruner);
            let hooks: &mut [&mut dyn TrainHook] = match keeper_first {
                true => &mut [&mut keeper, &mut dead],
                false => &mut [&mut dead, &mut keeper],
            };
            trainer.fit(&data(300), &CrossEntropy, hooks).unwrap();
            assert_eq!(pruner.revision, 1);
        }
    }
}

/// A pruner that looks after each step alone.
struct Dead<'p>(&'p mut Pruner);

impl TrainHook for Dead<'_> {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.0.after_step(training)
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        self.0.pruned()
    }
}

/// Prunes after 3 steps, and lets all live again after 12.
struct Revival(Pruner, usize);

impl Revival {
    fn prunes(&self) -> bool {
        (3..12).contains(&self.1)
    }
}

impl TrainHook for Revival {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        match self.prunes() {
            true => self.0.before_forward(training),
            false => Ok(()),
        }
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        match self.prunes() {
            true => self.0.after_backward(training),
            false => Ok(()),
        }
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        let done = match self.prunes() {
            true => self.0.after_step(training),
            false => Ok(()),
        };
        self.1 = training.step.step + 1;
        done
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        self.0.pruned().filter(|_| self.prunes())
    }
}

#[test]
fn weights_that_live_again_are_trained_again() {
    let run = |shows| {
        // Without moments, dying and living again leave nothing else behind.
        let mut trainer = Trainer::new(start(), settings(Optimizer::sgd(0.0))).unwrap();
        let mut revival = Revival(Pruner::new(&start(), [5, 60, 9], 0, shows), 0);
        trainer
            .fit(&data(300), &CrossEntropy, &mut [&mut revival])
            .unwrap();
        values(&trainer.into_network())
    };
    let (dense, sparse) = (run(false), run(true));
    let nonzero = sparse.iter().filter(|v| **v != 0.0).count();
    assert!(nonzero > 1600, "{nonzero} of {}", sparse.len());
    for (a, b) in dense.iter().zip(&sparse) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

/// The second moments that are shown after each step.
#[derive(Default)]
struct Moments(Vec<Vec<Parameter>>);

impl TrainHook for Moments {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        let mut shown = Vec::new();
        training.model.visit_second_moments(&mut |tensor| {
            let (shape, values) = (tensor.shape.to_vec(), tensor.values.to_vec());
            shown.push(Parameter::new(tensor.name, tensor.role, shape, values)?);
            Ok(())
        })?;
        self.0.push(shown);
        Ok(())
    }
}

#[test]
fn second_moments_are_those_of_a_dense_run_and_zero_for_dead_weights() {
    let expected = start();
    let run = |optimizer, shows| {
        let mut pruner = Pruner::new(&start(), [5, 60, 9], 20, shows);
        let mut moments = Moments::default();
        let settings = Settings {
            epochs: 1,
            // One sample: no sum whose order could differ.
            batch_size: 1,
            gradient_clip: None,
            ..settings(optimizer)
        };
        let mut trainer = Trainer::new(start(), settings).unwrap();
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner, &mut moments];
        trainer.fit(&data(50), &CrossEntropy, hooks).unwrap();
        (moments.0, pruner)
    };
    assert!(run(Optimizer::sgd(0.9), true).0.iter().all(Vec::is_empty));
    let ((dense, _), (sparse, pruner)) =
        (run(Optimizer::adam(), false), run(Optimizer::adam(), true));
    for (step, (dense, sparse)) in dense.iter().zip(&sparse).enumerate() {
        assert_eq!((dense.len(), sparse.len()), (6, 6));
        for ((parameter, dense), sparse) in expected.parameters().iter().zip(dense).zip(sparse) {
            let name = parameter.name();
            for moments in [dense, sparse] {
                assert_eq!((moments.name(), moments.shape()), (name, parameter.shape()));
            }
            // What a mask by hand leaves in the moments of dead weights decays slowly.
            let keep = pruner.now.of(name).map(|tensor| &tensor.keep);
            for (i, (sparse, dense)) in sparse.values().iter().zip(dense.values()).enumerate() {
                let dies = keep.is_some_and(|keep| !keep[i]);
                match dies && step >= 20 {
                    true => assert_eq!(*sparse, 0.0),
                    false => assert_eq!(sparse, dense, "{name} {i}, step {step}"),
                }
            }
        }
    }
}

/// Sees the logits and changes nothing.
#[derive(Default)]
struct Outputs(std::sync::Mutex<Vec<f32>>);

impl Loss for Outputs {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.0.lock().unwrap().extend(logits.iter());
        gradient.fill(0.0);
        Ok(0.0)
    }
}

#[test]
fn dropout_drops_as_much_feature_by_feature() {
    // The logit is the sum of 1,000 hidden neurons that are all 1, so it tells how many stay.
    let mut network = Mlp::new(&[40, 1000, 1], Activation::Relu, Init::HeUniform, 3, "t").unwrap();
    let mut parameters = network.parameters_mut();
    parameters[1].values_mut().fill(1.0);
    parameters[2].values_mut().fill(1.0);
    let mut held = Held(mask(&network, |weight, _| weight > 0));
    let settings = Settings {
        epochs: 1,
        dropout_hidden: 0.25,
        ..settings(Optimizer::sgd(0.0))
    };
    let seen = Outputs::default();
    let mut trainer = Trainer::new(network, settings).unwrap();
    trainer.fit(&data(280), &seen, &mut [&mut held]).unwrap();
    let found = seen.0.into_inner().unwrap();
    assert_eq!(found.len(), 280);
    let mean = found.iter().sum::<f32>() / 280.0;
    // Five standard deviations of 1,000 times the mean of 280,000 draws, each 4/3 or 0.
    let most = 5.0 * 1000.0 * 0.577 / 280_000_f32.sqrt();
    assert!((mean - 1000.0).abs() < most, "{mean}");
    assert!(found.iter().any(|v| *v != found[0]));
}

/// Fails before this step.
struct CutOff(Option<usize>);

impl TrainHook for CutOff {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        match self.0 == Some(training.step.step) {
            true => Err(Error::invalid("the step", training.step.step, "another")),
            false => Ok(()),
        }
    }
}

#[test]
fn goes_on_from_a_checkpoint_with_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse.ckpt");
    let trainer = || Trainer::new(start(), settings(Optimizer::adam())).unwrap();
    // Five steps an epoch: the mask changes before the checkpoint after three epochs, and after it.
    for halfway in [9, 17] {
        let run = |mut trainer: Trainer<'_>, cut: Option<usize>| {
            let mut pruner = Pruner::new(&start(), CASES[1].0, halfway, true);
            let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner, &mut CutOff(cut)];
            let done = trainer.fit(&data(300), &CrossEntropy, hooks);
            assert_eq!(done.is_err(), cut.is_some());
            values(&trainer.into_network())
        };
        let whole = run(trainer(), None);
        run(trainer().checkpoint(&path, 3), Some(16));
        assert_eq!(whole, run(trainer().resume(&path), None));
    }
}

#[test]
fn a_mask_that_never_changes_holds_after_resuming() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("held.ckpt");
    let trainer = || Trainer::new(start(), settings(Optimizer::adam())).unwrap();
    let run = |mut trainer: Trainer<'_>, cut: Option<usize>| {
        let mut held = Held(share(&start(), [5, 60, 9]));
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut held, &mut CutOff(cut)];
        let done = trainer.fit(&data(300), &CrossEntropy, hooks);
        assert_eq!(done.is_err(), cut.is_some());
        values(&trainer.into_network())
    };
    let whole = run(trainer(), None);
    run(trainer().checkpoint(&path, 3), Some(16));
    assert_eq!(whole, run(trainer().resume(&path), None));
    assert!(whole.iter().filter(|v| **v == 0.0).count() > 1000);
}
