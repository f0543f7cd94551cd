//! Backpropagation against finite differences.

use compress_core::Result;
use compress_core::network::{Activation, Network};
use compress_core::train::{ArraySamples, Batch, Fit, Loss, TrainHook, Value, given};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Held, Record, keep, mask};

const ROWS: usize = 5;

/// Mean over the batch of half the squared distance to a fixed target.
struct Squares(Array2<f32>);

impl Loss for Squares {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let n = logits.nrows() as f32;
        let mut sum = 0.0;
        for ((row, &index), mut out) in logits
            .rows()
            .into_iter()
            .zip(batch.indices)
            .zip(gradient.rows_mut())
        {
            for ((y, t), g) in row.iter().zip(self.0.row(index)).zip(&mut out) {
                *g = (y - t) / n;
                sum += 0.5 * (y - t) * (y - t);
            }
        }
        Ok(sum / n)
    }
}

fn act(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Gelu => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

/// What each layer of the network gives, in f64, written out independently: parameters in order,
/// one sample.
fn forward(network: &Mlp, parameters: &[Vec<f64>], x: &[f64]) -> Vec<Vec<f64>> {
    let architecture = network.architecture();
    let mut x = match &architecture.selected {
        Some(selected) => selected.iter().map(|&i| x[i as usize]).collect(),
        None => x.to_vec(),
    };
    let mut all = Vec::new();
    for (i, layer) in architecture.layers.iter().enumerate() {
        let (w, b) = (&parameters[2 * i], &parameters[2 * i + 1]);
        x = (0..layer.outputs)
            .map(|o| {
                let row = &w[o * layer.inputs..(o + 1) * layer.inputs];
                let sum = row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() + b[o];
                act(layer.activation, sum)
            })
            .collect();
        all.push(x.clone());
    }
    all
}

/// The loss of one sample, given what each layer gives and the sample's number.
type Objective<'a> = &'a dyn Fn(&[Vec<f64>], usize) -> f64;

fn mean_loss(network: &Mlp, parameters: &[Vec<f64>], data: &ArraySamples, loss: Objective) -> f64 {
    let rows = data.inputs().nrows();
    let per_row = (0..rows).map(|row| {
        let x: Vec<f64> = data
            .inputs()
            .row(row)
            .iter()
            .map(|&x| f64::from(x))
            .collect();
        loss(&forward(network, parameters, &x), row)
    });
    per_row.sum::<f64>() / rows as f64
}

fn data(features: usize) -> ArraySamples {
    let value = |(r, c)| ((r * 7 + c * 3) % 11) as f32 / 5.0 - 1.0 + 0.03 * c as f32;
    let labels = (0..ROWS as u32).map(|r| r % 3).collect();
    ArraySamples::new(Array2::from_shape_fn((ROWS, features), value), labels).unwrap()
}

/// Compares every gradient with central differences in f64. The step of 1e-5 leaves a truncation
/// error near 1e-10; what is left is the f32 pass: a few dozen roundings of 6e-8 on terms of
/// order one.
fn check(network: Mlp, loss: &dyn Loss, objective: Objective) {
    check_live(network, loss, objective, &|_, _| true);
}

/// As [`check`], where only these positions of each weight, counted from 0, are live.
fn check_live(
    mut network: Mlp,
    loss: &dyn Loss,
    objective: Objective,
    live: &dyn Fn(usize, usize) -> bool,
) {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 3e-6;
    // Biases that are not zero, so that no ReLU sits at its corner.
    for (i, p) in network.parameters_mut().into_iter().enumerate() {
        for (j, v) in p.values_mut().iter_mut().enumerate() {
            *v += 0.05 * ((i + 3 * j) % 5) as f32 - 0.08;
        }
    }
    let mask = mask(&network, live);
    mask.apply(&mut network).unwrap();
    let data = data(network.architecture().features);
    let mut parameters: Vec<Vec<f64>> = network
        .parameters()
        .iter()
        .map(|p| p.values().iter().map(|&v| f64::from(v)).collect())
        .collect();
    let settings = Settings {
        epochs: 1,
        batch_size: ROWS,
        optimizer: Optimizer::sgd(0.0),
        ..Settings::default()
    };
    let mut record = Record::default();
    let mut trainer = Trainer::new(network.clone(), settings).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut Held(mask.clone()), &mut record];
    let report = trainer.fit(&data, loss, hooks).unwrap();
    let expected = mean_loss(&network, &parameters, &data, objective);
    assert!((f64::from(report.epochs[0].training_loss) - expected).abs() < TOLERANCE);
    let mut largest = 0.0_f64;
    for i in 0..parameters.len() {
        let name = network.parameters()[i].name();
        for j in 0..parameters[i].len() {
            if mask.of(name).is_some_and(|tensor| !tensor.keep[j]) {
                assert_eq!(record.0[0][i][j], 0.0, "{name}, value {j} is dead");
                continue;
            }
            let value = parameters[i][j];
            let mut at = |v| {
                parameters[i][j] = v;
                mean_loss(&network, &parameters, &data, objective)
            };
            let difference = (at(value + STEP) - at(value - STEP)) / (2.0 * STEP);
            at(value);
            let gradient = f64::from(record.0[0][i][j]);
            largest = largest.max(difference.abs());
            assert!(
                (gradient - difference).abs() < TOLERANCE * (1.0 + difference.abs()),
                "{name}, value {j}: {gradient} but {difference}"
            );
        }
    }
    assert!(largest > 0.01, "the test would see nothing");
}

const ACTIVATIONS: [Activation; 4] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Gelu,
    Activation::Tanh,
];

fn cross_entropy(layers: &[Vec<f64>], row: usize) -> f64 {
    let logits = &layers[layers.len() - 1];
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    sum.ln() - logits[row % 3]
}

fn target() -> Array2<f32> {
    Array2::from_shape_fn((ROWS, 3), |(r, c)| (r as f32 - c as f32) / 4.0)
}

fn squares(layers: &[Vec<f64>], row: usize) -> f64 {
    let target = target();
    let pairs = layers[layers.len() - 1].iter().zip(target.row(row));
    pairs.map(|(y, &t)| 0.5 * (y - f64::from(t)).powi(2)).sum()
}

#[test]
fn of_cross_entropy_through_every_activation_and_depth() {
    for activation in ACTIVATIONS {
        for widths in [&[4, 3][..], &[4, 6, 3], &[4, 6, 5, 3]] {
            let network = Mlp::new(widths, activation, Init::XavierNormal, 3, "test").unwrap();
            check(network, &CrossEntropy, &cross_entropy);
        }
    }
}

#[test]
fn of_squares_through_an_activation_after_the_last_layer() {
    for activation in ACTIVATIONS {
        let network =
            Mlp::new(&[4, 6, 5, 3], Activation::Tanh, Init::HeUniform, 5, "test").unwrap();
        let mut architecture = network.architecture();
        architecture.layers[2].activation = activation;
        let parameters = network.parameters().into_iter().cloned().collect();
        let network = Mlp::from_parts(architecture, parameters).unwrap();
        check(network, &Squares(target()), &squares);
    }
}

#[test]
fn of_a_network_that_reads_some_features_only() {
    let mut network = Mlp::new(&[6, 5, 3], Activation::Gelu, Init::HeNormal, 7, "test").unwrap();
    let marks = [true, false, true, true, false, true];
    keep(&mut network, "inputs", &marks).unwrap();
    check(network, &CrossEntropy, &cross_entropy);
}

/// Half the squared distance of the logits to a target, and of what the first layer gives to ½; and
/// the sum of what the first layer gives times that of the second. Averaged over the batch.
struct Hints(Array2<f32>);

impl Loss for Hints {
    fn reads_values(&self) -> Vec<&str> {
        vec!["layers.1", "layers.0"]
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.evaluate_with(logits, &mut [], batch, gradient)
    }

    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let [second, first] = given(values)?;
        assert!(first.rows.is_standard_layout() && second.rows.is_standard_layout());
        let n = logits.nrows() as f32;
        let mut loss = Squares(self.0.clone()).evaluate(logits, batch, gradient)?;
        for row in 0..logits.nrows() {
            let (a, b) = (first.rows.row(row), second.rows.row(row));
            let (sum_a, sum_b) = (a.sum(), b.sum());
            let distance: f32 = a.iter().map(|y| 0.5 * (y - 0.5) * (y - 0.5)).sum();
            loss += (distance + sum_a * sum_b) / n;
            let to = first.gradient.row_mut(row).into_iter().zip(a);
            to.for_each(|(g, y)| *g = (y - 0.5 + sum_b) / n);
            second.gradient.row_mut(row).fill(sum_a / n);
        }
        Ok(loss)
    }
}

fn hints(layers: &[Vec<f64>], row: usize) -> f64 {
    let sum = |layer: &[f64]| layer.iter().sum::<f64>();
    let distance = layers[0].iter().map(|y| 0.5 * (y - 0.5).powi(2));
    squares(layers, row) + distance.sum::<f64>() + sum(&layers[0]) * sum(&layers[1])
}

#[test]
fn of_a_loss_that_reads_two_layers_and_the_logits() {
    for activation in ACTIVATIONS {
        let network = Mlp::new(&[4, 6, 5, 3], activation, Init::XavierNormal, 3, "test").unwrap();
        check(network, &Hints(target()), &hints);
    }
}

#[test]
fn of_a_loss_that_reads_layers_of_few_live_weights() {
    let widths = [12, 10, 8, 3];
    // Sparse layers alone, one among dense ones, and one that is masked but not sparse.
    let kinds: [&dyn Fn(usize, usize) -> bool; 4] = [
        &|_, i| i % 8 == 1,
        &|weight, i| weight != 0 || i % 8 == 1,
        &|weight, i| weight != 1 || i % 8 == 1,
        &|weight, i| weight != 1 || i % 2 == 1,
    ];
    for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
        for live in kinds {
            let network = Mlp::new(&widths, activation, Init::HeUniform, 3, "test").unwrap();
            check_live(network, &Hints(target()), &hints, live);
        }
    }
}

/// With dropout the loss is that of the network with some values zeroed and the others scaled,
/// and the same ones in the backward pass: a first-order change of the loss must agree.
#[test]
fn with_dropout_belong_to_the_same_draw_as_the_loss() {
    let hints = Hints(target());
    for (activation, batchwise_dropout, loss) in ACTIVATIONS.into_iter().flat_map(|a| {
        let labels: &dyn Loss = &CrossEntropy;
        [(a, false, labels), (a, true, labels), (a, false, &hints)]
    }) {
        let network = Mlp::new(&[4, 8, 8, 3], activation, Init::XavierNormal, 9, "test").unwrap();
        let data = data(4);
        let loss_of = |network: &Mlp, record: &mut Record| {
            let settings = Settings {
                epochs: 1,
                batch_size: ROWS,
                dropout_input: 0.2,
                dropout_hidden: 0.4,
                batchwise_dropout,
                ..Settings::default()
            };
            let mut trainer = Trainer::new(network.clone(), settings).unwrap();
            let report = trainer.fit(&data, loss, &mut [record]).unwrap();
            f64::from(report.epochs[0].training_loss)
        };
        let mut record = Record::default();
        loss_of(&network, &mut record);
        let gradients = &record.0[0];
        let squares = gradients.iter().flatten().map(|&g| f64::from(g).powi(2));
        let norm: f64 = squares.sum();
        let moved = |distance: f64| {
            let mut network = network.clone();
            for (p, g) in network.parameters_mut().into_iter().zip(gradients) {
                let pairs = p.values_mut().iter_mut().zip(g);
                pairs.for_each(|(v, g)| *v += distance as f32 * g);
            }
            loss_of(&network, &mut Record::default())
        };
        // Along the gradient the loss changes by its squared norm; the f32 loss carries an error
        // of 1e-7, hence the large step and the coarse bound.
        let step = 0.003;
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        assert!(
            (slope / norm - 1.0).abs() < 0.01,
            "{activation:?}: {slope} but {norm}"
        );
    }
}
