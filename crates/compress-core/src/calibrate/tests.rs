//! A chain without activations, whose layer inputs can be worked out by hand.

use ndarray::{Array2, array};

use super::*;
use crate::network::test_chain::Chain;
use crate::train::ArraySamples;

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
    let found = calibrate(&network, &samples).unwrap();
    let x = samples.inputs().to_owned();
    let hidden = network.forward_layer(0, x.view());
    for (entry, inputs) in found.layers.iter().zip([x, hidden]) {
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
    assert_eq!(found.layers[1].layer, "layers.1");
    assert_eq!(found.layers.len(), 2);
}

#[test]
fn gram_matrices_do_not_depend_on_the_batches() {
    let (network, samples) = (chain(), samples(1300));
    let mut taps = (Gram::default(), Calibration::default());
    observe(&network, &samples, &mut taps).unwrap();
    let gram = &taps.0.layers[0];
    assert_eq!(gram.samples, 1300);
    for i in 0..3 {
        for j in 0..3 {
            let mut chain = 0.0f32;
            for row in samples.inputs().rows() {
                chain = row[i].mul_add(row[j], chain);
            }
            assert_eq!(gram.matrix[(i, j)], chain);
        }
        let squares = taps.1.layers[0].square_sums[i];
        assert!((f64::from(gram.matrix[(i, i)]) - squares).abs() < 1e-3 * squares);
    }
    assert_eq!(gram.matrix, gram.matrix.t());
}

#[test]
fn no_sample_is_an_error() {
    struct Nothing;
    impl Samples for Nothing {
        fn len(&self) -> usize {
            0
        }
        fn features(&self) -> usize {
            3
        }
        fn labels(&self) -> &[u32] {
            &[]
        }
        fn fill(&self, _: u64, _: &[usize], _: ndarray::ArrayViewMut2<'_, f32>) -> Result<()> {
            Ok(())
        }
    }
    let error = calibrate(&chain(), &Nothing).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[test]
fn a_network_that_shows_nothing_is_an_error() {
    let mut network = chain();
    network.silent = true;
    let error = calibrate(&network, &samples(5)).unwrap_err().to_string();
    assert!(error.contains("layers seen in calibration"), "{error}");
}

#[test]
fn values_that_are_not_finite_name_the_layer() {
    // The product of the first layer overflows, so the second layer reads an infinity.
    let network = Chain::new(vec![array![[3e38, 3e38, 0.0]], array![[1.0]]]);
    let samples = ArraySamples::new(array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], vec![]).unwrap();
    let taps: [&mut dyn Tap; 3] = [
        &mut Calibration::default(),
        &mut Histograms::default(),
        &mut Gram::default(),
    ];
    for tap in taps {
        let error = observe(&network, &samples, tap).unwrap_err().to_string();
        assert!(
            error.contains("layers.1") && error.contains("index 1"),
            "{error}"
        );
    }
}

#[test]
fn layers_out_of_order_are_refused() {
    let layer = &chain().architecture().layers[0];
    let x = Array2::zeros((2, 3));
    assert!(Calibration::default().observe(1, layer, x.view()).is_err());
    let narrow = Array2::zeros((2, 2));
    assert!(Gram::default().observe(0, layer, narrow.view()).is_err());
}

fn histogram_of(batches: &[&[f32]]) -> InputHistogram {
    let mut histogram = InputHistogram::new("x");
    for batch in batches {
        histogram.add(batch, reduce::absmax("x", batch).unwrap());
    }
    histogram
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
