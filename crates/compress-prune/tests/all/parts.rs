//! Structures with densities by rule, and of parts of tensors, against plain definitions.

use compress_core::mask::TensorScores;
use compress_prune::*;
use compress_testing::normal;
use proptest::prelude::*;

use crate::masks::brute;

fn tensor(name: &str, shape: &[usize], values: Vec<f32>) -> TensorScores {
    TensorScores {
        name: name.into(),
        shape: shape.to_vec(),
        values,
    }
}

/// Random scores of tensors `a`, `b`, … of these shapes, with many ties.
fn scores(seed: u64, shapes: &[&[usize]]) -> Scores {
    let one = |(i, shape): (usize, &&[usize])| {
        let name = char::from(b'a' + i as u8).to_string();
        let values = normal(seed, &name, shape.iter().product());
        let values = values.iter().map(|x| (x.abs() * 8.0).floor());
        tensor(&name, shape, values.collect())
    };
    Scores {
        tensors: shapes.iter().enumerate().map(one).collect(),
    }
}

fn kept(mask: &TensorMask) -> usize {
    mask.keep.iter().filter(|keep| **keep).count()
}

fn rounded(density: f64, n: usize) -> usize {
    (density * n as f64).round() as usize
}

/// The mean score of the values whose coordinates have this key, for each key in the order in which
/// they come; and for each value which key it has.
fn means<K: PartialEq>(t: &TensorScores, key: impl Fn(&[usize]) -> K) -> (Vec<f32>, Vec<usize>) {
    let (mut keys, mut sums, mut of) = (Vec::<K>::new(), Vec::<(f64, f64)>::new(), Vec::new());
    for (position, &score) in t.values.iter().enumerate() {
        let mut rest = position;
        let mut at: Vec<usize> = t
            .shape
            .iter()
            .rev()
            .map(|&d| {
                let i = rest % d;
                rest /= d;
                i
            })
            .collect();
        at.reverse();
        let key = key(&at);
        let index = keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            keys.push(key);
            sums.push((0.0, 0.0));
            keys.len() - 1
        });
        sums[index].0 += f64::from(score);
        sums[index].1 += 1.0;
        of.push(index);
    }
    (
        sums.into_iter().map(|(sum, n)| (sum / n) as f32).collect(),
        of,
    )
}

/// What a structure of slices keeps of a tensor: `n` of its keys.
fn slices<K: PartialEq>(t: &TensorScores, density: f64, key: impl Fn(&[usize]) -> K) -> Vec<bool> {
    let (means, of) = means(t, key);
    let stay = brute(&means, rounded(density, means.len()));
    of.into_iter().map(|index| stay[index]).collect()
}

/// The place along the axes from `first` on.
fn place(at: &[usize], first: usize) -> Vec<usize> {
    at[first..].to_vec()
}

proptest! {
    #[test]
    fn uniform_leaves_the_first_tensor_or_those_named(
        seed in any::<u64>(), density in 0.1..=1.0_f64, named in any::<bool>(),
    ) {
        let scores = scores(seed, &[&[5, 7], &[4, 2, 3], &[9, 2]]);
        let dense = named.then(|| vec!["c".to_owned(), "b".to_owned()]);
        let mask = Uniform { dense: dense.clone() }.mask(&scores, density).unwrap();
        for (t, mask) in scores.tensors.iter().zip(&mask.tensors) {
            let whole = dense.as_ref().map_or(t.name == "a", |dense| dense.contains(&t.name));
            let n = if whole { t.values.len() } else { rounded(density, t.values.len()) };
            prop_assert_eq!(&mask.keep, &brute(&t.values, n));
        }
        let none = Uniform { dense: Some(vec![]) }.mask(&scores, density).unwrap();
        prop_assert_eq!(none, PerLayer.mask(&scores, density).unwrap());
    }

    #[test]
    fn rows_columns_and_channels_are_ranked_by_their_means(seed in any::<u64>(), density in 0.3..=1.0_f64) {
        let scores = scores(seed, &[&[4, 3, 2, 2], &[6, 5], &[3, 2, 4]]);
        let rows = Rows.mask(&scores, density).unwrap();
        let columns = Columns.mask(&scores, density).unwrap();
        let channels = Channels.mask(&scores, density).unwrap();
        for (i, t) in scores.tensors.iter().enumerate() {
            prop_assert_eq!(&rows.tensors[i].keep, &slices(t, density, |at| at[0]));
            prop_assert_eq!(&columns.tensors[i].keep, &slices(t, density, |at| place(at, 1)));
            prop_assert_eq!(&channels.tensors[i].keep, &slices(t, density, |at| at[1]));
        }
    }

    #[test]
    fn blocks_of_all_tensors_are_ranked_together(
        seed in any::<u64>(), density in 0.0..=1.0_f64, rows in 1..8_usize, columns in 1..8_usize,
    ) {
        let scores = scores(seed, &[&[5, 7], &[4, 3, 2], &[6]]);
        let mut all = Vec::new();
        let mut places = Vec::new();
        for t in &scores.tensors {
            let inner: usize = t.shape[1..].iter().product();
            let position = |at: &[usize]| at.iter().zip(&t.shape).fold(0, |p, (i, d)| p * d + i);
            let (means, of) = means(t, |at| match t.shape.len() {
                1 => (0, at[0] / columns),
                _ => (at[0] / rows, position(at) % inner / columns),
            });
            places.push(of.into_iter().map(|index| all.len() + index).collect::<Vec<_>>());
            all.extend(means);
        }
        let stay = brute(&all, rounded(density, all.len()));
        let expected: Vec<Vec<bool>> = places.iter()
            .map(|of| of.iter().map(|&index| stay[index]).collect()).collect();
        let got = Blocks { rows, columns }.mask(&scores, density);
        let emptied = expected.iter().position(|keep| !keep.contains(&true));
        match emptied.filter(|_| density > 0.0) {
            Some(tensor) => {
                let error = got.unwrap_err().to_string();
                let named = format!("{} would lose all", scores.tensors[tensor].name);
                prop_assert!(error.contains(&named), "{}", error);
            }
            None => {
                let got: Vec<_> = got.unwrap().tensors.into_iter().map(|t| t.keep).collect();
                prop_assert_eq!(got, expected);
            }
        }
    }

    #[test]
    fn erk_gives_each_tensor_its_share_of_an_exact_total(
        dims in prop::collection::vec((1..30_usize, 1..30_usize, 1..4_usize), 1..6),
        density in 0.0..=1.0_f64,
    ) {
        let shapes: Vec<Vec<usize>> = dims.iter().map(|&(a, b, k)| vec![a, b, k, k]).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let scores = scores(1, &shapes);
        let total = rounded(density, scores.len());
        // The one scale at which the densities, capped at 1, keep the total: by bisection.
        let raw: Vec<(f64, f64)> = shapes.iter().map(|s| {
            let n: usize = s.iter().product();
            (s.iter().sum::<usize>() as f64 / n as f64, n as f64)
        }).collect();
        let keeps = |scale: f64| raw.iter().map(|(p, n)| (p * scale).min(1.0) * n).sum::<f64>();
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if keeps(middle) < total as f64 { low = middle } else { high = middle }
        }
        match Erk.mask(&scores, density) {
            Ok(mask) => {
                prop_assert_eq!(mask.kept(), total);
                for ((mask, (p, n)), t) in mask.tensors.iter().zip(&raw).zip(&scores.tensors) {
                    let share = (p * low).min(1.0) * n;
                    prop_assert!((kept(mask) as f64 - share).abs() < 1.0 + 1e-6, "{} {}", kept(mask), share);
                    prop_assert_eq!(&mask.keep, &brute(&t.values, kept(mask)));
                }
            }
            Err(error) => {
                let small = raw.iter().any(|(p, n)| (p * low).min(1.0) * n < 1.0 + 1e-6);
                prop_assert!(density > 0.0 && small && error.to_string().contains("would lose all"));
            }
        }
    }
}

#[test]
fn no_tensor_gains_by_erk_as_the_density_falls() {
    // With largest remainders the second tensor would keep 1 weight of 25, but 2 of 24.
    let all = scores(5, &[&[7, 5], &[1, 3], &[9, 2], &[4, 4, 2, 2], &[20, 6]]);
    let mut before: Option<Vec<usize>> = None;
    for count in (0..=all.len()).rev() {
        let Ok(mask) = Erk.mask(&all, count as f64 / all.len() as f64) else {
            continue;
        };
        let now: Vec<usize> = mask.tensors.iter().map(kept).collect();
        assert_eq!(now.iter().sum::<usize>(), count);
        if let Some(before) = before {
            assert!(
                now.iter().zip(&before).all(|(n, b)| n <= b),
                "{now:?} {before:?}"
            );
        }
        before = Some(now);
    }
}

#[test]
fn erk_caps_small_tensors_and_gives_the_rest_to_the_others() {
    // By hand, of 460 weights 230 stay. Densities as 40/400, 14/40 and 12/20. A scale of 230/66
    // would keep 12 · 3.48 = 42 of 20: the third is whole. Then (230 − 20)/54 = 3.89, of the second
    // 14 · 3.89 = 54 of 40: whole as well. 170 of the first stay.
    let scores = scores(3, &[&[20, 20], &[10, 4], &[10, 2]]);
    let mask = Erk.mask(&scores, 0.5).unwrap();
    assert_eq!([0, 1, 2].map(|i| kept(&mask.tensors[i])), [170, 40, 20]);
    assert_eq!(Erk.mask(&scores, 0.0).unwrap().kept(), 0);
    assert_eq!(Erk.mask(&scores, 1.0).unwrap().kept(), 460);
    // 2 weights of 460: the largest fraction first, and none is left for the third.
    let error = Erk.mask(&scores, 0.005).unwrap_err().to_string();
    assert!(error.contains("would lose all"), "{error}");
}

#[test]
fn tensors_without_values_and_without_axes_are_no_trouble() {
    let empty = scores(1, &[&[0, 3], &[3, 0], &[usize::MAX, 0], &[4, 6]]);
    let scalar = scores(1, &[&[], &[5]]);
    let structures: [&dyn Structure; 6] = [
        &Uniform::default(),
        &Erk,
        &Blocks::default(),
        &Rows,
        &Columns,
        &Channels,
    ];
    for structure in structures {
        let name = structure.name();
        let mask = structure.mask(&empty, 0.5).unwrap();
        assert!(kept(&mask.tensors[3]) > 0, "{name}");
        assert_eq!(
            structure.mask(&Scores::default(), 0.5).unwrap().total(),
            0,
            "{name}"
        );
        if name == "channels" {
            let error = structure.mask(&scalar, 1.0).unwrap_err().to_string();
            assert!(error.contains("the rank of a is 0"), "{error}");
        } else {
            assert_eq!(structure.mask(&scalar, 1.0).unwrap().kept(), 6, "{name}");
        }
    }
}

#[test]
fn what_cannot_be_kept_is_named() {
    let two = scores(1, &[&[4, 6], &[3, 5]]);
    let message = |structure: &dyn Structure, density: f64| {
        structure.mask(&two, density).unwrap_err().to_string()
    };
    let rows = message(&Rows, 0.13);
    assert!(
        rows.contains("density of b") && rows.contains("each 3 rows"),
        "{rows}"
    );
    let columns = message(&Columns, 0.09);
    assert!(
        columns.contains("density of b") && columns.contains("each 5 columns"),
        "{columns}"
    );
    let channels = message(&Channels, 0.05);
    assert!(
        channels.contains("density of a") && channels.contains("channels"),
        "{channels}"
    );
    let unknown = Uniform {
        dense: Some(vec!["c".into()]),
    };
    let unknown = message(&unknown, 0.5);
    assert!(
        unknown.contains("\"c\"") && unknown.contains("a, b"),
        "{unknown}"
    );
    for (rows, columns) in [(0, 1), (1, 0)] {
        let blocks = Blocks { rows, columns };
        assert!(blocks.check_density(0.5).is_err());
        assert!(message(&blocks, 0.5).contains("of a block is 0"));
    }
    let high = scores_of([1.0, 9.0]);
    let error = Global::default().mask(&high, 0.5).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a would lose all of its 4 weights at the density 0.5")
    );
    assert!(Global { floor: 0.25 }.mask(&high, 0.5).is_ok());
    assert_eq!(Global::default().mask(&high, 0.0).unwrap().kept(), 0);
}

/// Two tensors of equal scores each.
fn scores_of(values: [f32; 2]) -> Scores {
    let tensors = [("a", values[0]), ("b", values[1])];
    let tensors = tensors.map(|(name, value)| tensor(name, &[2, 2], vec![value; 4]));
    Scores {
        tensors: tensors.to_vec(),
    }
}

#[test]
fn what_averages_refuses_criteria_that_only_rank() {
    let graph = compress_testing::Chain::random(&[4, 8, 3], 1).graph();
    let settings = StructureSettings {
        graph: Some(graph),
        ..StructureSettings::default()
    };
    for criterion_entry in CRITERIA {
        for structure_entry in STRUCTURES {
            let by = (criterion_entry.make)(&CriterionSettings::default());
            let structure = (structure_entry.make)(&settings).unwrap();
            let ranks = ["grasp", "movement"].contains(&criterion_entry.name);
            let averages = ["rows", "columns", "channels", "blocks", "neurons"];
            let fits = !(ranks && averages.contains(&structure_entry.name));
            let options = GradualOptions {
                target: 0.5,
                ..GradualOptions::default()
            };
            let made = GradualPruning::new(by, structure, Box::new(Cubic), options);
            let error = made.err().map(|error| error.to_string());
            assert_eq!(error.is_none(), fits, "{}: {error:?}", structure_entry.name);
            if let Some(error) = error {
                assert!(error.contains(criterion_entry.name), "{error}");
                assert!(error.contains(structure_entry.name), "{error}");
            }
        }
    }
    let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
    let kept = NeuronsKept::Fraction(0.5);
    let refused = prune_neurons(&mut network, &Movement, Known::nothing(), &kept);
    assert!(refused.unwrap_err().to_string().contains("movement"));
    let mut known = Known::nothing();
    let zeros = vec![("w".to_owned(), vec![0.0; 2])];
    known.set_values(PerValue::Movement, zeros);
    let weight = TensorRef::weight("w", &[1, 2], &[1.0, 2.0]).unwrap();
    let divided = RateAware::new(Box::new(Movement)).score(weight, &known.of("w"));
    assert!(divided.unwrap_err().to_string().contains("movement"));
}
