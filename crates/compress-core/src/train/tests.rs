//! Samples, and predictions in batches.

use ndarray::{Array2, array, s};

use super::*;
use crate::network::test_chain::Chain;

fn samples(rows: usize) -> ArraySamples {
    let value = |(i, j): (usize, usize)| (i * 3 + j) as f32;
    let labels = (0..rows as u32).collect();
    ArraySamples::new(Array2::from_shape_fn((rows, 3), value), labels).unwrap()
}

#[test]
fn samples_are_read_in_any_order() {
    let samples = samples(4);
    assert_eq!((samples.len(), samples.features()), (4, 3));
    assert!(!samples.is_empty());
    let mut out = Array2::zeros((3, 3));
    samples.fill(9, &[3, 0, 3], out.view_mut()).unwrap();
    assert_eq!(
        out,
        array![[9.0, 10.0, 11.0], [0.0, 1.0, 2.0], [9.0, 10.0, 11.0]]
    );
    assert!(samples.fill(0, &[4, 0, 0], out.view_mut()).is_err());
    assert!(samples.fill(0, &[0], out.view_mut()).is_err());
}

#[test]
fn samples_that_are_not_data_are_refused() {
    assert!(ArraySamples::new(Array2::zeros((0, 3)), vec![]).is_err());
    assert!(ArraySamples::new(Array2::zeros((2, 3)), vec![1]).is_err());
    let error = ArraySamples::new(array![[0.0, 1.0], [f32::NAN, 0.0]], vec![]).unwrap_err();
    assert!(
        matches!(error, Error::NonFinite { index: 2, .. }),
        "{error}"
    );
    let unlabelled = ArraySamples::new(array![[1.0, 2.0], [3.0, 4.0]].reversed_axes(), vec![]);
    let unlabelled = unlabelled.unwrap();
    assert!(unlabelled.labels().is_empty());
    let mut out = Array2::zeros((1, 2));
    unlabelled.fill(0, &[0], out.view_mut()).unwrap();
    assert_eq!(out, array![[1.0, 3.0]]);
}

#[test]
fn predictions_in_batches_are_those_of_all_samples_at_once() {
    let network = Chain::new(vec![array![[1.0, 0.5, -1.0], [0.0, 2.0, 0.25]]]);
    let samples = samples(1100);
    let found = predict(&network, &samples, 0).unwrap();
    let all = crate::network::Network::forward(&network, samples.inputs()).unwrap();
    assert_eq!(found, all);
    assert_eq!(found.slice(s![0, ..]), array![-1.5, 2.5]);
    let narrow = Chain::new(vec![array![[1.0]]]);
    assert!(predict(&narrow, &samples, 0).is_err());
}

/// One sample, which is the number of its epoch.
struct Epochs;

impl Samples for Epochs {
    fn len(&self) -> usize {
        1
    }

    fn features(&self) -> usize {
        1
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn fill(&self, epoch: u64, _: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        out.fill(epoch as f32);
        Ok(())
    }
}

#[test]
fn samples_are_predicted_as_they_are_in_the_epoch() {
    let network = Chain::new(vec![array![[2.0]]]);
    for epoch in [0, 3] {
        let logits = predict(&network, &Epochs, epoch).unwrap();
        assert_eq!(logits, array![[2.0 * epoch as f32]]);
    }
}

#[test]
fn progress_stays_below_one() {
    let step = |step, total_steps| Step {
        epoch: 0,
        step,
        total_steps,
        learning_rate: 0.1,
        live_only: false,
    };
    assert_eq!(step(0, 10).progress(), 0.0);
    assert_eq!(step(5, 10).progress(), 0.5);
    assert!(step(9, 10).progress() < 1.0);
    assert_eq!(step(0, 0).progress(), 0.0);
}
