//! Sets of live weights, and what a model does by default.

use super::*;
use crate::tensor::{TensorMut, TensorRef};

fn positions(live: &LiveSets, name: &str) -> Vec<usize> {
    live.of(name).unwrap().positions().collect()
}

#[test]
fn a_tensor_of_rank_4_is_a_matrix_of_its_first_axis() {
    let mut live = LiveSets::default();
    assert!(live.is_empty());
    let shape = [4, 3, 2, 2];
    let keep: Vec<bool> = (0..48).map(|i| i % 5 == 0).collect();
    live.mark("conv", &shape, &keep).unwrap();
    assert!(!live.is_empty());
    assert_eq!(live.of("conv").unwrap().dim(), (4, 12));
    let expected: Vec<usize> = (0..48).step_by(5).collect();
    assert_eq!(positions(&live, "conv"), expected);
    assert!(live.of("other").is_none());
    let mut values: Vec<f32> = vec![f32::NAN; 48];
    live.of("conv").unwrap().zero_dead(&mut values);
    assert!((0..48).all(|i| values[i].is_nan() == keep[i]));
}

#[test]
fn a_bias_is_one_row_and_a_scalar_one_value() {
    let mut live = LiveSets::default();
    live.mark("bias", &[3], &[true, false, true]).unwrap();
    live.mark("gain", &[], &[false]).unwrap();
    assert_eq!(live.of("bias").unwrap().dim(), (1, 3));
    assert_eq!(positions(&live, "bias"), [0, 2]);
    assert!(live.of("gain").unwrap().is_empty());
}

#[test]
fn of_two_marks_only_what_both_keep_lives() {
    let mut live = LiveSets::default();
    let shape = [2, 1, 1, 3];
    let first = [true, true, false, true, false, true];
    let second = [true, false, false, true, true, true];
    live.mark("a", &shape, &first).unwrap();
    live.mark("b", &[1, 1], &[true]).unwrap();
    live.mark("a", &shape, &second).unwrap();
    assert_eq!(positions(&live, "a"), [0, 3, 5]);
    assert_eq!(positions(&live, "b"), [0]);
    assert_eq!(Vec::from_iter(live.names()), ["a", "b"]);
}

#[test]
fn marks_that_do_not_fit_change_nothing() {
    let mut live = LiveSets::default();
    assert!(live.mark("a", &[2, 2], &[true; 3]).is_err());
    assert!(live.is_empty());
    live.mark("a", &[2, 2], &[true, false, true, false])
        .unwrap();
    for (shape, marks) in [(&[2, 2][..], 3), (&[4, 1], 4), (&[2, 3], 6)] {
        let error = live.mark("a", shape, &vec![false; marks]).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    assert_eq!(positions(&live, "a"), [0, 2]);
}

/// A model that has only what every model in training must have.
struct Plain;

impl Parameters for Plain {
    fn visit(&self, _: &mut See<'_>) -> Result<()> {
        Ok(())
    }

    fn visit_mut(&mut self, _: &mut Change<'_>) -> Result<()> {
        Ok(())
    }
}

impl Gradients for Plain {
    fn visit_gradients(&mut self, _: &mut Change<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn by_default_there_are_no_second_moments_and_the_driver_holds() {
    let mut seen = 0;
    let mut see = |_: TensorRef<'_>| {
        seen += 1;
        Ok(())
    };
    Plain.visit_second_moments(&mut see).unwrap();
    assert_eq!(seen, 0);
    assert!(!Plain.hold(&LiveSets::default()).unwrap());
    let model: &mut dyn Gradients = &mut Plain;
    let mut change = |_: TensorMut<'_>| Ok(());
    model.visit_gradients(&mut change).unwrap();
}
