//! Training on live weights alone: the same as dense training with a mask, up to rounding; the
//! same bits with any number of threads and after resuming.

use std::sync::Arc;

use compress_core::Result;
use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{Activation, Network, Role};
use compress_core::rng;
use compress_core::train::{ArraySamples, Batch, Fit, Loss, Step, TrainHook};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

fn start() -> Mlp {
    Mlp::new(&[40, 30, 20, 3], Activation::Relu, Init::HeUniform, 3, "t").unwrap()
}

/// Keeps of each weight what `keep` says, more of it until step `halfway`, and counts how often
/// a weight that is dead has a gradient or a value.
struct Pruner {
    keep: [u32; 3],
    halfway: usize,
    /// Whether it tells the loop, or zeroes values and gradients itself.
    live: bool,
    now: Option<Vec<Arc<Live>>>,
}

impl Pruner {
    fn new(keep: [u32; 3], halfway: usize, live: bool) -> Self {
        Pruner {
            keep,
            halfway,
            live,
            now: None,
        }
    }

    fn marks(&self, layer: usize, len: usize, step: usize) -> Vec<bool> {
        let keep = self.keep[layer] * if step < self.halfway { 2 } else { 1 };
        let mut stream = rng::stream(9, &format!("marks.{layer}"));
        (0..len)
            .map(|_| rng::below(&mut stream, 100) < keep)
            .collect()
    }

    fn zero(&self, network: &mut dyn Network, step: usize, gradients: bool) {
        let weights = network.parameters_mut();
        let weights = weights.into_iter().filter(|p| p.role() == Role::Weight);
        for (layer, weight) in weights.enumerate() {
            let marks = self.marks(layer, weight.values().len(), step);
            let (values, gradient) = weight.values_and_gradient_mut();
            let values = if gradients { gradient } else { values };
            for (value, live) in values.iter_mut().zip(marks) {
                if !live {
                    *value = 0.0;
                }
            }
        }
    }
}

impl TrainHook for Pruner {
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if !self.live {
            self.zero(network, step.step, false);
            return Ok(());
        }
        assert!(step.live_only);
        let weights = network.parameters_mut();
        let weights = weights.into_iter().filter(|p| p.role() == Role::Weight);
        let mut now = Vec::new();
        let known = self.now.take().filter(|_| step.step != self.halfway);
        for (layer, weight) in weights.enumerate() {
            let (n, k) = (weight.shape()[0], weight.shape()[1]);
            let marks = self.marks(layer, n * k, step.step);
            let live = match &known {
                Some(known) => known[layer].clone(),
                None => Arc::new(Live::new(n, k, &marks)?),
            };
            weight.set_live(Some(live.clone()))?;
            now.push(live);
        }
        self.now = Some(now);
        Ok(())
    }

    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if !self.live {
            self.zero(network, step.step, true);
            return Ok(());
        }
        let weights = network.parameters();
        let weights = weights.into_iter().filter(|p| p.role() == Role::Weight);
        for (layer, weight) in weights.enumerate() {
            let marks = self.marks(layer, weight.values().len(), step.step);
            for (position, live) in marks.into_iter().enumerate() {
                assert!(live || weight.gradient()[position] == 0.0);
                assert!(live || weight.values()[position] == 0.0);
            }
        }
        Ok(())
    }

    fn observe_second_moments(
        &mut self,
        network: &dyn Network,
        _: &Step,
        moments: &[&[f32]],
    ) -> Result<()> {
        for (parameter, moments) in network.parameters().iter().zip(moments) {
            let live = parameter.live().map(|live| live.len());
            let dense = moments.len() == parameter.values().len();
            assert!(moments.is_empty() || dense || Some(moments.len()) == live);
        }
        Ok(())
    }

    fn after_step(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if !self.live {
            self.zero(network, step.step, false);
        }
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

fn train(optimizer: Optimizer, hidden: Activation, pruner: &mut Pruner) -> Vec<f32> {
    let network = Mlp::new(&[40, 30, 20, 3], hidden, Init::HeUniform, 3, "test").unwrap();
    let mut trainer = Trainer::new(network, settings(optimizer)).unwrap();
    let samples = data(300);
    trainer.fit(&samples, &CrossEntropy, &mut [pruner]).unwrap();
    values(trainer.network())
}

fn values(network: &dyn Network) -> Vec<f32> {
    let parameters = network.parameters();
    parameters
        .iter()
        .flat_map(|p| p.values().to_vec())
        .collect()
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
        for (keep, halfway) in CASES {
            for hidden in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
                // What a mask leaves in the moments of weights that have just died would move
                // them, were they not zeroed after each step.
                let dense = train(optimizer, hidden, &mut Pruner::new(keep, halfway, false));
                let sparse = train(optimizer, hidden, &mut Pruner::new(keep, halfway, true));
                let moved = train(
                    optimizer,
                    hidden,
                    &mut Pruner::new([50, 50, 50], halfway, true),
                );
                assert_ne!(sparse, moved);
                for (i, (a, b)) in dense.iter().zip(&sparse).enumerate() {
                    assert!(
                        (a - b).abs() < 2e-3,
                        "{optimizer:?} {keep:?} {hidden:?}: value {i} is {b}, dense {a}"
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
            let network = Mlp::new(&widths, Activation::Relu, Init::HeUniform, 3, "test");
            let settings = Settings {
                epochs: 2,
                batch_size: 256,
                ..settings(Optimizer::adam())
            };
            let mut trainer = Trainer::new(network.unwrap(), settings).unwrap();
            let mut pruner = Pruner::new([10, 40, 11], 0, true);
            let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner];
            trainer.fit(&data(400), &CrossEntropy, hooks).unwrap();
            values(trainer.network())
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
    fn before_forward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        let parameters = network.parameters();
        self.0 = parameters.iter().map(|p| p.values().to_vec()).collect();
        Ok(())
    }

    fn after_backward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        for (parameter, values) in network.parameters_mut().into_iter().zip(&self.0) {
            parameter.values_mut().copy_from_slice(values);
            parameter.gradient_mut().iter_mut().for_each(|g| *g += 0.01);
        }
        Ok(())
    }
}

/// A pruner that looks after each step whether all that is dead is zero.
struct Dead(Pruner);

impl TrainHook for Dead {
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        self.0.before_forward(network, step)
    }

    fn after_step(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        let weights = network.parameters();
        let weights = weights.into_iter().filter(|p| p.role() == Role::Weight);
        for (layer, weight) in weights.enumerate() {
            let marks = self.0.marks(layer, weight.values().len(), step.step);
            for (value, live) in weight.values().iter().zip(marks) {
                assert!(live || *value == 0.0, "step {}, layer {layer}", step.step);
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_dead_stays_dead_in_either_order_of_hooks() {
    for keep in [[5, 60, 9], [70, 90, 80]] {
        for keeper_first in [true, false] {
            let mut trainer = Trainer::new(start(), settings(Optimizer::adam())).unwrap();
            let mut pruner = Dead(Pruner::new(keep, 9, true));
            let mut keeper = Keeper::default();
            let hooks: &mut [&mut dyn TrainHook] = match keeper_first {
                true => &mut [&mut keeper, &mut pruner],
                false => &mut [&mut pruner, &mut keeper],
            };
            trainer.fit(&data(300), &CrossEntropy, hooks).unwrap();
        }
    }
}

/// Prunes from step 3 on, and lets all live again from step 12 on.
struct Revival(Pruner);

impl Revival {
    /// Whether it masks by itself in this step.
    fn masks(&self, step: &Step) -> bool {
        !self.0.live && (3..12).contains(&step.step)
    }
}

impl TrainHook for Revival {
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        match step.step {
            0..3 => Ok(()),
            3..12 => self.0.before_forward(network, step),
            _ => {
                let weights = network.parameters_mut();
                weights.into_iter().try_for_each(|p| p.set_live(None))
            }
        }
    }

    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if self.masks(step) {
            self.0.zero(network, step.step, true);
        }
        Ok(())
    }

    fn after_step(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        if self.masks(step) {
            self.0.zero(network, step.step, false);
        }
        Ok(())
    }
}

#[test]
fn weights_that_live_again_are_trained_again() {
    let run = |live| {
        // Without moments, dying and living again leave nothing else behind.
        let mut trainer = Trainer::new(start(), settings(Optimizer::sgd(0.0))).unwrap();
        let mut revival = Revival(Pruner::new([5, 60, 9], 0, live));
        trainer
            .fit(&data(300), &CrossEntropy, &mut [&mut revival])
            .unwrap();
        values(trainer.network())
    };
    let (dense, sparse) = (run(false), run(true));
    let nonzero = sparse.iter().filter(|v| **v != 0.0).count();
    assert!(nonzero > 1600, "{nonzero} of {}", sparse.len());
    for (a, b) in dense.iter().zip(&sparse) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
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
    let none = Live::new(1000, 40, &[false; 40_000]).unwrap();
    let mut parameters = network.parameters_mut();
    parameters[0].set_live(Some(Arc::new(none))).unwrap();
    parameters[1].values_mut().fill(1.0);
    parameters[2].values_mut().fill(1.0);
    let settings = Settings {
        epochs: 1,
        dropout_hidden: 0.25,
        ..settings(Optimizer::sgd(0.0))
    };
    let seen = Outputs::default();
    let mut trainer = Trainer::new(network, settings).unwrap();
    trainer.fit(&data(280), &seen, &mut []).unwrap();
    let found = seen.0.into_inner().unwrap();
    assert_eq!(found.len(), 280);
    let mean = found.iter().sum::<f32>() / 280.0;
    // Five standard deviations of 1,000 times the mean of 280,000 draws, each 4/3 or 0.
    let most = 5.0 * 1000.0 * 0.577 / 280_000_f32.sqrt();
    assert!((mean - 1000.0).abs() < most, "{mean}");
    assert!(found.iter().any(|v| *v != found[0]));
}

/// Fails in the fourth epoch, if asked to.
struct CutOff(bool);

impl TrainHook for CutOff {
    fn before_forward(&mut self, _: &mut dyn Network, step: &Step) -> Result<()> {
        match self.0 && step.epoch == 3 {
            true => Err(compress_core::Error::invalid("epoch", 3, "below 3")),
            false => Ok(()),
        }
    }
}

#[test]
fn goes_on_from_a_checkpoint_with_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse.ckpt");
    let (keep, halfway) = CASES[1];
    let trainer = || Trainer::new(start(), settings(Optimizer::adam())).unwrap();
    let run = |mut trainer: Trainer<'_>, cut| {
        let mut pruner = Pruner::new(keep, halfway, true);
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut pruner, &mut CutOff(cut)];
        let done = trainer.fit(&data(300), &CrossEntropy, hooks);
        assert_eq!(done.is_err(), cut);
        values(trainer.network())
    };
    let whole = run(trainer(), false);
    run(trainer().checkpoint(&path, 3), true);
    assert_eq!(whole, run(trainer().resume(&path), false));
}

#[test]
fn a_checkpoint_knows_what_was_live_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("thin.ckpt");
    let thin = || {
        let mut network = start();
        for (layer, weight) in network.parameters_mut().into_iter().step_by(2).enumerate() {
            let (n, k) = weight.matrix().dim();
            let marks = Pruner::new([5, 60, 9], 0, true).marks(layer, n * k, 0);
            let live = Live::new(n, k, &marks).unwrap();
            weight.set_live(Some(Arc::new(live))).unwrap();
        }
        network
    };
    let trainer = |network| Trainer::new(network, settings(Optimizer::adam())).unwrap();
    let run = |mut trainer: Trainer<'_>, cut| {
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut CutOff(cut)];
        assert_eq!(trainer.fit(&data(300), &CrossEntropy, hooks).is_err(), cut);
        values(trainer.network())
    };
    let whole = run(trainer(thin()), false);
    run(trainer(thin()).checkpoint(&path, 3), true);
    assert_eq!(whole, run(trainer(start()).resume(&path), false));
    assert!(whole.iter().filter(|v| **v == 0.0).count() > 1000);
}
