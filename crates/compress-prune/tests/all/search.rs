//! The search for the highest sparsity, against all allocations.

use compress_core::mask::TensorScores;
use compress_core::observe::OnSamples;
use compress_core::structured;
use compress_core::train::Fit;
use compress_prune::*;
use compress_testing::{Chain, CrossEntropy, Sgd, blobs, normal};
use ndarray::Array1;
use proptest::prelude::*;

use crate::curves::{bits, pruned};

const DENSITIES: [f64; 5] = [0.7, 0.5, 0.3, 0.2, 0.1];

/// All combinations of the numbers below `options`, one for each of `tensors`.
fn combinations(tensors: usize, options: usize) -> Vec<Vec<usize>> {
    let all = 0..options.pow(tensors as u32);
    let digits = |n: usize| {
        (0..tensors)
            .map(|t| n / options.pow(t as u32) % options)
            .collect()
    };
    all.map(digits).collect()
}

/// The density of an option: 1 and then the others.
fn density(option: usize) -> f64 {
    [1.0, 0.7, 0.5, 0.3, 0.2, 0.1][option]
}

fn trained() -> Chain {
    let mut trainer = Sgd::new(Chain::random(&[8, 20, 12, 4], 1));
    trainer
        .fit(&blobs(256, 8, 4, 1), &CrossEntropy, &mut [])
        .unwrap();
    trainer.network
}

/// Checks what holds of every front.
fn check_front(found: &DensitySearch, options: &SearchOptions) {
    let front = &found.front;
    assert!(front.len() <= options.measurements + 1);
    assert!(front.is_sorted_by_key(|point| point.kept));
    let beaten = |i: usize| {
        let (a, mut others) = (&front[i], front.iter().enumerate());
        others.any(|(j, b)| {
            let (Some(mine), Some(error)) = (a.error, b.error) else {
                return a.error.is_none();
            };
            let no_worse = b.kept <= a.kept && error <= mine;
            no_worse && (b.kept < a.kept || error < mine || j < i)
        })
    };
    for (i, point) in front.iter().enumerate() {
        assert_eq!(point.dominated, beaten(i), "{front:?}");
        let differs = |other: &FrontPoint| other.densities != point.densities;
        assert!(front[i + 1..].iter().all(differs));
    }
    let best = front
        .iter()
        .find(|point| point.kept == found.mask.kept() && point.error == Some(found.error));
    let densities: Vec<f64> = found.tensors.iter().map(|tensor| tensor.density).collect();
    assert_eq!(best.unwrap().densities, densities);
    assert!(
        front
            .last()
            .unwrap()
            .densities
            .iter()
            .all(|&density| density == 1.0)
    );
}

#[test]
fn on_a_trained_chain_it_is_near_the_best_of_all_allocations() {
    let mut model = trained();
    let before = bits(&model);
    let data = blobs(128, 8, 4, 2);
    let original = Recorded::of(&OnSamples::new(&model, &data), "layers.2").unwrap();
    let measure = &mut |m: &Chain| relative_error(&original, &OnSamples::new(m, &data), "layers.2");
    let all = combinations(3, 6).into_iter().map(|choices| {
        let (mut other, mut kept) = (model.clone(), 0);
        for (tensor, &choice) in choices.iter().enumerate() {
            let weight = other.parameters[2 * tensor].values_mut();
            let values = pruned(weight, density(choice));
            kept += (density(choice) * weight.len() as f64).round() as usize;
            weight.copy_from_slice(&values);
        }
        (kept, measure(&other).unwrap())
    });
    let all: Vec<(usize, f64)> = all.collect();
    let scores = score(&model, &Magnitude, &Known::nothing()).unwrap();
    let structure = Global::default();
    let curves = sensitivity(&mut model, &scores, &structure, &DENSITIES, measure).unwrap();
    for budget in [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 10.0] {
        let options = SearchOptions::within(budget);
        let found =
            search_densities(&mut model, &scores, &structure, &curves, &options, measure).unwrap();
        assert_eq!(bits(&model), before);
        check_front(&found, &options);
        let within = all.iter().filter(|(_, error)| *error <= budget);
        let best = within.map(|(kept, _)| *kept).min().unwrap();
        let kept = found.mask.kept();
        assert!(found.error <= budget && kept >= best);
        assert!(kept as f64 <= 1.05 * best as f64, "{budget}: {kept} {best}");
        let mut copy = model.clone();
        found.mask.apply(&mut copy).unwrap();
        assert_eq!(measure(&copy).unwrap(), found.error);
        for (tensor, mask) in found.tensors.iter().zip(&found.mask.tensors) {
            assert_eq!(tensor.name, mask.name);
            assert_eq!(
                (tensor.values, tensor.kept),
                (mask.keep.len(), mask.keep.iter().filter(|k| **k).count())
            );
        }
        let bytes = structured::to_bytes(&found).unwrap();
        assert_eq!(found, structured::from_all_bytes(&bytes).unwrap());
    }
}

/// Tensors `w0`, `w1`, … with these numbers of values, and scores by magnitude.
fn tensors(sizes: &[usize]) -> (Vec<Array1<f32>>, Scores) {
    let named = |(i, &size): (usize, &usize)| (format!("w{i}"), normal(1, &format!("w{i}"), size));
    let arrays: Vec<(String, Vec<f32>)> = sizes.iter().enumerate().map(named).collect();
    let scores = arrays.iter().map(|(name, values)| TensorScores {
        name: name.clone(),
        shape: vec![values.len()],
        values: values.iter().map(|w| w.abs()).collect(),
    });
    let scores = Scores {
        tensors: scores.collect(),
    };
    (
        arrays
            .into_iter()
            .map(|(_, w)| Array1::from_vec(w))
            .collect(),
        scores,
    )
}

fn lent(arrays: &mut [Array1<f32>]) -> Lent<'_> {
    let named = arrays.iter_mut().enumerate();
    named.fold(Lent::new(), |lent, (i, array)| {
        lent.weight(&format!("w{i}"), array.view_mut()).unwrap()
    })
}

/// For each tensor the fraction of values that are zero.
fn sparsities(model: &Lent<'_>) -> Vec<f64> {
    let mut found = Vec::new();
    let see = &mut |tensor: TensorRef<'_>| {
        let zeros = tensor.values.iter().filter(|w| **w == 0.0).count();
        found.push(zeros as f64 / tensor.values.len() as f64);
        Ok(())
    };
    model.visit(see).unwrap();
    found
}

/// What pruning of each tensor costs alone.
fn cost(sparsities: &[f64], factors: &[f64]) -> f64 {
    sparsities
        .iter()
        .zip(factors)
        .map(|(s, factor)| factor * s * s)
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn where_errors_add_up_it_is_the_best_of_all(
        sizes in prop::collection::vec(10_usize..80, 1..5),
        factors in prop::collection::vec(0.1..10.0_f64, 4),
        share in 0.0..1.0_f64,
    ) {
        let (mut arrays, scores) = tensors(&sizes);
        let mut model = lent(&mut arrays);
        let measure = &mut |model: &Lent<'_>| Ok(cost(&sparsities(model), &factors));
        let structure = Global::default();
        let curves = sensitivity(&mut model, &scores, &structure, &DENSITIES, measure).unwrap();
        let budget = share * factors[..sizes.len()].iter().sum::<f64>();
        let options = SearchOptions::within(budget);
        let found =
            search_densities(&mut model, &scores, &structure, &curves, &options, measure).unwrap();
        check_front(&found, &options);
        let kept = |choices: &[usize]| -> Vec<usize> {
            let pairs = sizes.iter().zip(choices);
            pairs.map(|(&n, &c)| (density(c) * n as f64).round() as usize).collect()
        };
        let mut best = usize::MAX;
        for choices in combinations(sizes.len(), 6) {
            let kept = kept(&choices);
            let pruned: Vec<f64> = kept.iter().zip(&sizes).map(|(&k, &n)| (n - k) as f64 / n as f64).collect();
            if cost(&pruned, &factors) <= budget {
                best = best.min(kept.iter().sum());
            }
        }
        prop_assert_eq!(found.mask.kept(), best);
    }
}

#[test]
fn the_measured_error_counts_and_not_the_sum_of_the_curves() {
    let (mut arrays, scores) = tensors(&[50, 50, 50]);
    let mut model = lent(&mut arrays);
    // Alone each tensor costs nothing; two together do.
    let measure = &mut |model: &Lent<'_>| {
        let s = sparsities(model);
        Ok(s[0] * s[1] + s[1] * s[2] + s[2] * s[0])
    };
    let curves = sensitivity(&mut model, &scores, &PerLayer, &DENSITIES, measure).unwrap();
    for budget in [0.0, 0.05, 0.3, 1.0] {
        let options = SearchOptions::within(budget);
        let found = search_densities(&mut model, &scores, &PerLayer, &curves, &options, measure);
        let found = found.unwrap();
        check_front(&found, &options);
        assert!(found.error <= budget);
        // One tensor at the lowest density is always possible.
        assert!(found.mask.kept() <= 105, "{budget}: {}", found.mask.kept());
    }
}

#[test]
fn one_tensor_gets_the_lowest_density_within_the_budget() {
    let (mut arrays, scores) = tensors(&[40]);
    let mut model = lent(&mut arrays);
    let measure = &mut |model: &Lent<'_>| Ok(1.0 + sparsities(model)[0]);
    let curves = sensitivity(&mut model, &scores, &PerLayer, &DENSITIES, measure).unwrap();
    for (budget, density) in [(1.0, 1.0), (1.31, 0.7), (1.71, 0.3), (f64::INFINITY, 0.1)] {
        let options = SearchOptions::within(budget);
        let found = search_densities(&mut model, &scores, &PerLayer, &curves, &options, measure);
        assert_eq!(found.unwrap().tensors[0].density, density, "{budget}");
    }
}

#[test]
fn a_density_without_a_finite_error_is_never_tried() {
    let (mut arrays, scores) = tensors(&[40, 60]);
    let mut model = lent(&mut arrays);
    let measure = &mut |model: &Lent<'_>| {
        let s = sparsities(model);
        let forbidden = s[0] > 0.45 && s[0] < 0.75;
        // Both together at their lowest cannot be measured either.
        Ok(if forbidden || s[0] + s[1] > 1.75 {
            f64::NAN
        } else {
            s[0] + s[1]
        })
    };
    let curves = sensitivity(&mut model, &scores, &PerLayer, &DENSITIES, measure).unwrap();
    let options = SearchOptions::within(f64::INFINITY);
    let found = search_densities(&mut model, &scores, &PerLayer, &curves, &options, measure);
    let found = found.unwrap();
    check_front(&found, &options);
    assert!(
        found
            .front
            .iter()
            .all(|point| ![0.5, 0.3].contains(&point.densities[0]))
    );
    assert!(
        found
            .front
            .iter()
            .any(|point| point.error.is_none() && point.dominated)
    );
    // 0.2 of 40 and 0.1 of 60 stay; 0.1 and 0.1 is not allowed, 0.1 and 0.2 keeps more.
    assert_eq!(found.mask.kept(), 14);
}

#[test]
fn few_measurements_give_what_they_found() {
    let (mut arrays, scores) = tensors(&[40, 60]);
    let mut model = lent(&mut arrays);
    let measure = &mut |model: &Lent<'_>| Ok(cost(&sparsities(model), &[1.0, 2.0]));
    let curves = sensitivity(&mut model, &scores, &PerLayer, &DENSITIES, measure).unwrap();
    let mut kept = Vec::new();
    for measurements in [0, 1, 4, 9, 64] {
        let options = SearchOptions {
            budget: 1.2,
            measurements,
        };
        let found = search_densities(&mut model, &scores, &PerLayer, &curves, &options, measure);
        let found = found.unwrap();
        check_front(&found, &options);
        assert!(found.error <= 1.2);
        kept.push(found.mask.kept());
    }
    assert_eq!(kept[0], 100);
    assert!(
        kept.is_sorted_by(|a, b| a >= b) && kept[4] < kept[1],
        "{kept:?}"
    );
}

#[test]
fn what_cannot_be_searched_is_refused_before_anything_is_pruned() {
    let (mut arrays, scores) = tensors(&[40]);
    let mut model = lent(&mut arrays);
    let before = bits(&model);
    let measure = &mut |model: &Lent<'_>| Ok(1.0 + sparsities(model)[0]);
    let curves = sensitivity(&mut model, &scores, &PerLayer, &DENSITIES, measure).unwrap();
    let change = |change: &dyn Fn(&mut Sensitivity)| {
        let mut changed = curves.clone();
        change(&mut changed);
        changed
    };
    let renamed = change(&|c| c.tensors[0].name = "v".into());
    let resized = change(&|c| c.tensors[0].values = 41);
    let wrong = change(&|c| c.tensors[0].points[0].density = 1.5);
    for (curves, budget, message) in [
        (
            &curves,
            0.9,
            "the error budget is 0.9, but must be at least 1, the error before",
        ),
        (&curves, f64::NAN, "the error budget is NaN"),
        (&renamed, 2.0, "no tensor named \"w0\"; the names are v"),
        (&resized, 2.0, "values of w0 in the sensitivity"),
        (&wrong, 2.0, "a density of a sensitivity is 1.5"),
    ] {
        let options = SearchOptions::within(budget);
        let mut whole = |model: &Lent<'_>| {
            assert_eq!(bits(model), before);
            Ok(1.0)
        };
        let found = search_densities(&mut model, &scores, &PerLayer, curves, &options, &mut whole);
        let error = found.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
