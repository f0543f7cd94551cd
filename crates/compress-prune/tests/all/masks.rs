//! Structures, against plain definitions of what they mean.

use compress_core::graph::Graph;
use compress_core::mask::TensorScores;
use compress_core::network::{Activation, Architecture};
use compress_prune::*;
use compress_testing::{Chain, normal};
use ndarray::Array4;
use proptest::prelude::*;

fn tensor(name: &str, shape: [usize; 2], values: Vec<f32>) -> TensorScores {
    TensorScores {
        name: name.into(),
        shape: shape.to_vec(),
        values,
    }
}

fn two(a: Vec<f32>, b: Vec<f32>) -> Scores {
    let (na, nb) = (a.len(), b.len());
    Scores {
        tensors: vec![tensor("a", [1, na], a), tensor("b", [1, nb], b)],
    }
}

fn flat(mask: &Mask) -> Vec<bool> {
    mask.tensors.iter().flat_map(|t| t.keep.clone()).collect()
}

/// The positions of the `kept` best scores, the first of equal ones first.
pub(crate) fn brute(scores: &[f32], kept: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]).then(i.cmp(&j)));
    let mut keep = vec![false; scores.len()];
    order[..kept].iter().for_each(|&i| keep[i] = true);
    keep
}

/// The mask of the best scores of all, even where it empties a tensor.
pub(crate) fn best(scores: &Scores, density: f64) -> Mask {
    let all: Vec<f32> = scores
        .tensors
        .iter()
        .flat_map(|t| t.values.clone())
        .collect();
    let mut keep = brute(&all, (density * all.len() as f64).round() as usize);
    let tensors = scores.tensors.iter().map(|t| TensorMask {
        name: t.name.clone(),
        shape: t.shape.clone(),
        keep: keep.drain(..t.values.len()).collect(),
    });
    Mask {
        tensors: tensors.collect(),
    }
}

/// Whether a structure must refuse this mask, with an error that names a tensor that it empties.
fn collapses(mask: &Mask, density: f64, got: &compress_core::Result<Mask>) -> bool {
    let emptied = |t: &&TensorMask| !t.keep.is_empty() && t.keep.iter().all(|k| !k);
    let Some(tensor) = mask.tensors.iter().find(emptied).filter(|_| density > 0.0) else {
        return false;
    };
    let error = got.as_ref().unwrap_err().to_string();
    assert!(
        error.contains(&format!("{} would lose all", tensor.name)),
        "{error}"
    );
    assert!(error.contains("floor"), "{error}");
    true
}

/// The graph of a chain of dense layers.
fn chain(widths: &[usize]) -> Graph {
    Architecture::mlp(widths, Activation::Relu).unwrap().graph()
}

/// Few distinct values, so that there are many ties.
fn some_scores(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f32>> {
    let score = prop_oneof![(0_u8..4).prop_map(f32::from), 0.0_f32..10.0];
    prop::collection::vec(score, length)
}

#[test]
fn a_floor_above_the_density_is_known_before_a_run() {
    let floored = Global { floor: 0.6 };
    assert!(floored.check_density(0.6).is_ok());
    let error = floored.check_density(0.5).unwrap_err().to_string();
    assert!(error.contains("0.6"), "{error}");
    let error = Global { floor: 2.0 }.check_density(0.5).unwrap_err();
    assert!(error.to_string().contains("floor"), "{error}");
}

proptest! {
    #[test]
    fn global_keeps_exactly_the_best(a in some_scores(0..40), b in some_scores(1..40), density in 0.0..=1.0_f64) {
        let scores = two(a, b);
        let expected = best(&scores, density);
        let mask = Global::default().mask(&scores, density);
        if !collapses(&expected, density, &mask) {
            prop_assert_eq!(mask.unwrap(), expected);
        }
    }

    #[test]
    fn per_layer_keeps_exactly_the_best_of_each(a in some_scores(0..40), b in some_scores(1..40), density in 0.0..=1.0_f64) {
        let erases = |n: usize| n > 0 && density > 0.0 && (density * n as f64).round() == 0.0;
        if erases(a.len()) || erases(b.len()) {
            prop_assert!(PerLayer.mask(&two(a, b), density).is_err());
            return Ok(());
        }
        let expected: Vec<bool> = [&a, &b]
            .into_iter()
            .flat_map(|t| brute(t, (density * t.len() as f64).round() as usize))
            .collect();
        let mask = PerLayer.mask(&two(a, b), density).unwrap();
        prop_assert_eq!(flat(&mask), expected);
    }

    #[test]
    fn per_row_keeps_as_many_in_every_row(
        a in some_scores(0..40), columns in 1_usize..8, density in 0.0..=1.0_f64,
    ) {
        let rows = a.len() / columns;
        let values = a[..rows * columns].to_vec();
        let kept = (density * columns as f64).round() as usize;
        let expected: Vec<bool> = values.chunks(columns).flat_map(|row| brute(row, kept)).collect();
        let scores = Scores { tensors: vec![tensor("a", [rows, columns], values)] };
        if rows > 0 && kept == 0 && density > 0.0 {
            prop_assert!(PerRow.mask(&scores, density).is_err());
            return Ok(());
        }
        let mask = PerRow.mask(&scores, density).unwrap();
        prop_assert_eq!(flat(&mask), expected);
        prop_assert_eq!(mask.kept(), rows * kept);
    }

    #[test]
    fn a_floor_holds_in_each_tensor_and_the_rest_is_global(
        a in some_scores(1..40), b in some_scores(1..40), density in 0.0..=1.0_f64, floor in 0.0..=1.0_f64,
    ) {
        let count = |n: usize| (floor * n as f64).ceil() as usize;
        let floors = count(a.len()) + count(b.len());
        let kept = (density * (a.len() + b.len()) as f64).round() as usize;
        if floors > kept {
            let error = Global { floor }.mask(&two(a, b), density).unwrap_err().to_string();
            let message = format!("{floors} weights under the floors");
            prop_assert!(error.contains(&message), "{}", error);
            return Ok(());
        }
        // Lift each tensor's best above everything and rank again.
        let lift = |t: &[f32]| -> Vec<f32> {
            brute(t, count(t.len())).iter().zip(t).map(|(&l, &s)| if l { 100.0 } else { s }).collect()
        };
        let lifted: Vec<f32> = lift(&a).into_iter().chain(lift(&b)).collect();
        let mask = Global { floor }.mask(&two(a.clone(), b.clone()), density);
        let expected = best(&two(lifted[..a.len()].to_vec(), lifted[a.len()..].to_vec()), density);
        if !collapses(&expected, density, &mask) {
            prop_assert_eq!(mask.unwrap(), expected);
        }
    }

    #[test]
    fn neurons_go_with_all_their_weights(seed in 0_u64..1000, density in 0.0..=1.0_f64) {
        let network = Chain::random(&[3, 7, 5, 2], seed);
        let scores = score(&network, &Magnitude, &Known::nothing()).unwrap();
        let mask = Neurons::of(&network.graph()).mask(&scores, density).unwrap();
        let mut previous = [true; 3].to_vec();
        for (i, t) in scores.tensors.iter().enumerate() {
            let means: Vec<f32> = t.values.chunks(t.shape[1])
                .map(|r| (r.iter().map(|&s| f64::from(s)).sum::<f64>() / r.len() as f64) as f32).collect();
            let kept = if i == 2 { 2 } else { ((density * means.len() as f64).round() as usize).max(1) };
            let rows = brute(&means, kept);
            for (r, row) in mask.tensors[i].keep.chunks(t.shape[1]).enumerate() {
                for (c, &keep) in row.iter().enumerate() {
                    prop_assert_eq!(keep, rows[r] && previous[c]);
                }
            }
            previous = rows;
        }
    }
}

#[test]
fn halves_round_up_and_the_ends_are_exact() {
    let scores = two(vec![3.0, 1.0], vec![2.0]);
    let error = Global::default().mask(&scores, 0.16).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a would lose all of its 2 weights"),
        "{error}"
    );
    for (density, kept) in [(0.0, 0), (0.5, 2), (0.83, 2), (0.84, 3), (1.0, 3)] {
        assert_eq!(
            Global::default().mask(&scores, density).unwrap().kept(),
            kept,
            "{density}"
        );
    }
    assert_eq!(
        Global::default()
            .mask(&Scores::default(), 0.5)
            .unwrap()
            .total(),
        0
    );
    assert_eq!(PerLayer.mask(&Scores::default(), 0.5).unwrap().total(), 0);
    assert_eq!(PerRow.mask(&Scores::default(), 0.5).unwrap().total(), 0);
    let none = Neurons::of(&Graph::default());
    assert_eq!(none.mask(&Scores::default(), 1.0).unwrap().total(), 0);
    let error = none.mask(&scores, 0.5).unwrap_err().to_string();
    assert!(error.contains("no neurons that can be removed"), "{error}");
}

#[test]
fn a_floor_outranks_the_largest_score_there_is() {
    let scores = two(vec![f32::MAX, f32::MAX, f32::MAX], vec![1.0]);
    let mask = Global { floor: 0.3 }.mask(&scores, 0.5).unwrap();
    assert_eq!(flat(&mask), [true, false, false, true]);
}

#[test]
fn every_structure_refuses_what_it_cannot_rank() {
    let settings = StructureSettings {
        graph: Some(chain(&[2, 3, 1])),
        ..StructureSettings::default()
    };
    for StructureEntry { name, make, .. } in STRUCTURES {
        let structure = make(&settings).unwrap();
        let good = two(vec![1.0], vec![2.0]);
        for density in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(structure.mask(&good, density).is_err(), "{name} {density}");
        }
        for bad in [f32::NAN, f32::INFINITY, -1.0] {
            let error = structure
                .mask(&two(vec![1.0], vec![0.0, bad]), 0.5)
                .unwrap_err();
            assert!(
                error.to_string().contains("score of b at index 1"),
                "{name}: {error}"
            );
        }
        let mut short = good;
        short.tensors[0].values.clear();
        assert!(structure.mask(&short, 0.5).is_err(), "{name}");
    }
    assert!(
        Global { floor: 1.5 }
            .mask(&two(vec![1.0], vec![2.0]), 0.5)
            .is_err()
    );
}

#[test]
fn n_of_m_keeps_the_best_of_each_group_of_a_row() {
    let values = vec![3., 1., 1., 1., 0., 9., 9., 9., 9., 0., 7., 8.];
    let scores = Scores {
        tensors: vec![tensor("a", [2, 6], values)],
    };
    let keep = |m: usize, density: f64| flat(&NOfM { m }.mask(&scores, density).unwrap());
    let [o, x] = [false, true];
    assert_eq!(keep(4, 0.5), [x, x, o, o, x, x, x, x, o, o, x, x]);
    assert_eq!(keep(3, 1.0 / 3.0), [x, o, o, o, o, x, x, o, o, o, o, x]);
    assert_eq!(keep(4, 0.0), [o; 12]);
    assert_eq!(keep(5, 1.0), [x; 12]);
    assert!(NOfM { m: 0 }.mask(&scores, 0.5).is_err());
}

#[test]
fn n_of_m_does_not_erase_what_was_to_keep_a_little() {
    let scores = Scores {
        tensors: vec![tensor("a", [2, 4], vec![1.0; 8])],
    };
    for m in [2, 4, 16] {
        let least = 0.5 / m as f64;
        let of = NOfM { m };
        let kept = flat(&of.mask(&scores, least).unwrap());
        assert!(kept.iter().any(|kept| *kept), "{m}");
        let error = of.mask(&scores, least * 0.99).unwrap_err().to_string();
        assert!(error.contains(&format!("one of each {m}")), "{error}");
        assert!(
            flat(&of.mask(&scores, 0.0).unwrap())
                .iter()
                .all(|kept| !kept)
        );
    }
    // The final density of a gradual pruning is 0.1 where none is given: none of 4.
    let gradual = |target| {
        let options = GradualOptions {
            target,
            ..GradualOptions::default()
        };
        let structure = Box::new(NOfM::default());
        GradualPruning::new(Box::new(Magnitude), structure, Box::new(Cubic), options)
    };
    assert!(gradual(GradualOptions::default().target).is_err());
    assert!(gradual(0.25).is_ok());
}

#[test]
fn rows_and_layers_are_not_erased_where_a_little_was_to_stay() {
    let scores = Scores {
        tensors: vec![tensor("a", [2, 4], vec![1.0; 8])],
    };
    let structures: [(&dyn Structure, usize); 2] = [(&PerRow, 4), (&PerLayer, 8)];
    for (structure, of) in structures {
        let least = 0.5 / of as f64;
        assert!(structure.mask(&scores, least).unwrap().kept() > 0);
        let error = structure.mask(&scores, least * 0.99).unwrap_err();
        assert!(error.to_string().contains(&format!("one of each {of}")));
        assert_eq!(structure.mask(&scores, 0.0).unwrap().kept(), 0);
    }
}

#[test]
fn a_row_of_n_of_m_is_everything_but_the_first_axis() {
    // A convolution [2, 2, 3, 1]: rows of 6, not of 1.
    let values = vec![6., 5., 1., 2., 3., 4., 1., 2., 3., 4., 5., 6.];
    let scores = |shape: Vec<usize>| {
        let (name, values) = ("a".to_owned(), values.clone());
        let tensors = vec![TensorScores {
            name,
            shape,
            values,
        }];
        Scores { tensors }
    };
    let mask = |shape: &[usize]| flat(&NOfM { m: 3 }.mask(&scores(shape.into()), 0.34).unwrap());
    let [o, x] = [false, true];
    let keep = [x, o, o, o, o, x, o, o, x, o, o, x];
    assert_eq!(mask(&[2, 2, 3, 1]), keep);
    assert_eq!(mask(&[2, 6]), keep);
    assert_eq!(mask(&[12]), keep);
}

#[test]
fn neurons_refuses_scores_that_do_not_fit_the_graph() {
    let neurons = Neurons::of(&chain(&[1, 2, 3]));
    let of = |first: Vec<usize>, second: Vec<usize>| {
        let shapes = [("layers.0.weight", first), ("layers.1.weight", second)];
        let tensors = shapes.map(|(name, shape)| TensorScores {
            name: name.into(),
            values: vec![1.0; shape.iter().product()],
            shape,
        });
        let tensors = tensors.to_vec();
        neurons.mask(&Scores { tensors }, 0.5)
    };
    of(vec![2, 1], vec![3, 2]).unwrap();
    let mask = of(vec![2, 1, 3, 3], vec![3, 2, 1, 1]).unwrap();
    assert_eq!(mask.tensors[0].keep.iter().filter(|k| **k).count(), 9);
    for (first, second, named) in [
        (vec![2, 1], vec![3, 4], "layers.1.weight"),
        (vec![3, 1], vec![3, 2], "layers.0.weight"),
        (vec![2, 1], vec![3], "layers.1.weight"),
        (vec![2], vec![3, 2], "layers.0.weight"),
    ] {
        let error = of(first, second).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let first = tensor("layers.0.weight", [2, 1], vec![1.0; 2]);
    let scores = Scores {
        tensors: vec![first],
    };
    let error = neurons.mask(&scores, 0.5).unwrap_err().to_string();
    assert!(
        error.contains("layers.1.weight") && error.contains("are scored"),
        "{error}"
    );
}

#[test]
fn groups_are_of_four_unless_told_otherwise() {
    let scores = Scores {
        tensors: vec![tensor(
            "a",
            [2, 4],
            vec![4.0, 3.0, 1.0, 2.0, 1.0, 2.0, 4.0, 3.0],
        )],
    };
    let keep = [true, true, false, false, false, false, true, true];
    let by_name = structure("n_of_m", &StructureSettings::default()).unwrap();
    for n_of_m in [by_name, Box::new(NOfM::default()), Box::new(NOfM { m: 4 })] {
        assert_eq!(flat(&n_of_m.mask(&scores, 0.5).unwrap()), keep);
    }
    let pairs = NOfM { m: 2 }.mask(&scores, 0.5).unwrap();
    let keep = [true, false, false, true, false, true, true, false];
    assert_eq!(flat(&pairs), keep);
}

/// The weight of a convolution.
fn convolution() -> Array4<f32> {
    let values = normal(4, "convolution", 16 * 27);
    Array4::from_shape_vec((16, 3, 3, 3), values).unwrap()
}

/// Prunes a lent array by magnitude.
fn prune(weight: &mut Array4<f32>, structure: &dyn Structure, density: f64) -> Mask {
    let mut model = Lent::new().weight("conv", weight.view_mut()).unwrap();
    let scores = score(&model, &Magnitude, &Known::nothing()).unwrap();
    let mask = structure.mask(&scores, density).unwrap();
    mask.apply(&mut model).unwrap();
    assert_eq!(Mask::of_nonzeros(&model).unwrap(), mask);
    mask
}

#[test]
fn a_lent_array_of_any_rank_is_pruned_to_exact_densities() {
    let before = convolution();
    let magnitudes: Vec<f32> = before.iter().map(|w| w.abs()).collect();
    for (density, kept) in [(0.0, 0), (0.1, 43), (0.25, 108), (0.5, 216), (1.0, 432)] {
        let mut weight = before.clone();
        let mask = prune(&mut weight, &Global::default(), density);
        assert_eq!((mask.kept(), mask.total()), (kept, 432));
        assert_eq!(flat(&mask), brute(&magnitudes, kept));
        for ((now, before), keep) in weight.iter().zip(&before).zip(flat(&mask)) {
            assert_eq!(now.to_bits(), if keep { before.to_bits() } else { 0 });
        }
    }
}

#[test]
fn rows_of_a_lent_array_are_everything_but_the_first_axis() {
    let before = convolution();
    let magnitudes: Vec<f32> = before.iter().map(|w| w.abs()).collect();
    // Of 27 weights six groups of four and a rest of three: two of each stay.
    let mask = prune(&mut before.clone(), &NOfM::default(), 0.5);
    assert_eq!(mask.density(), 14.0 / 27.0);
    for (keep, row) in flat(&mask).chunks(27).zip(magnitudes.chunks(27)) {
        for (keep, group) in keep.chunks(4).zip(row.chunks(4)) {
            assert_eq!(keep, brute(group, 2));
        }
    }
    for (density, kept) in [(0.0, 0), (0.1, 3), (0.5, 14), (1.0, 27)] {
        let mask = prune(&mut before.clone(), &PerRow, density);
        assert_eq!(mask.kept(), 16 * kept);
        for (keep, row) in flat(&mask).chunks(27).zip(magnitudes.chunks(27)) {
            assert_eq!(keep, brute(row, kept));
        }
    }
}
