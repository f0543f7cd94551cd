//! Masks that come, change and go: the bits of training are those of a plain loop over full
//! matrices, and what a run has pruned binds no later one.

use compress_core::Result;
use compress_core::hook::Pruned;
use compress_core::kernels::reduce;
use compress_core::mask::Mask;
use compress_core::network::{Activation, Parameter};
use compress_core::parameters::{self, Parameters};
use compress_core::rng;
use compress_core::train::{ArraySamples, Batch, Fit, Loss, Samples, TrainHook, Training};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Held, mask, values};

const WIDTHS: [usize; 4] = [40, 30, 20, 3];
/// No multiple of a vector, and more than one block of lanes.
const BATCH: usize = 70;
const STEPS: usize = 14;
const RATE: f32 = 0.125;
const MOMENTUM: f32 = 0.75;

fn network() -> Mlp {
    Mlp::new(&WIDTHS, Activation::Relu, Init::HeUniform, 3, "t").unwrap()
}

fn data() -> ArraySamples {
    let mut inputs = vec![0.0; BATCH * WIDTHS[0]];
    rng::fill_uniform(&mut rng::stream(3, "inputs"), -1.0, 1.0, &mut inputs).unwrap();
    let inputs = Array2::from_shape_vec((BATCH, WIDTHS[0]), inputs).unwrap();
    let labels = (0..BATCH as u32).map(|i| i * i % 3).collect();
    ArraySamples::new(inputs, labels).unwrap()
}

/// The gradient of a logit that should be 1 for the label and 0 for the others.
fn slope(logit: f32, class: usize, label: u32) -> f32 {
    (logit - f32::from(class == label as usize)) / 64.0
}

struct Squares;

impl Loss for Squares {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        for ((row, class), g) in gradient.indexed_iter_mut() {
            *g = slope(logits[(row, class)], class, batch.labels[row]);
        }
        Ok(gradient.iter().map(|g| 32.0 * g * g).sum())
    }
}

/// How many of a hundred weights of each layer live after so many steps: all, some of each layer,
/// few of one, few of all, and all again.
const PHASES: [(usize, [u32; 3]); 5] = [
    (2, [60, 100, 80]),
    (4, [9, 50, 80]),
    (7, [7, 40, 100]),
    (9, [5, 6, 9]),
    (12, [100, 100, 100]),
];

/// Where the mask changes after so many steps: the new one.
fn change(model: &dyn Parameters, done: usize) -> Option<Mask> {
    let (_, keep) = PHASES.iter().find(|(at, _)| *at == done)?;
    let mut streams = [0, 1, 2].map(|weight| rng::stream(9, &format!("marks.{weight}")));
    Some(mask(model, |weight, _| {
        rng::below(&mut streams[weight], 100) < keep[weight]
    }))
}

/// Prunes by the phases.
#[derive(Default)]
struct Gradual {
    mask: Mask,
    revision: u64,
}

impl TrainHook for Gradual {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        if let Some(mask) = change(training.model, training.step.step + 1) {
            self.mask = mask;
            self.revision += 1;
        }
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        Some(Pruned {
            mask: &self.mask,
            revision: self.revision,
        })
    }
}

/// A layer as full matrices, row by row, with what its optimizer remembers.
struct Plain {
    weight: Vec<f32>,
    bias: Vec<f32>,
    weight_sums: Vec<f32>,
    bias_sums: Vec<f32>,
    live: Vec<bool>,
}

impl Plain {
    fn new(weight: &Parameter, bias: &Parameter) -> Self {
        let zeros = |parameter: &Parameter| vec![0.0; parameter.values().len()];
        Plain {
            weight: weight.values().to_vec(),
            bias: bias.values().to_vec(),
            weight_sums: zeros(weight),
            bias_sums: zeros(bias),
            live: vec![true; weight.values().len()],
        }
    }

    /// Whether training leaves its dead weights out; the break-even stands in `layers/live.rs`.
    fn is_sparse(&self) -> bool {
        let live = self.live.iter().filter(|live| **live).count();
        (live as f64) < 0.14 * self.live.len() as f64
    }

    fn prune(&mut self, live: &[bool]) {
        self.live = live.to_vec();
        for (i, live) in live.iter().enumerate() {
            if !live {
                (self.weight[i], self.weight_sums[i]) = (0.0, 0.0);
            }
        }
    }
}

/// `Σ a·b` over the samples, as one chain.
fn chain(a: &[f32], b: &[f32]) -> f32 {
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

/// The same as `kernels::sparse_layer` defines it: 64 chains, which are added in halves.
fn lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 64];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        lanes[i % 64] = a.mul_add(*b, lanes[i % 64]);
    }
    let mut width = 32;
    while width > 0 {
        (0..width).for_each(|i| lanes[i] += lanes[i + width]);
        width /= 2;
    }
    lanes[0]
}

/// A step by SGD with momentum. `x` holds the samples feature by feature.
fn plain_step(layers: &mut [Plain], x: &[Vec<f32>], labels: &[u32]) {
    let any_sparse = layers.iter().any(Plain::is_sparse);
    let mut all = vec![x.to_vec()];
    for (index, layer) in layers.iter().enumerate() {
        let x = &all[index];
        let rows = layer.weight.chunks(x.len()).zip(&layer.bias);
        let output = rows.map(|(row, &bias)| {
            let sample = |i: usize| {
                let terms = row.iter().zip(x);
                let sum = terms.fold(bias, |sum, (w, x)| w.mul_add(x[i], sum));
                if index < 2 && sum <= 0.0 { 0.0 } else { sum }
            };
            (0..BATCH).map(sample).collect()
        });
        let output = output.collect();
        all.push(output);
    }
    let mut dy = all.pop().unwrap();
    for (class, row) in dy.iter_mut().enumerate() {
        let labelled = row.iter_mut().zip(labels);
        labelled.for_each(|(y, &label)| *y = slope(*y, class, label));
    }
    for (index, layer) in layers.iter_mut().enumerate().rev() {
        let x = &all[index];
        let mut dx = vec![vec![0.0_f32; BATCH]; x.len()];
        for (row, dy) in layer.weight.chunks(x.len()).zip(&dy) {
            for (dx, w) in dx.iter_mut().zip(row) {
                let samples = dx.iter_mut().zip(dy);
                samples.for_each(|(dx, dy)| *dx = w.mul_add(*dy, *dx));
            }
        }
        for (dx, x) in dx.iter_mut().flatten().zip(x.iter().flatten()) {
            *dx = if *x <= 0.0 { 0.0 } else { *dx };
        }
        let sum = if layer.is_sparse() { lanes } else { chain };
        let inputs = x.len();
        for (i, live) in layer.live.iter().enumerate() {
            let g = if *live {
                sum(&dy[i / inputs], &x[i % inputs])
            } else {
                0.0
            };
            layer.weight_sums[i] = MOMENTUM * layer.weight_sums[i] + g;
            layer.weight[i] -= RATE * layer.weight_sums[i];
        }
        for (i, dy) in dy.iter().enumerate() {
            let g = match any_sparse {
                true => reduce::sum(dy).unwrap(),
                false => dy.iter().fold(0.0, |sum, dy| sum + dy),
            };
            layer.bias_sums[i] = MOMENTUM * layer.bias_sums[i] + g;
            layer.bias[i] -= RATE * layer.bias_sums[i];
        }
        dy = dx;
    }
}

/// What [`plain_step`] leaves after each step; and which layers were sparse in it.
fn plain_run(order: &[Vec<usize>]) -> Vec<(Vec<f32>, Vec<bool>)> {
    let (model, data) = (network(), data());
    let parameters = model.parameters();
    let pairs = parameters.chunks_exact(2);
    let mut layers: Vec<Plain> = pairs.map(|pair| Plain::new(pair[0], pair[1])).collect();
    let mut after = Vec::new();
    for (step, order) in order.iter().enumerate() {
        let feature = |f| order.iter().map(|&i| data.inputs()[(i, f)]).collect();
        let x: Vec<Vec<f32>> = (0..WIDTHS[0]).map(feature).collect();
        let labels: Vec<u32> = order.iter().map(|&i| data.labels()[i]).collect();
        let sparse = layers.iter().map(Plain::is_sparse).collect();
        plain_step(&mut layers, &x, &labels);
        if let Some(mask) = change(&model, step + 1) {
            for (layer, tensor) in layers.iter_mut().zip(&mask.tensors) {
                layer.prune(&tensor.keep);
            }
        }
        let all = layers
            .iter()
            .flat_map(|l| [l.weight.clone(), l.bias.clone()]);
        after.push((all.flatten().collect(), sparse));
    }
    after
}

/// The order of the samples in each step.
#[derive(Default)]
struct Orders(std::sync::Mutex<Vec<Vec<usize>>>);

impl Loss for Orders {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.0.lock().unwrap().push(batch.indices.to_vec());
        Squares.evaluate(logits, batch, gradient)
    }
}

#[test]
fn changing_masks_give_the_bits_of_a_plain_loop_over_full_matrices() {
    let settings = |steps| Settings {
        epochs: steps,
        batch_size: BATCH,
        learning_rate: RATE,
        optimizer: Optimizer::sgd(MOMENTUM),
        ..Settings::default()
    };
    let orders = Orders::default();
    let mut trainer = Trainer::new(network(), settings(STEPS)).unwrap();
    trainer.fit(&data(), &orders, &mut []).unwrap();
    let plain = plain_run(&orders.0.into_inner().unwrap());
    let kinds = plain
        .iter()
        .map(|(_, sparse)| sparse.iter().filter(|s| **s).count());
    let kinds: std::collections::BTreeSet<usize> = kinds.collect();
    assert_eq!(Vec::from_iter(kinds), [0, 1, 3], "dense, mixed and sparse");
    for (step, (expected, _)) in plain.into_iter().enumerate() {
        let mut trainer = Trainer::new(network(), settings(step + 1)).unwrap();
        let mut hook = Gradual::default();
        trainer.fit(&data(), &Squares, &mut [&mut hook]).unwrap();
        let found = values(&trainer.into_network());
        let fault = found.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(fault, None, "after step {step}");
        assert!(found.iter().all(|w| w.is_finite()));
    }
}

/// Copies values by name, as a loader of compressed tensors does.
fn load(from: &Mlp, into: &mut dyn Parameters) {
    into.visit_mut(&mut |tensor| {
        let values = parameters::values(from, tensor.name)?;
        tensor.values.copy_from_slice(&values);
        Ok(())
    })
    .unwrap();
}

#[test]
fn weights_loaded_after_a_pruned_run_stay_unless_a_hook_prunes_them_again() {
    let fit = |network: Mlp, hooks: &mut [&mut dyn TrainHook]| {
        let settings = Settings {
            epochs: 2,
            batch_size: 30,
            ..Settings::default()
        };
        let mut trainer = Trainer::new(network, settings).unwrap();
        trainer.fit(&data(), &CrossEntropy, hooks).unwrap();
        trainer.into_network()
    };
    let other = Mlp::new(&WIDTHS, Activation::Relu, Init::HeNormal, 8, "other").unwrap();
    // Sparse, and masked.
    for every in [10, 2] {
        let held = || Held(mask(&network(), |_, i| i % every == 0));
        let pruned = fit(network(), &mut [&mut held()]);
        let zeros = |network: &Mlp| values(network).iter().filter(|w| **w == 0.0).count();
        assert!(zeros(&pruned) > 800);
        let mut by_name = pruned.clone();
        load(&other, &mut by_name);
        let mut in_place = pruned;
        for (to, from) in in_place
            .parameters_mut()
            .into_iter()
            .zip(other.parameters())
        {
            to.values_mut().copy_from_slice(from.values());
        }
        for loaded in [by_name, in_place] {
            assert_eq!(values(&loaded), values(&other));
            let free = fit(loaded.clone(), &mut []);
            assert_eq!(values(&free), values(&fit(other.clone(), &mut [])));
            assert_eq!(zeros(&free), 0);
            let again = fit(loaded, &mut [&mut held()]);
            assert_eq!(
                values(&again),
                values(&fit(other.clone(), &mut [&mut held()]))
            );
            assert!(held().0.tensors.iter().all(|tensor| {
                let now = parameters::values(&again, &tensor.name).unwrap();
                now.iter()
                    .zip(&tensor.keep)
                    .all(|(w, live)| *live == (*w != 0.0))
            }));
        }
    }
}

#[test]
fn a_second_fit_without_the_hook_trains_all_weights() {
    let settings = Settings {
        epochs: 2,
        batch_size: 30,
        optimizer: Optimizer::sgd(0.0),
        learning_rate: 0.1,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings).unwrap();
    let mut held = Held(mask(&network(), |_, i| i % 10 == 0));
    trainer
        .fit(&data(), &CrossEntropy, &mut [&mut held])
        .unwrap();
    trainer.fit(&data(), &CrossEntropy, &mut []).unwrap();
    let network = trainer.into_network();
    let alive = values(&network).iter().filter(|w| **w != 0.0).count();
    assert!(alive > 500, "{alive}");
}

/// Adds to all gradients, dead or not.
struct Adding(f32);

impl TrainHook for Adding {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        training.model.visit_gradients(&mut |gradient| {
            gradient.values.iter_mut().for_each(|g| *g += self.0);
            Ok(())
        })
    }
}

/// How far a clipped step moves each value, after a hook has added to all gradients.
fn clipped(mut held: Held) -> Vec<f32> {
    let settings = Settings {
        epochs: 1,
        batch_size: BATCH,
        learning_rate: 1.0,
        optimizer: Optimizer::sgd(0.0),
        gradient_clip: Some(0.5),
        ..Settings::default()
    };
    let mut start = network();
    held.0.apply(&mut start).unwrap();
    let before = values(&start);
    let mut trainer = Trainer::new(start, settings).unwrap();
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut held, &mut Adding(1.0)];
    trainer.fit(&data(), &CrossEntropy, &mut hooks).unwrap();
    let after = values(&trainer.into_network());
    before.iter().zip(after).map(|(b, a)| b - a).collect()
}

#[test]
fn what_hooks_add_to_dead_gradients_takes_no_share_of_a_clipped_norm() {
    for every in [10, 2] {
        let held = Held(mask(&network(), |_, i| i % every == 0));
        let moved = clipped(held);
        let norm = moved.iter().map(|m| f64::from(m * m)).sum::<f64>().sqrt();
        assert!((norm - 0.5).abs() < 1e-4, "{every}: {norm}");
    }
}

/// Looks before each forward pass whether every other value of a tensor is zero.
struct EveryOther(String);

impl TrainHook for EveryOther {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let values = parameters::values(training.model, &self.0)?;
        for (i, value) in values.iter().enumerate() {
            assert_eq!(*value != 0.0, i % 2 == 0, "{i} in {:?}", training.step);
        }
        Ok(())
    }
}

#[test]
fn pruned_biases_stay_zero_too() {
    use compress_core::mask::TensorMask;
    let mut start = network();
    let name = start.parameters()[1].name().to_owned();
    start.parameters_mut()[1].values_mut().fill(1.0);
    for with_weights in [false, true] {
        let mut pruned = Mask::default();
        if with_weights {
            pruned = mask(&start, |_, i| i % 10 == 0);
        }
        pruned.tensors.push(TensorMask {
            name: name.clone(),
            shape: vec![WIDTHS[1]],
            keep: (0..WIDTHS[1]).map(|i| i % 2 == 0).collect(),
        });
        let settings = Settings {
            epochs: 3,
            batch_size: 30,
            optimizer: Optimizer::adam(),
            ..Settings::default()
        };
        let mut trainer = Trainer::new(start.clone(), settings).unwrap();
        let mut hooks: [&mut dyn TrainHook; 2] = [&mut Held(pruned), &mut EveryOther(name.clone())];
        trainer.fit(&data(), &CrossEntropy, &mut hooks).unwrap();
    }
}
