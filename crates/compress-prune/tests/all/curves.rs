//! Sensitivity curves against plain definitions, and what they refuse.

use compress_core::mask::TensorScores;
use compress_core::observe::OnSamples;
use compress_core::{Error as CoreError, structured};
use compress_prune::*;
use compress_testing::{Chain, blobs};
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

/// The values with all but the `round(density · n)` largest magnitudes set to zero.
pub(crate) fn pruned(values: &[f32], density: f64) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[j].abs().total_cmp(&values[i].abs()).then(i.cmp(&j)));
    let mut out = values.to_vec();
    let kept = (density * values.len() as f64).round() as usize;
    order[kept..].iter().for_each(|&i| out[i] = 0.0);
    out
}

pub(crate) fn bits(model: &(impl Parameters + ?Sized)) -> Vec<u32> {
    let mut bits = Vec::new();
    let see = &mut |tensor: TensorRef<'_>| {
        bits.extend(tensor.values.iter().map(|w| w.to_bits()));
        Ok(())
    };
    model.visit(see).unwrap();
    bits
}

fn magnitudes(model: &Chain) -> Scores {
    score(model, &Magnitude, &Known::nothing()).unwrap()
}

/// The output of the last of three layers for each row, in f64.
fn outputs(model: &Chain, inputs: &[Vec<f64>]) -> Vec<f64> {
    let mut rows = inputs.to_vec();
    for (layer, pair) in model.parameters.chunks(2).enumerate() {
        let last = layer + 1 == model.parameters.len() / 2;
        for row in &mut rows {
            let product = |(w, b): (&[f32], &f32)| {
                let products = w.iter().zip(row.iter()).map(|(w, x)| f64::from(*w) * x);
                let sum = products.sum::<f64>() + f64::from(*b);
                if last { sum } else { sum.max(0.0) }
            };
            let weights = pair[0].values().chunks(pair[0].shape()[1]);
            *row = weights.zip(pair[1].values()).map(product).collect();
        }
    }
    rows.concat()
}

#[test]
fn each_tensor_is_pruned_alone_and_the_output_error_is_that_of_the_formula() {
    let mut model = Chain::random(&[6, 10, 8, 3], 1);
    // More than one batch.
    let data = blobs(600, 6, 3, 1);
    let rows = data.inputs();
    let rows: Vec<Vec<f64>> = rows
        .rows()
        .into_iter()
        .map(|r| r.iter().map(|&x| x.into()).collect())
        .collect();
    let before = (bits(&model), outputs(&model, &rows));
    let scores = magnitudes(&model);
    let original = Recorded::of(&OnSamples::new(&model, &data), "layers.2").unwrap();
    let densities = [0.25, 0.75, 0.5, 0.0, 0.75];
    let measure = &mut |m: &Chain| relative_error(&original, &OnSamples::new(m, &data), "layers.2");
    let curves = sensitivity(&mut model, &scores, &Global::default(), &densities, measure).unwrap();
    assert_eq!(bits(&model), before.0);
    assert_eq!((curves.base_error, curves.tensors.len()), (0.0, 3));
    for (layer, curve) in curves.tensors.iter().enumerate() {
        assert_eq!(curve.name, format!("layers.{layer}.weight"));
        assert_eq!(curve.values, model.parameters[2 * layer].values().len());
        let found: Vec<f64> = curve.points.iter().map(|p| p.density).collect();
        assert_eq!(found, [0.75, 0.5, 0.25, 0.0]);
        for point in &curve.points {
            let mut other = model.clone();
            let values = pruned(other.parameters[2 * layer].values(), point.density);
            other.parameters[2 * layer]
                .values_mut()
                .copy_from_slice(&values);
            let pairs = || before.1.iter().zip(outputs(&other, &rows));
            let difference: f64 = pairs().map(|(y, p)| (y - p) * (y - p)).sum();
            let expected = difference / before.1.iter().map(|y| y * y).sum::<f64>();
            let error = point.error.unwrap();
            assert!(
                (error - expected).abs() < 1e-5 * expected,
                "{error} {expected}"
            );
            // A copy of the model is as good as a record of it.
            let of = |m| OnSamples::new(m, &data);
            let two = relative_error(&of(&model), &of(&other), "layers.2").unwrap();
            assert_eq!(two.to_bits(), error.to_bits());
        }
    }
    let bytes = structured::to_bytes(&curves).unwrap();
    assert_eq!(curves, structured::from_all_bytes(&bytes).unwrap());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let mut model = Chain::random(&[4, 5, 3], 1);
    let data = blobs(8, 4, 3, 1);
    let error = Recorded::of(&OnSamples::new(&model, &data), "layers.9").unwrap_err();
    assert!(error.to_string().contains("layers.9"), "{error}");
    let original = Recorded::of(&OnSamples::new(&model, &data), "layers.1").unwrap();
    let error = relative_error(&original, &OnSamples::new(&model, &data), "layers.0").unwrap_err();
    assert!(error.to_string().contains("layers.0"), "{error}");
    model.parameters[2].values_mut().fill(0.0);
    model.parameters[3].values_mut().fill(0.0);
    let silent = OnSamples::new(&model, &data);
    let error = relative_error(&silent, &silent, "layers.1").unwrap_err();
    assert!(
        error.to_string().contains("layers.1 in the original"),
        "{error}"
    );
    assert_eq!(relative_error(&original, &silent, "layers.1").unwrap(), 1.0);
}

/// Scores of one tensor `w` of one axis.
fn scores_of(values: &[f32]) -> Scores {
    Scores {
        tensors: vec![TensorScores {
            name: "w".into(),
            shape: vec![values.len()],
            values: values.to_vec(),
        }],
    }
}

fn zeros(model: &Lent<'_>) -> usize {
    bits(model).iter().filter(|&&bits| bits == 0).count()
}

#[test]
fn odd_bits_come_back_and_errors_that_are_not_finite_have_no_point() {
    let odd = f32::from_bits(0x7fc0_1234);
    let mut w = array![odd, -0.0, f32::INFINITY, 1e-40, -5.0, 6.0, 7.0, 8.0];
    let before: Vec<u32> = w.iter().map(|w| w.to_bits()).collect();
    let mut model = Lent::new().weight("w", w.view_mut()).unwrap();
    let scores = scores_of(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let mut calls = 0;
    let densities = [1.0, 0.75, 0.5, 0.25, 0.0];
    let curves = sensitivity(&mut model, &scores, &PerLayer, &densities, &mut |model| {
        calls += 1;
        match zeros(model) {
            2 => Ok(f64::NAN),
            4 => Err(CoreError::check_finite("the logits", &[odd]).unwrap_err()),
            6 => Ok(f64::INFINITY),
            zeros => Ok(zeros as f64),
        }
    });
    let curves = curves.unwrap();
    let errors: Vec<Option<f64>> = curves.tensors[0].points.iter().map(|p| p.error).collect();
    assert_eq!(errors, [Some(0.0), None, None, None, Some(8.0)]);
    // All that stays at density 1 is the model as it is.
    assert_eq!((calls, bits(&model)), (5, before.clone()));
    assert_eq!(curves.rises("w").unwrap(), [(1.0, 0.0), (0.0, 8.0)]);

    let failing = &mut |model: &Lent<'_>| match zeros(model) {
        0 => Ok(0.0),
        zeros => Err(CoreError::invalid("zeros", zeros, "none")),
    };
    let error = sensitivity(&mut model, &scores, &PerLayer, &[0.5], failing).unwrap_err();
    assert_eq!(error.to_string(), "zeros is 4, but must be none");
    assert_eq!(bits(&model), before);
}

#[test]
fn nothing_is_measured_where_something_cannot_be() {
    let mut w = Array1::from_elem(8, 1.0);
    let mut model = Lent::new().weight("w", w.view_mut()).unwrap();
    let scores = scores_of(&[1.0; 8]);
    let mut foreign = scores.clone();
    foreign.tensors[0].name = "v".into();
    let mut twice = scores.clone();
    twice.tensors.push(scores.tensors[0].clone());
    let never = &mut |_: &Lent<'_>| panic!("measured");
    for (scores, densities, message) in [
        (&scores, &[0.5, 1.5][..], "a density is 1.5"),
        (&scores, &[f64::NAN], "a density is NaN"),
        (&scores, &[], "the list of densities is empty"),
        (&scores, &[0.5, 0.01], "the density of w is 0.01"),
        (
            &Scores::default(),
            &[0.5],
            "the list of scored tensors is empty",
        ),
        (&scores_of(&[1.0; 7]), &[0.5], "w: expected shape"),
        (
            &scores_of(&[f32::NAN; 8]),
            &[0.5],
            "the score of w at index 0 is NaN",
        ),
        (&foreign, &[0.5], "no tensor named \"v\""),
        (&twice, &[0.5], "one tensor twice"),
    ] {
        let found = sensitivity(&mut model, scores, &PerLayer, densities, never);
        let error = found.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let nan = &mut |_: &Lent<'_>| Ok(f64::NAN);
    let error = sensitivity(&mut model, &scores, &PerLayer, &[0.5], nan).unwrap_err();
    assert!(
        error.to_string().contains("before pruning is NaN"),
        "{error}"
    );
}

#[test]
fn a_structure_is_applied_to_each_tensor() {
    let mut w = Array1::from_vec((1..=8).map(|w| w as f32).collect());
    let mut model = Lent::new().weight("w", w.view_mut()).unwrap();
    let scores = scores_of(&[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    let sum = &mut |model: &Lent<'_>| {
        Ok(bits(model)
            .iter()
            .map(|&w| f64::from(f32::from_bits(w)))
            .sum())
    };
    let curves = sensitivity(&mut model, &scores, &NOfM::default(), &[0.5], sum).unwrap();
    // Of 1, 2, 3, 4 and of 5, 6, 7, 8 the first two stay.
    assert_eq!(curves.tensors[0].points[0].error, Some(14.0));
    // One row of eight values, of which half a row rounds to all.
    let mut row = Array2::from_elem((1, 8), 2.0);
    let mut model = Lent::new().weight("w", row.view_mut()).unwrap();
    let mut scores = scores_of(&[1.0; 8]);
    scores.tensors[0].shape = vec![1, 8];
    let curves = sensitivity(&mut model, &scores, &Rows, &[0.5], sum).unwrap();
    assert_eq!(curves.tensors[0].points[0].error, Some(16.0));
}

#[test]
fn a_structure_that_keeps_a_tensor_whole_at_every_density_is_refused() {
    let mut w = Array1::from_elem(8, 1.0);
    let mut model = Lent::new().weight("w", w.view_mut()).unwrap();
    let never = &mut |_: &Lent<'_>| panic!("measured");
    let structure = Uniform::default();
    let found = sensitivity(
        &mut model,
        &scores_of(&[1.0; 8]),
        &structure,
        &[0.75],
        never,
    );
    let error = found.unwrap_err().to_string();
    assert!(
        error.contains("prunes w alone is uniform") && error.contains("to the density 0.75"),
        "{error}"
    );
}

proptest! {
    /// The nearest curve that never falls, by the min-max formula of isotonic regression.
    #[test]
    fn rises_never_fall_and_are_nearest(
        errors in prop::collection::vec(prop::option::weighted(0.9, -5.0..5.0_f64), 0..9),
        base_error in -3.0..3.0_f64,
    ) {
        let point = |(i, &error)| SensitivityPoint { density: 1.0 / (i + 1) as f64, error };
        let mut points: Vec<SensitivityPoint> = errors.iter().enumerate().map(point).collect();
        points.reverse();
        let name = "w".to_owned();
        let curves = Sensitivity {
            base_error,
            tensors: vec![TensorSensitivity { name, values: 3, points }],
        };
        let finite: Vec<f64> = errors.iter().flatten().map(|error| error - base_error).collect();
        let mean = |from: usize, to: usize| {
            finite[from..=to].iter().sum::<f64>() / (to - from + 1) as f64
        };
        let found = curves.rises("w").unwrap();
        prop_assert!(found.is_sorted_by(|a, b| a.0 > b.0 && a.1 <= b.1));
        prop_assert_eq!(found.len(), finite.len());
        for (i, (_, rise)) in found.iter().enumerate() {
            let least = |from| (i..finite.len()).map(|to| mean(from, to)).fold(f64::INFINITY, f64::min);
            let expected = (0..=i).map(least).fold(f64::NEG_INFINITY, f64::max).max(0.0);
            prop_assert!((rise - expected).abs() < 1e-12, "{} {}", rise, expected);
        }
        prop_assert!(curves.rises("v").is_err());
    }
}
