//! Criteria and structures, against plain definitions of what they mean.

use std::sync::Arc;

use compress_core::kernels::sparse_layer::Live;
use compress_core::mask::{Criterion, Mask, Scores, Structure, TensorScores};
use compress_core::network::Network;
use compress_format::CoderPrices;
use compress_format::coding::matrix::geometry::Images;
use compress_prune::*;
use compress_testing::Chain;
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
fn brute(scores: &[f32], kept: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]).then(i.cmp(&j)));
    let mut keep = vec![false; scores.len()];
    order[..kept].iter().for_each(|&i| keep[i] = true);
    keep
}

/// Few distinct values, so that there are many ties.
fn some_scores(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f32>> {
    let score = prop_oneof![(0_u8..4).prop_map(f32::from), 0.0_f32..10.0];
    prop::collection::vec(score, length)
}

proptest! {
    #[test]
    fn global_keeps_exactly_the_best(a in some_scores(0..40), b in some_scores(1..40), density in 0.0..=1.0_f64) {
        let all: Vec<f32> = a.iter().chain(&b).copied().collect();
        let kept = (density * all.len() as f64).round() as usize;
        let mask = Global::default().mask(&two(a, b), density).unwrap();
        prop_assert_eq!(flat(&mask), brute(&all, kept));
        prop_assert_eq!(mask.kept(), kept);
    }

    #[test]
    fn per_layer_keeps_exactly_the_best_of_each(a in some_scores(0..40), b in some_scores(1..40), density in 0.0..=1.0_f64) {
        let expected: Vec<bool> = [&a, &b]
            .into_iter()
            .flat_map(|t| brute(t, (density * t.len() as f64).round() as usize))
            .collect();
        let mask = PerLayer.mask(&two(a, b), density).unwrap();
        prop_assert_eq!(flat(&mask), expected);
    }

    #[test]
    fn a_floor_holds_in_each_tensor_and_the_rest_is_global(
        a in some_scores(1..40), b in some_scores(1..40), density in 0.0..=1.0_f64, floor in 0.0..=1.0_f64,
    ) {
        let count = |n: usize| (floor * n as f64).ceil() as usize;
        let floors = count(a.len()) + count(b.len());
        let kept = ((density * (a.len() + b.len()) as f64).round() as usize).max(floors);
        // Lift each tensor's best above everything and rank again.
        let lift = |t: &[f32]| -> Vec<f32> {
            brute(t, count(t.len())).iter().zip(t).map(|(&l, &s)| if l { 100.0 } else { s }).collect()
        };
        let lifted: Vec<f32> = lift(&a).into_iter().chain(lift(&b)).collect();
        let mask = Global { floor }.mask(&two(a, b), density).unwrap();
        prop_assert_eq!(flat(&mask), brute(&lifted, kept));
    }

    #[test]
    fn neurons_go_with_all_their_weights(seed in 0_u64..1000, density in 0.0..=1.0_f64) {
        let network = Chain::random(&[3, 7, 5, 2], seed);
        let scores = Magnitude.scores(&network).unwrap();
        let mask = Neurons.mask(&scores, density).unwrap();
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
    for (density, kept) in [
        (0.0, 0),
        (0.16, 0),
        (0.5, 2),
        (0.83, 2),
        (0.84, 3),
        (1.0, 3),
    ] {
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
    assert_eq!(Neurons.mask(&Scores::default(), 0.5).unwrap().total(), 0);
}

#[test]
fn a_floor_outranks_the_largest_score_there_is() {
    let scores = two(vec![f32::MAX, f32::MAX, f32::MAX], vec![1.0]);
    let mask = Global { floor: 0.3 }.mask(&scores, 0.5).unwrap();
    assert_eq!(flat(&mask), [true, false, false, true]);
}

#[test]
fn every_structure_refuses_what_it_cannot_rank() {
    for (name, make) in STRUCTURES {
        let structure = make();
        assert_eq!(structure.name(), *name);
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
fn neurons_refuses_tensors_that_are_no_chain() {
    let apart = Scores {
        tensors: vec![
            tensor("a", [2, 1], vec![1.0; 2]),
            tensor("b", [1, 3], vec![1.0; 3]),
        ],
    };
    assert!(
        Neurons
            .mask(&apart, 0.5)
            .unwrap_err()
            .to_string()
            .contains("inputs of b")
    );
    let mut vector = apart;
    vector.tensors.truncate(1);
    vector.tensors[0].shape = vec![2];
    assert!(Neurons.mask(&vector, 0.5).is_err());
}

#[test]
fn a_criterion_scores_every_weight_and_no_bias() {
    let network = Chain::random(&[3, 4, 2], 5);
    for (name, make) in CRITERIA {
        let mut criterion = make();
        assert_eq!(criterion.name(), *name);
        observe(criterion.as_mut(), &network, |i| 0.25 * i as f32);
        let scores = criterion.scores(&network).unwrap();
        let shapes: Vec<_> = scores
            .tensors
            .iter()
            .map(|t| (t.name.as_str(), &t.shape[..]))
            .collect();
        assert_eq!(
            shapes,
            [
                ("layers.0.weight", &[4, 3][..]),
                ("layers.1.weight", &[2, 4][..])
            ]
        );
        assert_eq!(scores.len(), 20);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = network.clone();
            broken.parameters[2].values_mut()[3] = bad;
            let error = criterion.scores(&broken).unwrap_err().to_string();
            assert!(error.contains("layers.1.weight"), "{name}: {error}");
        }
    }
    for (name, make) in LAYER_CRITERIA {
        assert_eq!(make().name(), *name);
    }
}

#[test]
fn magnitude_is_the_absolute_value() {
    let network = Chain::random(&[3, 4, 2], 5);
    let scores = Magnitude.scores(&network).unwrap();
    for (t, p) in scores
        .tensors
        .iter()
        .zip(network.parameters().iter().step_by(2))
    {
        assert!(
            t.values
                .iter()
                .zip(p.values())
                .all(|(s, w)| s.to_bits() == w.abs().to_bits())
        );
    }
}

#[test]
fn neuron_norm_is_the_norm_of_rows_and_columns() {
    let network = Chain::random(&[19, 6, 2], 5);
    let (w0, w1) = (
        network.parameters[0].matrix(),
        network.parameters[2].matrix(),
    );
    let norm = |v: ndarray::ArrayView1<'_, f32>| {
        v.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt()
    };
    for outgoing in [false, true] {
        let scores = NeuronNorm { outgoing }.scores(&network).unwrap();
        for j in 0..6 {
            let out = if outgoing { norm(w1.column(j)) } else { 1.0 };
            let expected = norm(w0.row(j)) * out;
            for &s in &scores.tensors[0].values[j * 19..(j + 1) * 19] {
                assert!(
                    (f64::from(s) - expected).abs() < 1e-6 * expected,
                    "{s} {expected}"
                );
            }
        }
        let expected = norm(w1.row(1));
        assert!((f64::from(scores.tensors[1].values[6]) - expected).abs() < 1e-6 * expected);
    }
}

#[test]
fn neuron_norm_does_not_overflow() {
    let mut network = Chain::random(&[9, 4, 2], 5);
    network
        .parameters
        .iter_mut()
        .for_each(|p| p.values_mut().fill(f32::MAX));
    let scores = NeuronNorm { outgoing: true }.scores(&network).unwrap();
    assert!(
        scores
            .tensors
            .iter()
            .all(|t| t.values.iter().all(|&s| s == f32::MAX))
    );
}

/// Gives a criterion second moments, by the position of a value in all parameters.
fn observe(criterion: &mut dyn Criterion, network: &Chain, moment: impl Fn(usize) -> f32) {
    let mut next = 0;
    let mut moments = Vec::new();
    for parameter in &network.parameters {
        let of_values = next..next + parameter.values().len();
        next = of_values.end;
        moments.push(of_values.map(&moment).collect::<Vec<f32>>());
    }
    let slices: Vec<&[f32]> = moments.iter().map(Vec::as_slice).collect();
    criterion.observe_second_moments(network, &slices).unwrap();
}

#[test]
fn fisher_multiplies_squares_of_live_and_of_all_weights() {
    let mut network = Chain::random(&[3, 4, 2], 5);
    let error = Fisher::default().scores(&network).unwrap_err().to_string();
    assert!(
        error.contains("layers.0.weight") && error.contains("Adam"),
        "{error}"
    );

    let mut fisher = Fisher::default();
    observe(&mut fisher, &network, |i| 1.0 + i as f32);
    let dense = fisher.scores(&network).unwrap();
    // Twelve weights and four biases come before the second weight.
    for (tensor, first, parameter) in [(0, 0, 0), (1, 16, 2)] {
        for (i, &score) in dense.tensors[tensor].values.iter().enumerate() {
            let w = f64::from(network.parameters[parameter].values()[i]);
            let expected = w * w * (1.0 + (first + i) as f64);
            assert!((f64::from(score) - expected).abs() <= 1e-6 * expected);
        }
    }

    let marks: Vec<bool> = (0..12).map(|i| i % 3 == 1).collect();
    let live = Live::new(4, 3, &marks).unwrap();
    network.parameters[0].set_live(Some(live.into())).unwrap();
    let of_live = [2.0, 5.0, 8.0, 11.0];
    let rest = [vec![0.0; 4], vec![1.0; 8], vec![0.0; 2]];
    let moments = [&of_live[..], &rest[0], &rest[1], &rest[2]];
    fisher.observe_second_moments(&network, &moments).unwrap();
    let sparse = fisher.scores(&network).unwrap();
    for (i, &score) in sparse.tensors[0].values.iter().enumerate() {
        let expected = if marks[i] {
            dense.tensors[0].values[i]
        } else {
            0.0
        };
        assert_eq!(score, expected);
    }
    let short = [&of_live[..3], &rest[0], &rest[1], &rest[2]];
    assert!(fisher.observe_second_moments(&network, &short).is_err());
}

#[test]
fn rate_aware_divides_by_the_bits_of_a_place() {
    let mut network = Chain::random(&[3, 4, 2], 6);
    for i in [0, 4, 5, 7, 8, 11] {
        network.parameters[0].values_mut()[i] = 0.0;
    }
    let mut criterion = RateAware::new(Box::new(Magnitude));
    (criterion.base, criterion.least) = (1.0, 0.5);
    let scores = criterion.scores(&network).unwrap();
    let plain = Magnitude.scores(&network).unwrap();
    for exponent in [0.0, 0.5, 2.0] {
        criterion.exponent = exponent;
        let powers = criterion.scores(&network).unwrap();
        for ((tensor, once), plain) in powers
            .tensors
            .iter()
            .zip(&scores.tensors)
            .zip(&plain.tensors)
        {
            for ((s, once), plain) in tensor.values.iter().zip(&once.values).zip(&plain.values) {
                if *plain == 0.0 {
                    continue;
                }
                let expected = plain / (plain / once).powf(exponent);
                assert!(
                    (s - expected).abs() <= 1e-5 * expected,
                    "{exponent}: {s}, {expected}"
                );
            }
        }
    }
    let values = network.parameters[0].values();
    let live = |i: usize| f64::from(u8::from(values[i] != 0.0));
    for (i, &score) in scores.tensors[0].values.iter().enumerate() {
        let row: f64 = (0..3).map(|j| live(i / 3 * 3 + j)).sum();
        let column: f64 = (0..4).map(|j| live(j * 3 + i % 3)).sum();
        let density = 6.0 / 12.0;
        let bits = 1.0 - (row / 3.0 * (column / 4.0) / density).log2();
        let expected = f64::from(values[i].abs()) / bits.max(0.5);
        assert!(
            (f64::from(score) - expected).abs() < 1e-6,
            "{i}: {score}, {expected}"
        );
    }
}

#[test]
fn a_place_among_others_of_its_neuron_is_cheap() {
    // Two neurons on an image of 4 rows of 5 pixels, of which one is not read.
    let neurons = 2;
    let mut network = Chain::random(&[20, neurons, 3], 5);
    network
        .remove_inputs(&(0..20).map(|i| i != 7).collect::<Vec<_>>())
        .unwrap();
    let weight = network.parameters_mut().swap_remove(0);
    for i in [1, 4, 8, 9, 16, 20, 21, 22, 30, 37] {
        weight.values_mut()[i] = 0.0;
    }
    let prices = CoderPrices::of_images(&network.architecture(), Images::one(4, 5)).unwrap();
    let criterion = RateAware::new(Box::new(Magnitude)).with_prices(Arc::new(prices));
    let scores = criterion.scores(&network).unwrap();
    let plain = RateAware::new(Box::new(Magnitude))
        .scores(&network)
        .unwrap();
    assert_eq!(scores.tensors[1..], plain.tensors[1..]);
    let values = network.parameters()[0].values();
    let pixel = |column: usize| column + usize::from(column >= 7);
    let live = |row: usize, column: usize| f64::from(u8::from(values[row * 19 + column] != 0.0));
    let near = |a: usize, b: usize| {
        let (a, b) = (pixel(a), pixel(b));
        a != b && (a % 5).abs_diff(b % 5) <= 3 && (a / 5).abs_diff(b / 5) <= 3
    };
    let all: f64 = values.iter().map(|v| f64::from(u8::from(*v != 0.0))).sum();
    for row in 0..neurons {
        let in_row: f64 = (0..19).map(|c| live(row, c)).sum();
        for column in 0..19 {
            let in_column = |c: usize| (0..neurons).map(|r| live(r, c)).sum::<f64>();
            let around = (0..19).filter(|&c| near(column, c));
            let set: f64 = around.clone().map(|c| live(row, c)).sum();
            let likely: f64 = around.map(|c| in_column(c) * in_row / all).sum();
            let expected = in_row * in_column(column) / all * (1.0 + set) / (1.0 + likely);
            let bits = (5.0 - expected.log2()).max(1.0);
            let found = f64::from(scores.tensors[0].values[row * 19 + column]);
            let expected = f64::from(values[row * 19 + column].abs()) / bits;
            assert!(
                (found - expected).abs() < 1e-6,
                "{row}, {column}: {found}, {expected}"
            );
        }
    }
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let message = |e: Error| e.to_string();
    assert!(
        message(criterion("x").err().unwrap())
            .contains("magnitude, neuron_norm, fisher, rate_aware")
    );
    assert!(message(layer_criterion("x").err().unwrap()).contains("layer_loss"));
    assert!(message(structure("x").err().unwrap()).contains("global, per_layer, neurons, n_of_m"));
    assert!(message(schedule("x").err().unwrap()).contains("one_shot, cubic"));
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
    for n_of_m in [structure("n_of_m").unwrap(), Box::new(NOfM { m: 4 })] {
        assert_eq!(flat(&n_of_m.mask(&scores, 0.5).unwrap()), keep);
    }
    let pairs = NOfM { m: 2 }.mask(&scores, 0.5).unwrap();
    let keep = [true, false, false, true, false, true, true, false];
    assert_eq!(flat(&pairs), keep);
}
