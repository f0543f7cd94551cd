//! Criteria that ask for gradients, against finite differences of the loss in f64.

use compress_core::differentiate;
use compress_core::network::Activation;
use compress_core::samples::ArraySamples;
use compress_prune::*;
use compress_testing::{Chain, CrossEntropy, blobs};

const WIDTHS: [usize; 3] = [4, 5, 3];

fn chain() -> Chain {
    Chain::with_activation(&WIDTHS, Activation::Tanh, 3)
}

fn data() -> ArraySamples {
    blobs(12, 4, 3, 5)
}

/// For each layer its weight, row by row, and its bias.
type Values = Vec<Vec<f64>>;

fn values() -> Values {
    let widen = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    chain().values().into_iter().map(widen).collect()
}

/// The mean cross-entropy of a network with tanh between layers on some samples.
fn loss(values: &Values, samples: &[usize]) -> f64 {
    let data = data();
    let of_sample = |&sample: &usize| {
        let mut x: Vec<f64> = data
            .inputs()
            .row(sample)
            .iter()
            .map(|&x| x.into())
            .collect();
        for (layer, pair) in values.chunks(2).enumerate() {
            let rows = pair[0].chunks(x.len()).zip(&pair[1]);
            let sum = |(row, bias): (&[f64], &f64)| {
                bias + row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>()
            };
            let y: Vec<f64> = rows.map(sum).collect();
            let last = layer + 2 == WIDTHS.len();
            x = y
                .into_iter()
                .map(|y| if last { y } else { y.tanh() })
                .collect();
        }
        let all: f64 = x.iter().map(|x| x.exp()).sum();
        all.ln() - x[data.labels()[sample] as usize]
    };
    samples.iter().map(of_sample).sum::<f64>() / samples.len() as f64
}

const ALL: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// The slope of `of` when one value changes by a small multiple of `direction`.
fn slope(
    tensor: usize,
    i: usize,
    direction: f64,
    values: &Values,
    of: &dyn Fn(&Values) -> f64,
) -> f64 {
    const STEP: f64 = 1e-4;
    let at = |step: f64| {
        let mut moved = values.clone();
        moved[tensor][i] += step * direction;
        of(&moved)
    };
    (at(STEP) - at(-STEP)) / (2.0 * STEP)
}

/// What `of` says of each weight, given its tensor, its position and its value.
fn of_weights(of: impl Fn(usize, usize, f64) -> f64) -> Vec<f64> {
    let values = values();
    let weights = [0, 2].into_iter();
    let all = weights.flat_map(|tensor| (0..values[tensor].len()).map(move |i| (tensor, i)));
    all.map(|(tensor, i)| of(tensor, i, values[tensor][i]))
        .collect()
}

/// The scores of all weights, with what the criterion needs.
fn scores(criterion: &dyn Criterion) -> Vec<f32> {
    let mut model = chain();
    let needs = criterion.needs();
    let known = differentiate::evidence(&mut model, &data(), &CrossEntropy, needs).unwrap();
    let scores = score(&model, criterion, &known).unwrap();
    scores.tensors.into_iter().flat_map(|t| t.values).collect()
}

#[track_caller]
fn assert_near(scores: &[f32], expected: &[f64]) {
    assert_eq!(scores.len(), expected.len());
    let largest = expected.iter().fold(0.0, |a: f64, &b| a.max(b));
    for (&score, expected) in scores.iter().zip(expected) {
        let difference = (f64::from(score) - expected).abs();
        assert!(difference < 1e-5 * largest, "{score} for {expected}");
    }
}

#[test]
fn taylor_is_the_slope_of_the_loss_times_the_weight() {
    let expected = of_weights(|tensor, i, w| {
        let gradient = slope(tensor, i, 1.0, &values(), &|values| loss(values, &ALL));
        (w * gradient).abs()
    });
    assert_near(&scores(&Taylor), &expected);
}

#[test]
fn snip_is_the_slope_of_the_loss_along_a_factor_of_each_connection() {
    let expected = of_weights(|tensor, i, w| {
        slope(tensor, i, w, &values(), &|values| loss(values, &ALL)).abs()
    });
    assert_near(&scores(&Snip), &expected);
}

#[test]
fn obd_multiplies_squares_by_mean_squares_over_samples() {
    let expected = of_weights(|tensor, i, w| {
        let square = |sample| {
            let of_sample = |values: &Values| loss(values, &[sample]);
            slope(tensor, i, 1.0, &values(), &of_sample).powi(2)
        };
        w * w * ALL.into_iter().map(square).sum::<f64>() / 12.0
    });
    assert_near(&scores(&Obd), &expected);
}

/// The squared norm of the gradient with respect to all parameters.
fn flow(values: &Values) -> f64 {
    let mut sum = 0.0;
    for tensor in 0..values.len() {
        for i in 0..values[tensor].len() {
            sum += slope(tensor, i, 1.0, values, &|values| loss(values, &ALL)).powi(2);
        }
    }
    sum
}

#[test]
fn grasp_prunes_first_what_lets_gradients_flow_when_it_goes() {
    // How fast the flow grows when a weight shrinks.
    let gains = of_weights(|tensor, i, w| slope(tensor, i, -w, &values(), &flow));
    assert!(gains.iter().any(|&g| g > 0.0) && gains.iter().any(|&g| g < 0.0));
    let scores = scores(&Grasp);
    assert_eq!(scores.len(), gains.len());
    let largest = gains.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let mut compared = 0;
    for (a, gain) in gains.iter().enumerate() {
        for (b, other) in gains.iter().enumerate() {
            if gain - other > 1e-3 * largest {
                assert!(scores[a] < scores[b], "{gain} and {other}");
                compared += 1;
            }
        }
    }
    assert!(compared > 400, "{compared} of 595");
}
