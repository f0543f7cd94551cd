//! The cross-entropy against its formula in f64, its gradient against finite differences.

use ndarray::{Array2, array, s};

use crate::Error;
use crate::ops::cross_entropy::cross_entropy;

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
