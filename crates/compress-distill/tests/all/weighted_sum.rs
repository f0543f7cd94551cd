//! Sums of losses, and label smoothing, which is a sum itself.

use compress_core::Result;
use compress_core::train::{Batch, Loss, Value};
use compress_distill::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, array};

use crate::losses::logits;

/// Σ over the values that it names of factor · Σ x² / 2, and the sum of the logits.
struct Reads {
    names: Vec<&'static str>,
    factor: f32,
}

impl Loss for Reads {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_values(&self) -> Vec<&str> {
        self.names.clone()
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.evaluate_with(logits, &mut [], batch, gradient)
    }

    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        assert_eq!(values.len(), self.names.len());
        gradient.fill(1.0);
        let mut sum = logits.sum();
        for (place, value) in (1..).zip(values) {
            // The place counts, so that a wrong order shows.
            let factor = self.factor * place as f32;
            sum += 0.5 * factor * value.rows.mapv(|x| x * x).sum();
            value.gradient.assign(&value.rows.mapv(|x| factor * x));
        }
        Ok(sum)
    }
}

fn batch<'a>(inputs: &'a Array2<f32>, labels: &'a [u32], indices: &'a [usize]) -> Batch<'a> {
    let inputs = inputs.view();
    Batch {
        inputs,
        labels,
        indices,
        epoch: 0,
    }
}

#[test]
fn each_part_gets_its_values_and_each_value_all_gradients() {
    let reads = |names: &[&'static str], factor| -> Box<dyn Loss> {
        let names = names.to_vec();
        Box::new(Reads { names, factor })
    };
    let parts = vec![
        (2.0, reads(&["b", "a"], 1.0)),
        (0.0, reads(&["left out"], 1.0)),
        (1.0, Box::new(HardLabels) as Box<dyn Loss>),
        (-0.5, reads(&["a", "c", "b"], 10.0)),
    ];
    let sum = WeightedSum::new(parts).unwrap();
    assert_eq!(sum.reads_values(), ["b", "a", "c"]);
    assert!(!sum.reads_inputs());
    let (b, a, c) = (
        array![[1.0], [2.0]],
        array![[3.0, 1.0], [0.0, 2.0]],
        array![[4.0], [0.0]],
    );
    let rows = [&b, &a, &c];
    let mut gradients = rows.map(|rows| Array2::from_elem(rows.raw_dim(), f32::NAN));
    let mut values: Vec<Value<'_>> = rows
        .iter()
        .zip(&mut gradients)
        .map(|(rows, gradient)| Value {
            rows: rows.view(),
            gradient: gradient.view_mut(),
        })
        .collect();
    let (logits, inputs) = (logits(2, 3, 2.0, 1), Array2::zeros((2, 0)));
    let batch = batch(&inputs, &[0, 2], &[0, 1]);
    let mut gradient = Array2::from_elem((2, 3), f32::NAN);
    let value = sum
        .evaluate_with(logits.view(), &mut values, &batch, gradient.view_mut())
        .unwrap();

    let mut hard_gradient = Array2::zeros((2, 3));
    let hard = HardLabels
        .evaluate(logits.view(), &batch, hard_gradient.view_mut())
        .unwrap();
    let half = |x: &Array2<f32>| 0.5 * x.mapv(|x| x * x).sum();
    let first = logits.sum() + half(&b) + 2.0 * half(&a);
    let last = logits.sum() + 10.0 * half(&a) + 20.0 * half(&c) + 30.0 * half(&b);
    assert!(
        (value - (2.0 * first + hard - 0.5 * last)).abs() < 1e-3,
        "{value}"
    );
    assert_eq!(gradients, [&b * (2.0 - 15.0), &a * (4.0 - 5.0), &c * -10.0]);
    for (g, hard) in gradient.iter().zip(&hard_gradient) {
        assert!((g - (2.0 + hard - 0.5)).abs() < 1e-6);
    }

    // Without its values, and with a gradient of another shape.
    let evaluated = sum.evaluate(logits.view(), &batch, gradient.view_mut());
    assert!(
        evaluated
            .unwrap_err()
            .to_string()
            .contains("values that the loss reads")
    );
    let mut narrow = [array![[0.0]], array![[0.0]], array![[0.0]]];
    let mut values: Vec<Value<'_>> = rows
        .iter()
        .zip(&mut narrow)
        .map(|(rows, gradient)| Value {
            rows: rows.view(),
            gradient: gradient.view_mut(),
        })
        .collect();
    let refused = sum.evaluate_with(logits.view(), &mut values, &batch, gradient.view_mut());
    assert!(refused.unwrap_err().to_string().contains("gradient of b"));
}

#[test]
fn of_soft_targets_and_labels_it_is_their_mean() {
    let (student, teacher) = (logits(3, 5, 3.0, 1), Teacher::Cached(logits(3, 5, 5.0, 2)));
    let inputs = Array2::zeros((3, 1));
    let batch = batch(&inputs, &[1, 0, 4], &[0, 1, 2]);
    let evaluate = |loss: &dyn Loss| {
        let mut gradient = Array2::zeros((3, 5));
        let value = loss
            .evaluate(student.view(), &batch, gradient.view_mut())
            .unwrap();
        (value, gradient)
    };
    let soft = SoftTargets::new(teacher.clone(), 4.0).unwrap();
    let sum = WeightedSum::new(vec![(0.75, Box::new(soft)), (0.25, Box::new(HardLabels))]).unwrap();
    assert_eq!(
        evaluate(&sum),
        evaluate(&Joint::new(teacher, 4.0, 0.75).unwrap())
    );
}

#[test]
fn sums_that_say_nothing_are_refused() {
    let hard = |weight| WeightedSum::new(vec![(weight, Box::new(HardLabels))]).err();
    assert!(hard(1.0).is_none() && hard(0.0).is_some());
    assert!(WeightedSum::new(vec![]).is_err());
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(
            hard(bad)
                .unwrap()
                .to_string()
                .contains("the weight of loss 1")
        );
    }
}

#[test]
fn label_smoothing_leaves_a_share_to_all_classes() {
    let student = logits(4, 5, 3.0, 1);
    let labels = [0, 4, 2, 2];
    let inputs = Array2::zeros((4, 1));
    let evaluate = |loss: &dyn Loss, student: &Array2<f32>, labels: &[u32]| {
        let mut gradient = Array2::from_elem((4, 5), f32::NAN);
        let batch = batch(&inputs, labels, &[5, 6, 7, 8]);
        let value = loss.evaluate(student.view(), &batch, gradient.view_mut())?;
        Ok::<_, compress_core::Error>((value, gradient))
    };
    let reference = |student: &Array2<f64>, share: f64| {
        let rows = student.rows().into_iter().zip(labels);
        let row = |(z, label): (ndarray::ArrayView1<'_, f64>, u32)| -> f64 {
            let sum = z.mapv(f64::exp).sum().ln();
            let cross = (sum - z[label as usize]) * (1.0 - share);
            cross + z.mapv(|z| sum - z).sum() * share / 5.0
        };
        rows.map(row).sum::<f64>() / 4.0
    };
    for share in [0.0, 0.1, 1.0] {
        let loss = LabelSmoothing::new(share).unwrap();
        let (value, gradient) = evaluate(&loss, &student, &labels).unwrap();
        let wide = student.mapv(f64::from);
        let at = |z: &Array2<f64>| reference(z, f64::from(share));
        assert!((f64::from(value) - at(&wide)).abs() < 1e-5);
        for (place, &g) in gradient.indexed_iter() {
            let moved = |h: f64| {
                let mut moved = wide.clone();
                moved[place] += h;
                at(&moved)
            };
            let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(g) - slope).abs() < 1e-5, "{g} {slope}");
        }
    }
    let none = LabelSmoothing::new(0.0).unwrap();
    let hard = evaluate(&HardLabels, &student, &labels).unwrap();
    assert_eq!(evaluate(&none, &student, &labels).unwrap(), hard);
    let smooth = LabelSmoothing::default();
    let far = student.mapv(|x| x * 3e3);
    let (value, gradient) = evaluate(&smooth, &far, &labels).unwrap();
    assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()));
    assert!(evaluate(&smooth, &student, &[]).is_err());
    let error = evaluate(&smooth, &student, &[0, 1, 5, 0])
        .unwrap_err()
        .to_string();
    assert!(error.contains("label 5 of sample 7"), "{error}");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut broken = student.clone();
        broken[(1, 1)] = bad;
        assert!(evaluate(&smooth, &broken, &labels).is_err());
    }
}
