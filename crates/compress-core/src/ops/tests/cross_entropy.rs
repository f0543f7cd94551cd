//! The cross-entropy against its formula in f64, its gradient against finite differences.

use ndarray::{Array2, array, s};

use super::{LENGTHS, mixed};
use crate::Error;
use crate::isa::Isa;
use crate::ops::cross_entropy::{by_class_at, cross_entropy, cross_entropy_by_class};

fn exact(logits: &Array2<f64>, labels: &[u32]) -> f64 {
    let losses = logits.rows().into_iter().zip(labels).map(|(row, &label)| {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        sum.ln() - row[label as usize]
    });
    losses.sum::<f64>() / labels.len() as f64
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    let logits = array![[1.0, -2.0, 0.5], [3.0, 3.0, -1.0], [0.0, 4.0, 4.5]];
    let labels = [2, 0, 1];
    let mut gradient = Array2::from_elem((3, 3), 9.0);
    let single = logits.mapv(|x| x as f32);
    let loss = cross_entropy(single.view(), &labels, &[], gradient.view_mut()).unwrap();
    assert!((loss - exact(&logits, &labels)).abs() < 1e-6);
    for (at, &found) in gradient.indexed_iter() {
        let moved = |by: f64| {
            let mut logits = logits.clone();
            logits[at] += by;
            exact(&logits, &labels)
        };
        let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        assert!((f64::from(found) - expected).abs() < 1e-6, "{at:?}");
    }
}

#[test]
fn what_is_no_labelled_batch_is_refused() {
    let logits = Array2::<f32>::zeros((2, 3));
    let mut gradient = Array2::zeros((2, 6));
    let mut run = |labels: &[u32], indices: &[usize]| {
        let gradient = gradient.slice_mut(s![.., ..3]);
        cross_entropy(logits.view(), labels, indices, gradient).unwrap_err()
    };
    assert!(matches!(run(&[1], &[]), Error::Shape { .. }));
    let label = |error: Error| match error {
        Error::Label {
            index,
            label,
            classes,
        } => (index, label, classes),
        other => panic!("{other}"),
    };
    assert_eq!(label(run(&[0, 3], &[7, 8])), (8, 3, 3));
    assert_eq!(label(run(&[0, 3], &[])), (1, 3, 3));
    assert!(run(&[0, 2], &[]).to_string().contains("strided"));

    let none = Array2::<f32>::zeros((0, 3));
    let error = cross_entropy(none.view(), &[], &[], none.clone().view_mut()).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }));
    // Without classes no label names one.
    let none = Array2::<f32>::zeros((1, 0));
    let error = cross_entropy(none.view(), &[0], &[], none.clone().view_mut()).unwrap_err();
    assert_eq!(label(error), (0, 0, 0));
}

/// Numbers from −90 to 90.
fn logits(count: usize, salt: u32) -> Vec<f32> {
    let numbers = mixed(count, salt).into_iter().filter(|z| !z.is_nan());
    let numbers = numbers.map(|z| z.clamp(-90.0, 90.0));
    numbers.chain(std::iter::repeat(1.5)).take(count).collect()
}

#[test]
fn probabilities_class_by_class_are_as_the_formula_says() {
    for (samples, classes) in [(1, 1), (5, 3), (16, 10), (37, 10), (256, 4)] {
        let logits = logits(samples * classes, 1);
        let mut probabilities: Vec<f32> = mixed(samples * classes, 2);
        for sample in 0..samples {
            let of_sample = || (0..classes).map(|class| class * samples + sample);
            of_sample().for_each(|at| probabilities[at] = 0.1 + probabilities[at].abs().min(3.0));
            let sum: f32 = of_sample().map(|at| probabilities[at]).sum();
            of_sample().for_each(|at| probabilities[at] /= sum);
        }
        let expected: f64 = (0..samples)
            .map(|sample| {
                let at = |class: usize| f64::from(logits[class * samples + sample]);
                let sum: f64 = (0..classes).map(|class| at(class).exp()).sum();
                let terms = (0..classes).map(|class| {
                    let p = f64::from(probabilities[class * samples + sample]);
                    p * (sum.ln() - at(class))
                });
                terms.sum::<f64>()
            })
            .sum();
        let found = cross_entropy_by_class(&logits, &probabilities, samples).unwrap();
        let off = (found - expected).abs() / expected.max(1.0);
        assert!(off < 1e-5, "{samples} of {classes}: {found} {expected}");
    }
    assert_eq!(cross_entropy_by_class(&[], &[], 0).unwrap(), 0.0);
    assert!(cross_entropy_by_class(&[0.0; 6], &[0.0; 5], 3).is_err());
    assert!(cross_entropy_by_class(&[0.0; 7], &[0.0; 7], 3).is_err());
    let infinite = cross_entropy_by_class(&[f32::INFINITY, 0.0], &[0.5, 0.5], 1);
    assert!(!infinite.unwrap().is_finite());
}

#[test]
fn all_levels_give_the_same_sum_of_losses() {
    for samples in LENGTHS.into_iter().filter(|length| *length > 0) {
        let logits = logits(samples * 3, 3);
        let probabilities: Vec<f32> = mixed(samples * 3, 4);
        let probabilities: Vec<f32> = probabilities.iter().map(|p| p.abs().min(1.0)).collect();
        let expected = by_class_at(Isa::Scalar, &logits, &probabilities, samples);
        for isa in Isa::available() {
            let found = by_class_at(isa, &logits, &probabilities, samples);
            assert_eq!(
                expected.to_bits(),
                found.to_bits(),
                "{samples} at {}",
                isa.name()
            );
        }
    }
}
