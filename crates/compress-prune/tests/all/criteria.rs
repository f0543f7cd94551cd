//! Criteria, against plain definitions of what they mean.

use std::sync::Arc;

use compress_core::observe::{OnSamples, Place, Tap};
use compress_core::price::{MatrixPrices, Prices};
use compress_core::tensor::TensorRef;
use compress_core::{Error as CoreError, Result};
use compress_format::CoderPrices;
use compress_format::coding::matrix::geometry::Images;
use compress_prune::*;
use compress_testing::{Chain, blobs, normal};
use ndarray::{Array2, ArrayView2};

use crate::models::{Convolution, WEIGHT};

/// The scores of a criterion that needs to know nothing beside the values.
fn plain(criterion: &dyn Criterion, model: &dyn Parameters) -> Scores {
    score(model, criterion, &Known::nothing()).unwrap()
}

/// All that may be known of a single value.
const KINDS: [PerValue; 6] = [
    PerValue::Gradient,
    PerValue::SecondMoments,
    PerValue::SquaredGradient,
    PerValue::HessianGradient,
    PerValue::SynapticFlow,
    PerValue::Movement,
];

/// Sets what is known of each value of a chain, by its position in all parameters.
fn set(known: &mut Known, chain: &Chain, kind: PerValue, of: impl Fn(usize) -> f32) {
    let mut next = 0;
    let mut all = Vec::new();
    for parameter in &chain.parameters {
        let positions = next..next + parameter.values().len();
        next = positions.end;
        let values = positions.map(&of).collect();
        all.push((parameter.name().to_owned(), values));
    }
    known.set_values(kind, all);
}

#[test]
fn a_criterion_scores_every_weight_and_no_bias() {
    let network = Chain::random(&[3, 4, 2], 5);
    let data = blobs(20, 3, 2, 1);
    let needs = Needs {
        inputs: true,
        gram: true,
        ..Needs::default()
    };
    let seen = OnSamples::new(&network, &data);
    let mut known = Known::by_observing(&seen, needs).unwrap();
    known.find_activity(&seen, &network.graph()).unwrap();
    for kind in KINDS {
        set(&mut known, &network, kind, |i| 0.25 * i as f32);
    }
    for CriterionEntry { name, make, .. } in CRITERIA {
        let criterion = make(&CriterionSettings::default());
        let scores = score(&network, criterion.as_ref(), &known).unwrap();
        let tensors = scores.tensors.iter();
        let shapes: Vec<_> = tensors.map(|t| (t.name.as_str(), &t.shape[..])).collect();
        let expected = [
            ("layers.0.weight", &[4, 3][..]),
            ("layers.1.weight", &[2, 4][..]),
        ];
        assert_eq!(shapes, expected);
        assert_eq!(scores.len(), 20);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = network.clone();
            broken.parameters[2].values_mut()[3] = bad;
            let error = score(&broken, criterion.as_ref(), &known)
                .unwrap_err()
                .to_string();
            assert!(error.contains("layers.1.weight"), "{name}: {error}");
        }
        let nothing = score(&Lent::new(), criterion.as_ref(), &known).unwrap_err();
        assert!(matches!(nothing, CoreError::Empty { .. }));
    }
}

#[test]
fn what_a_criterion_needs_is_missed_where_it_is_not_known() {
    let network = Chain::random(&[3, 4, 2], 5);
    for CriterionEntry { name, make, .. } in CRITERIA {
        let criterion = make(&CriterionSettings::default());
        let found = score(&network, criterion.as_ref(), &Known::nothing());
        if criterion.needs() == Needs::default() {
            found.unwrap();
            continue;
        }
        let error = found.unwrap_err();
        let CoreError::NoEvidence { asker, tensor, .. } = error else {
            panic!("{name}: {error}");
        };
        let own = if *name == "rate_aware" {
            "second_moments"
        } else {
            name
        };
        assert_eq!((&asker[..], &tensor[..]), (own, "layers.0.weight"));
        for &kind in criterion.needs().values {
            let mut known = Known::nothing();
            set(&mut known, &network, kind, |i| {
                if i == 2 { f32::NAN } else { 1.0 }
            });
            let error = score(&network, criterion.as_ref(), &known).unwrap_err();
            let first = matches!(error, CoreError::NonFinite { index: 2, .. });
            assert!(first, "{name}: {error}");
        }
    }
}

#[test]
fn scores_of_either_sign_are_finite_and_in_order() {
    let weights = [1.0, -1.0, -1.0, 1.0, f32::MAX, f32::MAX];
    let products = [0.0, 0.0, 1e-30, 1e-30, f32::MAX, f32::MIN];
    let weight = TensorRef::weight("w", &[6], &weights).unwrap();
    let evidence = Evidence::none().with_values(PerValue::HessianGradient, &products);
    let scores = Grasp.score(weight, &evidence).unwrap();
    assert_eq!(scores[0], scores[1]);
    let ascending = [5, 2, 0, 3, 4].map(|i| scores[i]);
    assert!(ascending.is_sorted_by(|a, b| a < b), "{scores:?}");
    assert!(ascending[0] >= 0.0 && ascending[4].is_finite());
}

#[test]
fn magnitude_is_the_absolute_value() {
    let network = Chain::random(&[3, 4, 2], 5);
    let scores = plain(&Magnitude, &network);
    for (t, p) in scores
        .tensors
        .iter()
        .zip(network.parameters.iter().step_by(2))
    {
        let pairs = t.values.iter().zip(p.values());
        assert!(
            pairs
                .into_iter()
                .all(|(s, w)| s.to_bits() == w.abs().to_bits())
        );
    }
}

#[test]
fn random_scores_hang_on_the_seed_and_the_name_alone() {
    let values = normal(1, "values", 432);
    let scores = |seed, name: &str, shape: &[usize], values: &[f32]| {
        let weight = TensorRef::weight(name, shape, values).unwrap();
        Random { seed }.score(weight, &Evidence::none()).unwrap()
    };
    let first = scores(5, "a", &[16, 3, 3, 3], &values);
    assert_eq!(scores(5, "a", &[16, 27], &vec![0.0; 432]), first);
    assert_ne!(scores(6, "a", &[16, 3, 3, 3], &values), first);
    assert_ne!(scores(5, "b", &[16, 3, 3, 3], &values), first);
    assert!(first.iter().all(|s| (0.0..1.0).contains(s)));
    // Even from 0 to 1: a mean of 432 has a deviation of 0.014.
    let mean = first.iter().sum::<f32>() / 432.0;
    assert!((mean - 0.5).abs() < 0.06, "{mean}");
}

/// A convolution with the patches that it multiplies, `[n, 27]`, in two batches.
struct Observed {
    model: Convolution,
    patches: Array2<f32>,
}

impl Observe for Observed {
    fn batches(&self) -> usize {
        2
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        let place = Place::InputOf(WEIGHT);
        if tap.wants(place) {
            let half = self.patches.nrows() / 2;
            let rows = ndarray::s![batch * half..(batch + 1) * half, ..];
            tap.observe(place, self.patches.slice(rows))?;
        }
        Ok(())
    }
}

/// `|w|·‖x‖₂`, in f64.
fn wanda(weight: ArrayView2<'_, f32>, inputs: ArrayView2<'_, f32>) -> Vec<f64> {
    let norm = |column: usize| {
        let squares = inputs
            .column(column)
            .into_iter()
            .map(|&x| f64::from(x).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let score = |((_, column), &w): ((usize, usize), &f32)| f64::from(w.abs()) * norm(column);
    weight.indexed_iter().map(score).collect()
}

fn assert_near(scores: &[f32], expected: &[f64]) {
    assert_eq!(scores.len(), expected.len());
    for (&score, expected) in scores.iter().zip(expected) {
        assert!(
            (f64::from(score) - expected).abs() <= 1e-6 * expected,
            "{score} {expected}"
        );
    }
}

#[test]
fn wanda_multiplies_magnitudes_by_the_norms_of_patches() {
    let patches = normal(2, "patches", 60 * 27);
    let mut observed = Observed {
        model: Convolution::new(3),
        patches: Array2::from_shape_vec((60, 27), patches).unwrap(),
    };
    // A pixel that is always dark.
    observed.patches.column_mut(5).fill(0.0);
    let known = Known::by_observing(&observed, Wanda.needs()).unwrap();
    let scores = score(&observed.model, &Wanda, &known).unwrap();
    assert_eq!(scores.tensors[0].shape, [16, 3, 3, 3]);
    let weight = observed.model.weight.to_shape((16, 27)).unwrap();
    let expected = wanda(weight.view(), observed.patches.view());
    assert_near(&scores.tensors[0].values, &expected);
    for row in scores.tensors[0].values.chunks(27) {
        assert_eq!(row[5], 0.0);
    }

    let error = score(&observed.model, &Wanda, &Known::nothing()).unwrap_err();
    assert!(matches!(error, CoreError::NoEvidence { .. }));
    let message = error.to_string();
    for part in ["wanda", "statistics of the inputs", WEIGHT] {
        assert!(message.contains(part), "{message}");
    }
    observed.patches = Array2::zeros((4, 3));
    let narrow = Known::by_observing(&observed, Wanda.needs()).unwrap();
    let error = score(&observed.model, &Wanda, &narrow)
        .unwrap_err()
        .to_string();
    assert!(error.contains(WEIGHT), "{error}");
}

#[test]
fn wanda_reads_what_each_layer_of_a_chain_reads() {
    let network = Chain::random(&[6, 5, 3], 2);
    // More than one batch.
    let data = blobs(700, 6, 3, 1);
    let known = Known::by_observing(&OnSamples::new(&network, &data), Wanda.needs()).unwrap();
    let scores = score(&network, &Wanda, &known).unwrap();
    let [first, bias, second, _] = &network.parameters[..] else {
        panic!("two layers");
    };
    let expected = wanda(first.matrix(), data.inputs());
    assert_near(&scores.tensors[0].values, &expected);
    let hidden = Array2::from_shape_fn((700, 5), |(row, neuron)| {
        let pairs = data
            .inputs()
            .row(row)
            .to_vec()
            .into_iter()
            .zip(first.matrix().row(neuron).to_vec());
        let sum: f64 = pairs.map(|(x, w)| f64::from(x) * f64::from(w)).sum();
        (sum + f64::from(bias.values()[neuron])).max(0.0) as f32
    });
    let expected = wanda(second.matrix(), hidden.view());
    for (&score, expected) in scores.tensors[1].values.iter().zip(expected) {
        assert!(
            (f64::from(score) - expected).abs() <= 1e-4 * expected,
            "{score} {expected}"
        );
    }
}

#[test]
fn neuron_norm_is_the_norm_of_rows_and_columns() {
    let network = Chain::random(&[19, 6, 2], 5);
    let (w0, w1) = (
        network.parameters[0].matrix(),
        network.parameters[2].matrix(),
    );
    let norm = |v: ndarray::ArrayView1<'_, f32>| {
        v.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt()
    };
    let mut known = Known::nothing();
    known.find_readers(&network, &network.graph()).unwrap();
    for outgoing in [false, true] {
        let scores = score(&network, &NeuronNorm { outgoing }, &known).unwrap();
        for j in 0..6 {
            let out = if outgoing { norm(w1.column(j)) } else { 1.0 };
            let of_neuron = &scores.tensors[0].values[j * 19..(j + 1) * 19];
            assert_near(of_neuron, &[norm(w0.row(j)) * out; 19]);
        }
        // Nothing reads the outputs.
        assert_near(&scores.tensors[1].values[6..7], &[norm(w1.row(1))]);
    }
    let missing = score(&network, &NeuronNorm { outgoing: true }, &Known::nothing());
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("layers.0.weight") && error.contains("find_readers"),
        "{error}"
    );
}

#[test]
fn neuron_norm_does_not_overflow() {
    let mut network = Chain::random(&[9, 4, 2], 5);
    let parameters = network.parameters.iter_mut();
    parameters.for_each(|p| p.values_mut().fill(f32::MAX));
    let mut known = Known::nothing();
    known.find_readers(&network, &network.graph()).unwrap();
    let scores = score(&network, &NeuronNorm { outgoing: true }, &known).unwrap();
    let mut all = scores.tensors.iter().flat_map(|t| &t.values);
    assert!(all.all(|&s| s == f32::MAX));
}

#[test]
fn squares_are_multiplied_by_second_moments() {
    let network = Chain::random(&[3, 4, 2], 5);
    let missing = score(&network, &SecondMoments, &Known::nothing());
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("layers.0.weight") && error.contains("Adam"),
        "{error}"
    );

    let mut known = Known::nothing();
    let kind = PerValue::SecondMoments;
    set(&mut known, &network, kind, |i| 1.0 + i as f32);
    let scores = score(&network, &SecondMoments, &known).unwrap();
    // Twelve weights and four biases come before the second weight.
    for (tensor, first, parameter) in [(0, 0, 0), (1, 16, 2)] {
        for (i, &score) in scores.tensors[tensor].values.iter().enumerate() {
            let w = f64::from(network.parameters[parameter].values()[i]);
            let expected = w * w * (1.0 + (first + i) as f64);
            assert!((f64::from(score) - expected).abs() <= 1e-6 * expected);
        }
    }
    let weight = network.parameters[0].tensor();
    for moments in [&[1.0; 11][..], &[f32::NAN; 12]] {
        let evidence = Evidence::none().with_values(PerValue::SecondMoments, moments);
        let error = SecondMoments
            .score(weight, &evidence)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("second moments of layers.0.weight"),
            "{error}"
        );
    }
    let huge = [f32::MAX; 12];
    let weight = TensorRef::weight("w", &[3, 4], &huge).unwrap();
    let evidence = Evidence::none().with_values(PerValue::SecondMoments, &huge);
    assert_eq!(SecondMoments.score(weight, &evidence).unwrap(), huge);
}

#[test]
fn rate_aware_divides_by_the_bits_of_a_place() {
    let mut network = Chain::random(&[3, 4, 2], 6);
    for i in [0, 4, 5, 7, 8, 11] {
        network.parameters[0].values_mut()[i] = 0.0;
    }
    let mut criterion = RateAware::new(Box::new(Magnitude));
    (criterion.base, criterion.least) = (1.0, 0.5);
    let scores = plain(&criterion, &network);
    let magnitudes = plain(&Magnitude, &network);
    for exponent in [0.0, 0.5, 2.0] {
        criterion.exponent = exponent;
        let powers = plain(&criterion, &network);
        for ((tensor, once), plain) in powers
            .tensors
            .iter()
            .zip(&scores.tensors)
            .zip(&magnitudes.tensors)
        {
            for ((s, once), plain) in tensor.values.iter().zip(&once.values).zip(&plain.values) {
                if *plain == 0.0 {
                    continue;
                }
                let expected = plain / (plain / once).powf(exponent);
                assert!(
                    (s - expected).abs() <= 1e-5 * expected,
                    "{exponent}: {s}, {expected}"
                );
            }
        }
    }
    let values = network.parameters[0].values();
    let live = |i: usize| f64::from(u8::from(values[i] != 0.0));
    for (i, &score) in scores.tensors[0].values.iter().enumerate() {
        let row: f64 = (0..3).map(|j| live(i / 3 * 3 + j)).sum();
        let column: f64 = (0..4).map(|j| live(j * 3 + i % 3)).sum();
        let density = 6.0 / 12.0;
        let bits = 1.0 - (row / 3.0 * (column / 4.0) / density).log2();
        let expected = f64::from(values[i].abs()) / bits.max(0.5);
        assert!(
            (f64::from(score) - expected).abs() < 1e-6,
            "{i}: {score}, {expected}"
        );
    }
}

#[test]
fn a_place_among_others_of_its_neuron_is_cheap() {
    // Two neurons on an image of 4 rows of 5 pixels, of which one is not read.
    let neurons = 2;
    let mut network = Chain::random(&[20, neurons, 3], 5);
    let inputs = network.graph().group("inputs").unwrap();
    let marks: Vec<bool> = (0..20).map(|i| i != 7).collect();
    network.keep(&inputs, &marks).unwrap();
    let weight = network.parameters_mut().swap_remove(0);
    for i in [1, 4, 8, 9, 16, 20, 21, 22, 30, 37] {
        weight.values_mut()[i] = 0.0;
    }
    let prices = CoderPrices::of_images(&network.architecture(), Images::one(4, 5)).unwrap();
    let criterion = RateAware::new(Box::new(Magnitude)).with_prices(Arc::new(prices));
    let scores = plain(&criterion, &network);
    let without = plain(&RateAware::new(Box::new(Magnitude)), &network);
    assert_eq!(scores.tensors[1..], without.tensors[1..]);
    let values = network.parameters()[0].values();
    let pixel = |column: usize| column + usize::from(column >= 7);
    let live = |row: usize, column: usize| f64::from(u8::from(values[row * 19 + column] != 0.0));
    let near = |a: usize, b: usize| {
        let (a, b) = (pixel(a), pixel(b));
        a != b && (a % 5).abs_diff(b % 5) <= 3 && (a / 5).abs_diff(b / 5) <= 3
    };
    let all: f64 = values.iter().map(|v| f64::from(u8::from(*v != 0.0))).sum();
    for row in 0..neurons {
        let in_row: f64 = (0..19).map(|c| live(row, c)).sum();
        for column in 0..19 {
            let in_column = |c: usize| (0..neurons).map(|r| live(r, c)).sum::<f64>();
            let around = (0..19).filter(|&c| near(column, c));
            let set: f64 = around.clone().map(|c| live(row, c)).sum();
            let likely: f64 = around.map(|c| in_column(c) * in_row / all).sum();
            let expected = in_row * in_column(column) / all * (1.0 + set) / (1.0 + likely);
            let bits = (5.0 - expected.log2()).max(1.0);
            let found = f64::from(scores.tensors[0].values[row * 19 + column]);
            let expected = f64::from(values[row * 19 + column].abs()) / bits;
            assert!(
                (found - expected).abs() < 1e-6,
                "{row}, {column}: {found}, {expected}"
            );
        }
    }
}

#[test]
fn a_rate_that_makes_no_sense_is_refused() {
    let network = Chain::random(&[3, 4, 2], 6);
    let refused = |change: fn(&mut RateAware)| {
        let mut criterion = RateAware::new(Box::new(Magnitude));
        change(&mut criterion);
        score(&network, &criterion, &Known::nothing()).is_err()
    };
    assert!(!refused(|_| ()));
    assert!(refused(|c| c.base = f32::NAN));
    assert!(refused(|c| c.exponent = f32::INFINITY));
    assert!(refused(|c| c.least = 0.0));
    let missing = score(&network, &RateAware::default(), &Known::nothing());
    let error = missing.unwrap_err().to_string();
    assert!(
        error.contains("second_moments") && error.contains("second moments"),
        "{error}"
    );
}

/// A coder that names columns which do not exist.
#[derive(Debug)]
struct Beyond;

impl Prices for Beyond {
    fn matrix(&self, _: &str, _: usize) -> Box<dyn MatrixPrices + '_> {
        Box::new(Beyond)
    }
}

impl MatrixPrices for Beyond {
    fn columns(&self) -> usize {
        1000
    }

    fn presence_bits(&self, codes: &[i32]) -> Vec<f32> {
        vec![0.0; codes.len()]
    }

    fn before(&self, column: usize) -> Vec<usize> {
        vec![column + 1000]
    }
}

#[test]
fn columns_that_do_not_exist_are_near_none() {
    let network = Chain::random(&[3, 4, 2], 6);
    let with = RateAware::new(Box::new(Magnitude)).with_prices(Arc::new(Beyond));
    let without = RateAware::new(Box::new(Magnitude));
    assert_eq!(plain(&with, &network), plain(&without, &network));
}

#[test]
fn weights_that_are_not_finite_have_no_score() {
    let known = [1.0; 2];
    let inputs = compress_core::calibrate::InputStatistics {
        samples: 1,
        min: -1.0,
        max: 1.0,
        sums: vec![1.0; 2],
        square_sums: vec![1.0; 2],
    };
    let gram = compress_core::calibrate::InputGram {
        samples: 2,
        matrix: Array2::eye(2),
    };
    let all = Evidence::none().with_inputs(&inputs).with_gram(&gram);
    let evidence = KINDS
        .iter()
        .fold(all, |evidence, &kind| evidence.with_values(kind, &known));
    // These two score what they are given, and `score` checks the weights.
    let plain = ["magnitude", "random"];
    for entry in CRITERIA.iter().filter(|e| !plain.contains(&e.name)) {
        let criterion = (entry.make)(&CriterionSettings::default());
        for bad in [f32::NAN, f32::INFINITY] {
            let values = [1.0, bad];
            let weight = TensorRef::weight("w", &[1, 2], &values).unwrap();
            let error = criterion.score(weight, &evidence).unwrap_err();
            let second = matches!(error, CoreError::NonFinite { index: 1, .. });
            assert!(second, "{}: {error}", entry.name);
        }
    }
}
