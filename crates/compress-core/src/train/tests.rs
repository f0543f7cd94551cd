//! Predictions in batches.

use ndarray::{Array2, array, s};

use super::*;
use crate::network::test_chain::Chain;

fn samples(rows: usize) -> ArraySamples {
    let value = |(i, j): (usize, usize)| (i * 3 + j) as f32;
    let labels = (0..rows as u32).collect();
    ArraySamples::new(Array2::from_shape_fn((rows, 3), value), labels).unwrap()
}

#[test]
fn predictions_in_batches_are_those_of_all_samples_at_once() {
    let network = Chain::new(vec![array![[1.0, 0.5, -1.0], [0.0, 2.0, 0.25]]]);
    let samples = samples(1100);
    let found = predict(&network, &samples, 0).unwrap();
    let all = network.forward(samples.inputs()).unwrap();
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
