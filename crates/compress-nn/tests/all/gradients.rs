//! Backpropagation against finite differences.

use compress_core::network::{Activation, Network};
use compress_core::train::{ArraySamples, Batch, Fit, Loss};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::support::{Record, keep};

const ROWS: usize = 5;

/// Mean over the batch of half the squared distance to a fixed target.
struct Squares(Array2<f32>);

impl Loss for Squares {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> compress_core::Result<f32> {
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

/// The network in f64, written out independently: parameters in order, one sample.
fn forward(network: &Mlp, parameters: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let architecture = network.architecture();
    let mut x = match &architecture.selected {
        Some(selected) => selected.iter().map(|&i| x[i as usize]).collect(),
        None => x.to_vec(),
    };
    for (i, layer) in architecture.layers.iter().enumerate() {
        let (w, b) = (&parameters[2 * i], &parameters[2 * i + 1]);
        x = (0..layer.outputs)
            .map(|o| {
                let row = &w[o * layer.inputs..(o + 1) * layer.inputs];
                let sum = row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() + b[o];
                act(layer.activation, sum)
            })
            .collect();
    }
    x
}

type Objective<'a> = &'a dyn Fn(&[f64], usize) -> f64;

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
fn check(mut network: Mlp, loss: &dyn Loss, objective: Objective) {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 3e-6;
    // Biases that are not zero, so that no ReLU sits at its corner.
    for (i, p) in network.parameters_mut().into_iter().enumerate() {
        for (j, v) in p.values_mut().iter_mut().enumerate() {
            *v += 0.05 * ((i + 3 * j) % 5) as f32 - 0.08;
        }
    }
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
    let report = trainer.fit(&data, loss, &mut [&mut record]).unwrap();
    let expected = mean_loss(&network, &parameters, &data, objective);
    assert!((f64::from(report.epochs[0].training_loss) - expected).abs() < TOLERANCE);
    let mut largest = 0.0_f64;
    for i in 0..parameters.len() {
        for j in 0..parameters[i].len() {
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
                "parameter {i}, value {j}: {gradient} but {difference}"
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

fn cross_entropy(logits: &[f64], row: usize) -> f64 {
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    sum.ln() - logits[row % 3]
}

fn target() -> Array2<f32> {
    Array2::from_shape_fn((ROWS, 3), |(r, c)| (r as f32 - c as f32) / 4.0)
}

fn squares(outputs: &[f64], row: usize) -> f64 {
    let target = target();
    let pairs = outputs.iter().zip(target.row(row));
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

/// With dropout the loss is that of the network with some values zeroed and the others scaled,
/// and the same ones in the backward pass: a first-order change of the loss must agree.
#[test]
fn with_dropout_belong_to_the_same_draw_as_the_loss() {
    let ways = ACTIVATIONS
        .into_iter()
        .flat_map(|a| [(a, false), (a, true)]);
    for (activation, batchwise_dropout) in ways {
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
            let report = trainer.fit(&data, &CrossEntropy, &mut [record]).unwrap();
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
