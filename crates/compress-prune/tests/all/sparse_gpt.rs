//! SparseGPT, against the paper's algorithm column by column, and against masks alone.

use compress_core::calibrate::{Gram, InputGram};
use compress_core::network::Forward;
use compress_core::observe::{OnSamples, Place, WithSamples, observe};
use compress_core::samples::ArraySamples;
use compress_core::tensor::TensorRef;
use compress_core::{Error as CoreError, kernels};
use compress_prune::*;
use compress_testing::{Chain, blobs, normal};
use ndarray::{Array2, ArrayView2, s};

/// Samples whose features are mixtures of a few, of different sizes, with some noise.
fn correlated(samples: usize, features: usize, seed: u64) -> Array2<f32> {
    let latent = features.div_ceil(4);
    let draw = |name: &str, rows, columns| {
        let values = normal(seed, name, rows * columns);
        Array2::from_shape_vec((rows, columns), values).unwrap()
    };
    let (hidden, mix) = (
        draw("hidden", samples, latent),
        draw("mix", latent, features),
    );
    let noise = draw("noise", samples, features);
    Array2::from_shape_fn((samples, features), |(i, j)| {
        let sum: f32 = (0..latent).map(|k| hidden[(i, k)] * mix[(k, j)]).sum();
        (sum + 0.5 * noise[(i, j)]) * (0.3 + (j * 7 % 10) as f32 / 5.0)
    })
}

fn gram_of(inputs: ArrayView2<'_, f32>) -> InputGram {
    let mut matrix = Array2::zeros((inputs.ncols(), inputs.ncols()));
    let init = kernels::gemm_f32::Init::Zero;
    kernels::gemm_f32::gemm(inputs.t(), inputs, init, matrix.view_mut()).unwrap();
    let samples = inputs.nrows();
    InputGram { samples, matrix }
}

/// By Gauss–Jordan elimination.
fn inverse(mut a: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut inverse = Array2::eye(n);
    for j in 0..n {
        let pivot = a[(j, j)];
        for m in [&mut a, &mut inverse] {
            m.row_mut(j).mapv_inplace(|x| x / pivot);
        }
        for i in (0..n).filter(|&i| i != j) {
            let factor = a[(i, j)];
            for m in [&mut a, &mut inverse] {
                let row = m.row(j).to_owned();
                m.row_mut(i).scaled_add(-factor, &row);
            }
        }
    }
    inverse
}

/// The positions of the `count` largest scores.
fn best(mut scored: Vec<(f64, (usize, usize))>, count: usize) -> Vec<(usize, usize)> {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(count).map(|(_, at)| at).collect()
}

/// Algorithm 1 of the paper, one column after the other over all columns behind it; the inverse is
/// that of what is left of the Hessian, found by eliminating one column after the other from it.
fn plain(
    weight: &Array2<f32>,
    gram: &Array2<f32>,
    pattern: Pattern,
    block: usize,
) -> (Array2<f64>, Array2<bool>) {
    let (rows, columns) = weight.dim();
    let mut weight = weight.mapv(f64::from);
    let mut hessian = gram.mapv(f64::from);
    let live: Vec<bool> = hessian.diag().iter().map(|&d| d > 0.0).collect();
    let count = live.iter().filter(|&&live| live).count() as f64;
    let mean = hessian.diag().sum() / count;
    for j in 0..columns {
        if !live[j] {
            weight.column_mut(j).fill(0.0);
            hessian[(j, j)] = mean;
        }
        hessian[(j, j)] += 0.01 * mean;
    }
    let mut left = inverse(hessian);
    let mut steps = Vec::new();
    for j in 0..columns {
        let step = left.row(j).to_owned();
        for i in 0..columns {
            let factor = left[(i, j)] / step[j];
            left.row_mut(i).scaled_add(-factor, &step);
        }
        steps.push(step);
    }
    let mut keep = Array2::from_elem((rows, columns), false);
    // How many of each column stay, ranked before anything is moved.
    let mut planned = vec![0; columns];
    if let Pattern::Density(density) = pattern {
        let wanted = (density * (rows * columns) as f64).round() as usize;
        let all = (0..columns).filter(|&j| live[j]);
        let all = all.flat_map(|j| (0..rows).map(move |row| (row, j)));
        let scored = all.map(|(row, j)| (weight[(row, j)].powi(2) / steps[j][j], (row, j)));
        best(scored.collect(), wanted)
            .into_iter()
            .for_each(|(_, j)| planned[j] += 1);
    }
    for j in 0..columns {
        let score = |row: usize, j: usize| (weight[(row, j)].powi(2) / steps[j][j], (row, j));
        match pattern {
            Pattern::Density(_) if j % block == 0 => {
                let end = columns.min(j + block);
                let columns = (j..end).filter(|&j| live[j]).collect::<Vec<_>>();
                let scored = columns
                    .iter()
                    .flat_map(|&j| (0..rows).map(move |row| (row, j)));
                let scored = scored.map(|(row, j)| score(row, j)).collect();
                let chosen = best(scored, planned[j..end].iter().sum());
                chosen.into_iter().for_each(|at| keep[at] = true);
            }
            Pattern::NOfM { n, m } if j % m == 0 => {
                for row in 0..rows {
                    let scored = (j..columns.min(j + m)).map(|j| score(row, j)).collect();
                    best(scored, n).into_iter().for_each(|at| keep[at] = true);
                }
            }
            _ => {}
        }
        for row in 0..rows {
            keep[(row, j)] &= live[j];
            if !keep[(row, j)] {
                let factor = weight[(row, j)] / steps[j][j];
                let ahead = steps[j].slice(s![j..]);
                weight.slice_mut(s![row, j..]).scaled_add(-factor, &ahead);
                weight[(row, j)] = 0.0;
            }
        }
    }
    (weight, keep)
}

/// ‖X·(A − B)ᵀ‖².
fn output_error(inputs: &Array2<f32>, a: &Array2<f32>, b: &Array2<f64>) -> f64 {
    let mut error = 0.0;
    for (a, b) in a.rows().into_iter().zip(b.rows()) {
        let d: Vec<f64> = a.iter().zip(b).map(|(&a, b)| f64::from(a) - b).collect();
        for x in inputs.rows() {
            let y: f64 = x.iter().zip(&d).map(|(&x, d)| f64::from(x) * d).sum();
            error += y * y;
        }
    }
    error
}

#[test]
fn it_is_the_algorithm_of_the_paper() {
    let (rows, columns) = (24, 45);
    let weight = normal(1, "weight", rows * columns);
    let weight = Array2::from_shape_vec((rows, columns), weight).unwrap();
    let mut inputs = correlated(300, columns, 2);
    inputs.column_mut(5).fill(0.0);
    let gram = gram_of(inputs.view());
    for (pattern, block) in [
        (Pattern::Density(0.5), 128),
        (Pattern::Density(0.37), 16),
        (Pattern::Density(0.1), 1),
        (Pattern::Density(0.0), 7),
        (Pattern::NOfM { n: 2, m: 4 }, 16),
        (Pattern::NOfM { n: 1, m: 8 }, 9),
        (Pattern::NOfM { n: 3, m: 70 }, 128),
    ] {
        let pruner = SparseGpt {
            block,
            ..SparseGpt::new(pattern)
        };
        let (shape, values) = ([rows, 3, 15], weight.as_slice().unwrap());
        let tensor = TensorRef::weight("w", &shape, values).unwrap();
        let pruned = pruner.prune_weight(tensor, &gram).unwrap();
        let (expected, keep) = plain(&weight, &gram.matrix, pattern, block);
        assert_eq!(pruned.keep, keep.into_raw_vec_and_offset().0, "{pattern:?}");
        let zeros = pruned
            .values
            .iter()
            .zip(&pruned.keep)
            .filter(|(_, keep)| !**keep);
        assert!(zeros.into_iter().all(|(w, _)| w.to_bits() == 0));
        let found = pruned.values.iter().map(|&w| f64::from(w)).collect();
        let found = Array2::from_shape_vec((rows, columns), found).unwrap();
        let error = output_error(&inputs, &weight, &expected);
        let apart = output_error(&inputs, &expected.mapv(|w| w as f32), &found);
        assert!(apart <= 1e-6 * error, "{pattern:?}: {apart} of {error}");
        assert!((output_error(&inputs, &weight, &found) - error).abs() <= 1e-3 * error);
    }
}

#[test]
fn as_many_weights_stay_as_asked_for_whatever_the_blocks() {
    let weight = normal(3, "weight", 7 * 50);
    for dead in [0, 1, 20] {
        let mut inputs = correlated(80, 50, 4);
        // Dead columns at both ends, and between.
        (0..dead).for_each(|i| inputs.column_mut(i * 37 % 50).fill(0.0));
        let gram = gram_of(inputs.view());
        for density in [0.0, 0.003, 0.21, 0.5, 0.777, 1.0] {
            for block in [1, 3, 16, 50, usize::MAX] {
                let pruner = SparseGpt {
                    block,
                    ..SparseGpt::new(Pattern::Density(density))
                };
                let tensor = TensorRef::weight("w", &[7, 50], &weight).unwrap();
                let pruned = pruner.prune_weight(tensor, &gram).unwrap();
                let kept = pruned.keep.iter().filter(|&&keep| keep).count();
                let wanted = (density * 350.0).round() as usize;
                let most = 7 * (50 - dead);
                assert_eq!(kept, wanted.min(most), "{dead} {density} {block}");
                if density == 1.0 {
                    let live = pruned.keep.iter().zip(&weight);
                    let expected = live.map(|(&live, &w)| if live { w } else { 0.0 });
                    assert!(expected.eq(pruned.values.iter().copied()));
                }
            }
        }
    }
}

#[test]
fn outputs_change_less_than_under_a_mask_alone() {
    for seed in [1, 2, 3] {
        let network = Chain::normal(&[48, 32], seed);
        let samples = ArraySamples::new(correlated(400, 48, seed), vec![]).unwrap();
        let needs = Needs {
            inputs: true,
            ..Needs::default()
        };
        let known = Known::by_observing(&OnSamples::new(&network, &samples), needs).unwrap();
        let before = network.forward(samples.inputs()).unwrap();
        let error = |pruned: &Chain| {
            let after = pruned.forward(samples.inputs()).unwrap();
            let squares = before
                .iter()
                .zip(&after)
                .map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>()
        };
        let masked = |criterion: &dyn Criterion, structure: &dyn Structure| {
            let mut pruned = network.clone();
            let scores = score(&pruned, criterion, &known).unwrap();
            structure
                .mask(&scores, 0.5)
                .unwrap()
                .apply(&mut pruned)
                .unwrap();
            error(&pruned)
        };
        for (pattern, structure) in [
            (Pattern::Density(0.5), &PerRow as &dyn Structure),
            (Pattern::NOfM { n: 2, m: 4 }, &NOfM::default()),
        ] {
            let mut pruned = network.clone();
            let mut model = WithSamples::new(&mut pruned, &samples);
            let mask = SparseGpt::new(pattern).prune(&mut model).unwrap();
            assert_eq!(mask.density(), 0.5);
            let sparse_gpt = error(&pruned);
            let [wanda, magnitude] =
                [&Wanda as &dyn Criterion, &Magnitude].map(|c| masked(c, structure));
            assert!(
                sparse_gpt < 0.7 * wanda && wanda < magnitude,
                "{sparse_gpt} {wanda} {magnitude}"
            );
        }
    }
}

#[test]
fn a_model_is_pruned_in_order_and_later_weights_see_earlier_ones() {
    let mut network = Chain::normal(&[8, 20, 12, 3], 5);
    let samples = blobs(700, 8, 3, 6);
    let mut by_hand = network.clone();
    let pruner = SparseGpt {
        block: 5,
        ..SparseGpt::new(Pattern::Density(0.4))
    };
    let mask = pruner
        .prune(&mut WithSamples::new(&mut network, &samples))
        .unwrap();
    assert_eq!(mask, Mask::of_nonzeros(&network).unwrap());
    for layer in 0..3 {
        let mut tap = Gram::default();
        observe(&OnSamples::new(&by_hand, &samples), &mut tap).unwrap();
        let weight = by_hand.parameters[2 * layer].clone();
        let gram = tap.places.get(Place::InputOf(weight.name())).unwrap();
        let pruned = pruner.prune_weight(weight.tensor(), gram).unwrap();
        by_hand.parameters[2 * layer]
            .values_mut()
            .copy_from_slice(&pruned.values);
    }
    assert_eq!(network.values(), by_hand.values());
}

#[test]
fn few_samples_and_none_at_all() {
    let weight = normal(7, "weight", 6 * 30);
    let tensor = TensorRef::weight("w", &[6, 30], &weight).unwrap();
    let pruner = SparseGpt::new(Pattern::Density(0.5));
    for samples in [1, 2, 10] {
        let inputs = correlated(samples, 30, 8);
        let pruned = pruner
            .prune_weight(tensor, &gram_of(inputs.view()))
            .unwrap();
        assert_eq!(pruned.keep.iter().filter(|&&keep| keep).count(), 90);
        assert!(pruned.values.iter().all(|w| w.is_finite()));
    }
    // Whatever reads nothing is worth nothing, but then nothing is left of the layer.
    let zeros = gram_of(Array2::zeros((3, 30)).view());
    let n_of_m = |n| SparseGpt::new(Pattern::NOfM { n, m: 4 });
    for pruner in [pruner, n_of_m(2)] {
        let error = pruner.prune_weight(tensor, &zeros).unwrap_err().to_string();
        assert!(error.contains("the inputs of w"), "{error}");
    }
    for pruner in [SparseGpt::new(Pattern::Density(0.0)), n_of_m(0)] {
        let pruned = pruner.prune_weight(tensor, &zeros).unwrap();
        assert!(pruned.values.iter().all(|w| w.to_bits() == 0) && !pruned.keep.contains(&true));
    }
    let unseen = gram_of(Array2::zeros((0, 30)).view());
    let error = pruner.prune_weight(tensor, &unseen).unwrap_err();
    assert!(
        matches!(&error, CoreError::NoEvidence { tensor, .. } if tensor == "w"),
        "{error}"
    );
    for shape in [[0, 30], [6, 0]] {
        let empty = TensorRef::weight("w", &shape, &[]).unwrap();
        let gram = gram_of(Array2::zeros((1, shape[1])).view());
        assert_eq!(pruner.prune_weight(empty, &gram).unwrap().keep, []);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut weight = normal(9, "weight", 12);
    let gram = gram_of(correlated(20, 4, 9).view());
    let refused = |pruner: SparseGpt, weight: &[f32], gram: &InputGram| {
        let tensor = TensorRef::weight("the weight", &[3, 4], weight).unwrap();
        pruner.prune_weight(tensor, gram).unwrap_err().to_string()
    };
    let half = SparseGpt::new(Pattern::Density(0.5));
    for pattern in [
        Pattern::Density(f64::NAN),
        Pattern::Density(1.1),
        Pattern::Density(0.01),
        Pattern::NOfM { n: 1, m: 0 },
        Pattern::NOfM { n: 5, m: 4 },
    ] {
        refused(SparseGpt::new(pattern), &weight, &gram);
    }
    assert!(refused(SparseGpt { block: 0, ..half }, &weight, &gram).contains("block"));
    let mut bad = gram.clone();
    bad.matrix[(1, 1)] = f32::INFINITY;
    assert!(refused(half, &weight, &bad).contains("the weight"));
    bad.matrix[(1, 1)] = -1e9;
    assert!(refused(half, &weight, &bad).contains("the weight"));
    let narrow = gram_of(correlated(20, 3, 9).view());
    assert!(refused(half, &weight, &narrow).contains("the weight"));
    weight[7] = f32::NAN;
    assert!(refused(half, &weight, &gram).contains("the weight"));
    let samples = blobs(10, 3, 2, 1);
    let mut none = Chain::random(&[3, 2], 1);
    none.parameters.clear();
    none.architecture.layers.clear();
    let error = half
        .prune(&mut WithSamples::new(&mut none, &samples))
        .unwrap_err();
    assert!(matches!(error, CoreError::Empty { .. }), "{error}");
}
