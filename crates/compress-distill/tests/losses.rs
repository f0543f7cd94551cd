//! The losses against finite differences and their definitions.

use compress_core::train::{Batch, Loss};
use compress_distill::{HardLabels, Joint, SoftTargets, Teacher};
use ndarray::{Array2, array};

fn student() -> Array2<f32> {
    array![[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
}

fn teacher() -> Teacher<'static> {
    Teacher::Cached(array![[3.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
}

fn evaluate(loss: &dyn Loss, logits: &Array2<f32>) -> (f32, Array2<f32>) {
    let inputs = Array2::zeros((2, 1));
    let batch = Batch {
        inputs: inputs.view(),
        labels: &[2, 0],
        indices: &[0, 1],
        epoch: 0,
    };
    let mut gradient = Array2::from_elem(logits.raw_dim(), 9.0);
    let value = loss.evaluate(logits.view(), &batch, gradient.view_mut());
    (value.unwrap(), gradient)
}

fn check_gradient(loss: &dyn Loss) {
    const STEP: f32 = 1.0 / 64.0;
    let (_, gradient) = evaluate(loss, &student());
    for (at, &found) in gradient.indexed_iter() {
        let moved = |by: f32| {
            let mut logits = student();
            logits[at] += by;
            evaluate(loss, &logits).0
        };
        let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let bound = 2e-3 * (1.0 + expected.abs());
        assert!(
            (found - expected).abs() < bound,
            "{at:?}: {found} {expected}"
        );
    }
}

#[test]
fn gradients_are_those_of_the_values() {
    check_gradient(&HardLabels);
    for temperature in [0.5, 1.0, 2.0, 4.0, 8.0] {
        check_gradient(&SoftTargets::new(teacher(), temperature).unwrap());
        check_gradient(&Joint::new(teacher(), temperature, 0.3).unwrap());
    }
}

#[test]
fn the_divergence_is_positive_and_zero_only_at_the_teacher() {
    let loss = SoftTargets::new(teacher(), 2.0).unwrap();
    assert!(evaluate(&loss, &student()).0 > 0.0);
    let Teacher::Cached(same) = teacher() else {
        unreachable!()
    };
    let (value, gradient) = evaluate(&loss, &same);
    assert_eq!(value, 0.0);
    assert!(gradient.iter().all(|&g| g == 0.0));
}

#[test]
fn joint_is_the_weighted_sum() {
    let (soft, _) = evaluate(&SoftTargets::new(teacher(), 4.0).unwrap(), &student());
    let (hard, _) = evaluate(&HardLabels, &student());
    for weight in [0.0, 0.25, 0.7, 1.0] {
        let joint = evaluate(&Joint::new(teacher(), 4.0, weight).unwrap(), &student()).0;
        assert_eq!(joint, weight * soft + (1.0 - weight) * hard);
    }
}

#[test]
fn refuses_settings_out_of_range() {
    for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(SoftTargets::new(teacher(), temperature).is_err());
    }
    for weight in [-0.1, 1.1, f32::NAN] {
        assert!(Joint::new(teacher(), 1.0, weight).is_err());
    }
    assert!(SoftTargets::new(Teacher::Cached(array![[f32::NAN, 0.0]]), 1.0).is_err());
}
