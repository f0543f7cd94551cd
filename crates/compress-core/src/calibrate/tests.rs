//! A chain without activations, whose layer inputs can be worked out by hand.

use ndarray::{Array2, array};

use super::*;
use crate::network::test_chain::Chain;
use crate::observe::{OnSamples, observe};
use crate::samples::ArraySamples;

fn chain() -> Chain {
    Chain::new(vec![
        array![[1.0, -1.0, 0.0], [0.0, 2.0, 0.5]],
        array![[1.0, 1.0]],
    ])
}

/// More samples than a batch holds.
fn samples(rows: usize) -> ArraySamples {
    let value = |(i, j): (usize, usize)| ((i * 37 + j * 101) % 257) as f32 * 0.03 - 3.0;
    ArraySamples::new(Array2::from_shape_fn((rows, 3), value), Vec::new()).unwrap()
}

#[test]
fn statistics_are_those_of_all_samples_at_once() {
    let (network, samples) = (chain(), samples(1300));
    let mut found = Calibration::default();
    observe(&OnSamples::new(&network, &samples), &mut found).unwrap();
    let x = samples.inputs().to_owned();
    let hidden = network.forward_layer(0, x.view());
    for (name, inputs) in [("layers.0.weight", x), ("layers.1.weight", hidden)] {
        let entry = found.places.get(Place::InputOf(name)).unwrap();
        let smallest = inputs.iter().copied().reduce(f32::min).unwrap();
        let largest = inputs.iter().copied().reduce(f32::max).unwrap();
        assert_eq!(entry.samples, 1300);
        assert_eq!((entry.min, entry.max), (smallest, largest));
        assert_eq!(entry.absmax(), largest.max(-smallest));
        for (j, &sum) in entry.square_sums.iter().enumerate() {
            let column = inputs.column(j);
            let exact: f64 = column.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert!((sum - exact).abs() <= 1e-12 * exact);
            assert_eq!(entry.norms()[j], sum.sqrt());
        }
    }
    assert_eq!(found.places.len(), 2);
}

#[test]
fn gram_matrices_do_not_depend_on_the_batches() {
    let (network, samples) = (chain(), samples(1300));
    let mut taps = (Gram::default(), Calibration::default());
    observe(&OnSamples::new(&network, &samples), &mut taps).unwrap();
    let place = Place::InputOf("layers.0.weight");
    let gram = taps.0.places.get(place).unwrap();
    let statistics = taps.1.places.get(place).unwrap();
    assert_eq!(gram.samples, 1300);
    for i in 0..3 {
        for j in 0..3 {
            let mut chain = 0.0f32;
            for row in samples.inputs().rows() {
                chain = row[i].mul_add(row[j], chain);
            }
            assert_eq!(gram.matrix[(i, j)], chain);
        }
        let squares = statistics.square_sums[i];
        assert!((f64::from(gram.matrix[(i, i)]) - squares).abs() < 1e-3 * squares);
    }
    assert_eq!(gram.matrix, gram.matrix.t());
}

#[test]
fn values_that_are_not_finite_name_the_place() {
    // The product of the first layer overflows, so the second layer reads an infinity.
    let network = Chain::new(vec![array![[3e38, 3e38, 0.0]], array![[1.0]]]);
    let samples = ArraySamples::new(array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], vec![]).unwrap();
    let taps: [&mut dyn Tap; 3] = [
        &mut Calibration::default(),
        &mut Histograms::default(),
        &mut Gram::default(),
    ];
    for tap in taps {
        let run = observe(&OnSamples::new(&network, &samples), tap);
        let error = run.unwrap_err().to_string();
        let expected = "the inputs of layers.1.weight: value inf at index 1";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn rows_of_other_columns_than_before_are_refused() {
    let taps: [&mut dyn Tap; 3] = [
        &mut Calibration::default(),
        &mut Histograms::default(),
        &mut Gram::default(),
    ];
    for tap in taps {
        let mut show = |columns| {
            let rows = Array2::zeros((2, columns));
            tap.observe(Place::Value("x"), rows.view())
        };
        show(3).unwrap();
        let error = show(2).unwrap_err().to_string();
        assert!(error.contains("columns of the value x"), "{error}");
        show(3).unwrap();
    }
}

#[test]
fn no_rows_change_nothing() {
    let mut taps = (
        Calibration::default(),
        (Gram::default(), Histograms::default()),
    );
    let place = Place::InputOf("w");
    taps.observe(place, Array2::zeros((0, 2)).view()).unwrap();
    let of = |c: &Calibration| c.places.get(place).map(|s| s.samples);
    assert_eq!(of(&taps.0), Some(0));
    taps.observe(place, array![[1.0, -3.0]].view()).unwrap();
    taps.observe(place, Array2::zeros((0, 2)).view()).unwrap();
    let statistics = taps.0.places.get(place).unwrap();
    assert_eq!((statistics.min, statistics.max), (-3.0, 1.0));
    assert_eq!((statistics.samples, statistics.absmax()), (1, 3.0));
    assert_eq!(taps.1.0.places.get(place).unwrap().samples, 1);
    assert_eq!(taps.1.1.places.get(place).unwrap().total(), 2);
}

#[test]
fn places_are_kept_in_the_order_in_which_they_were_seen() {
    let mut places = ByPlace::default();
    assert!(places.is_empty());
    let seen = [
        Place::Value("b"),
        Place::InputOf("a"),
        Place::InputOf("b"),
        Place::Value("b"),
    ];
    for place in seen {
        *places.entry(place, 4, || 0).unwrap() += 1;
    }
    let found: Vec<_> = places
        .iter()
        .map(|(place, &count)| (place, count))
        .collect();
    assert_eq!(found, [(seen[0], 2), (seen[1], 1), (seen[2], 1)]);
    assert_eq!((places.len(), places.is_empty()), (3, false));
    assert_eq!(places.get(Place::Value("b")), Some(&2));
    assert_eq!(places.get(Place::Value("a")), None);
    assert!(places.entry(Place::Value("b"), 5, || 0).is_err());
}

fn histogram_of(batches: &[&[f32]]) -> Histogram {
    let (mut histograms, place) = (Histograms::default(), Place::Value("x"));
    for batch in batches {
        let rows = ArrayView2::from_shape((batch.len(), 1), batch).unwrap();
        histograms.observe(place, rows).unwrap();
    }
    histograms.places.get(place).unwrap().clone()
}

#[test]
fn histograms_do_not_depend_on_the_order() {
    let (small, large) = ([0.3, -0.2, 0.0, -0.0, 1e-40], [-100.0, 7.0, f32::MAX]);
    let ascending = histogram_of(&[&small, &large]);
    let descending = histogram_of(&[&large, &small]);
    assert_eq!(ascending, descending);
    assert_eq!(ascending.total(), 8);
    assert_eq!(ascending.range(), 2.0f64.powi(128));
}

#[test]
fn bins_bound_what_they_count() {
    let values: Vec<f32> = (-3000..2000).map(|i| i as f32 * 0.001).collect();
    let histogram = histogram_of(&[&values[2900..3100], &values]);
    assert_eq!(histogram.range(), 4.0);
    assert_eq!(histogram.bins().count(), 4096);
    let mut last = -histogram.range();
    for (low, high, count) in histogram.bins() {
        assert_eq!(low, last);
        last = high;
        let inside = |v: &&f32| {
            let v = f64::from(**v);
            if low < 0.0 {
                v < 0.0 && low < v && v <= high
            } else {
                low <= v && v < high
            }
        };
        let all = values.iter().chain(&values[2900..3100]);
        let expected = all.filter(inside).count();
        assert_eq!(count, expected as u64, "in {low} to {high}");
    }
}

#[test]
fn powers_of_two_lie_within_the_range() {
    for (value, range) in [
        (1.0, 2.0),
        (0.999, 1.0),
        (2.0, 4.0),
        (0.0, 2.0f64.powi(-126)),
    ] {
        assert_eq!(histogram_of(&[&[value]]).range(), range);
    }
    assert_eq!(histogram_of(&[&[1e-45, -1e-45]]).total(), 2);
}
