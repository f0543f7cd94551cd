//! Neurons of models that are no chains: what branches read together, and what must stay whole.

use compress_core::network::{Activation, Parameter};
use compress_core::parameters::Parameters;
use compress_prune::*;
use compress_testing::normal;
use proptest::prelude::*;

use crate::models::Operations;

/// Two heads that read the same five neurons behind a ReLU.
fn heads() -> Operations {
    Operations::default()
        .input("inputs", 6, true)
        .linear("trunk", "inputs", 5)
        .activation("relu", "trunk", Activation::Relu)
        .linear("left", "relu", 3)
        .linear("right", "relu", 2)
        .output("left")
        .output("right")
}

/// As [`heads`], but the right head reads the neurons behind a tanh.
fn differing() -> Operations {
    Operations::default()
        .input("inputs", 6, true)
        .linear("trunk", "inputs", 5)
        .activation("relu", "trunk", Activation::Relu)
        .activation("tanh", "trunk", Activation::Tanh)
        .linear("left", "relu", 3)
        .linear("right", "tanh", 2)
        .output("left")
        .output("right")
}

/// The sum of a trunk's value and of what two hidden layers make of it, and a head on that sum.
fn residual() -> Operations {
    Operations::default()
        .input("inputs", 6, true)
        .linear("trunk", "inputs", 4)
        .linear("first", "trunk", 7)
        .activation("relu", "first", Activation::Relu)
        .linear("second", "relu", 6)
        .activation("tanh", "second", Activation::Tanh)
        .linear("third", "tanh", 4)
        .sum("sum", &["trunk", "third"])
        .linear("head", "sum", 3)
        .output("head")
}

fn assert_near(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
    }
}

/// Makes neuron 1 of the trunk a constant that both heads read.
fn with_constant(mut model: Operations) -> Operations {
    model.set_row("trunk.weight", 1, 0.0);
    model.set_row("trunk.bias", 1, 0.75);
    model
}

#[test]
fn a_neuron_goes_only_where_no_branch_reads_it() {
    let mut model = heads();
    model.set_column("left.weight", 0, 0.0);
    model.set_column("left.weight", 3, 0.0);
    model.set_column("right.weight", 3, -0.0);
    model.set_column("right.weight", 4, 0.0);
    let before = model.run();
    let report = compact(&mut model).unwrap();
    assert_eq!(
        (report.neurons_removed, report.neurons_folded),
        (vec![1], 0)
    );
    assert_eq!(
        report.parameters_before - report.parameters_after,
        6 + 1 + 3 + 2
    );
    assert_eq!(model.tensor("right.weight").shape(), [2, 4]);
    assert_eq!(model.run(), before);
}

#[test]
fn a_constant_folds_into_the_biases_of_both_branches() {
    let mut model = with_constant(heads());
    let before = model.run();
    let report = compact(&mut model).unwrap();
    assert_eq!(
        (report.neurons_removed, report.neurons_folded),
        (vec![1], 1)
    );
    assert_near(&model.run(), &before);
    let (old, new) = (with_constant(heads()), &model);
    for head in ["left", "right"] {
        let [weight, bias] = ["weight", "bias"].map(|tensor| format!("{head}.{tensor}"));
        let column = old.tensor(&weight).matrix().column(1).to_vec();
        for (row, w) in column.into_iter().enumerate() {
            let folded = w.mul_add(0.75, old.tensor(&bias).values()[row]);
            assert_eq!(new.tensor(&bias).values()[row], folded);
        }
    }
}

#[test]
fn a_constant_that_cannot_fold_stays() {
    let without_bias = heads().using("right", "right.weight", None);
    // The bias of both heads: what one adds to it would reach the other.
    let shared = Operations::default()
        .input("inputs", 6, true)
        .linear("trunk", "inputs", 5)
        .linear("left", "trunk", 3)
        .linear("right", "trunk", 3)
        .using("right", "right.weight", Some("left.bias"))
        .output("left")
        .output("right");
    for model in [differing(), without_bias, shared] {
        let mut model = with_constant(model);
        let (before, shape) = (model.run(), model.tensor("trunk.weight").shape().to_vec());
        let report = compact(&mut model).unwrap();
        assert_eq!(
            (report.neurons_removed, report.neurons_folded),
            (vec![0], 0)
        );
        assert_eq!(model.tensor("trunk.weight").shape(), shape);
        assert_eq!(model.run(), before);
        // A neuron that nothing reads goes all the same.
        model.set_column("left.weight", 1, 0.0);
        model.set_column("right.weight", 1, 0.0);
        let before = model.run();
        assert_eq!(compact(&mut model).unwrap().neurons_removed, [1]);
        assert_eq!(model.run(), before);
    }
}

#[test]
fn a_constant_does_not_fold_through_a_kernel() {
    // The left head convolves: at the border it reads fewer neurons than elsewhere.
    let mut model = with_constant(heads());
    let left = model.tensors.iter_mut().find(|t| t.name() == "left.weight");
    let values = normal(3, "kernel", 3 * 5 * 9);
    *left.unwrap() = Parameter::new("left.weight", Role::Weight, vec![3, 5, 3, 3], values).unwrap();
    let before = model.tensors.clone();
    assert_eq!(compact(&mut model).unwrap().neurons_removed, [0]);
    assert_eq!(model.tensors, before);
    // But it can be read by none of a kernel's values.
    for out in 0..3 {
        model.values_mut("left.weight")[out * 45 + 9..out * 45 + 18].fill(0.0);
    }
    model.set_column("right.weight", 1, 0.0);
    assert_eq!(compact(&mut model).unwrap().neurons_removed, [1]);
    assert_eq!(model.tensor("left.weight").shape(), [3, 4, 3, 3]);
}

#[test]
fn neurons_beside_an_unknown_operation_stay() {
    let mut model = residual();
    for name in [
        "trunk.weight",
        "second.weight",
        "third.weight",
        "head.weight",
    ] {
        model.values_mut(name).fill(0.0);
    }
    let before = model.run();
    // Of seven and six neurons between them nothing is read: one of each must stay.
    let report = compact(&mut model).unwrap();
    assert_eq!(report.neurons_removed, [6, 5]);
    assert_eq!((report.inputs_removed, report.inputs_refused), (5, None));
    assert_eq!(model.tensor("trunk.weight").shape(), [4, 1]);
    assert_eq!(model.tensor("third.weight").shape(), [4, 1]);
    assert_eq!(model.tensor("head.weight").shape(), [3, 4]);
    assert_eq!(model.run(), before);
    assert_eq!(order_neurons(&mut residual()).unwrap().len(), 2);
    let kept = NeuronsKept::Fraction(0.0);
    let mut model = residual();
    let report = prune_neurons(&mut model, &Magnitude, Known::nothing(), &kept).unwrap();
    assert_eq!(report.removed, [6, 5]);
    assert_eq!(model.tensor("trunk.weight").shape(), [4, 6]);
    assert_eq!(model.run().len(), before.len());
}

#[test]
fn an_input_that_must_stay_does_not_keep_others() {
    let mut model = Operations::default()
        .input("pixels", 6, true)
        .input("state", 4, false)
        .input("words", 5, true)
        .linear("a", "pixels", 3)
        .linear("b", "state", 3)
        .linear("c", "words", 3)
        .sum("sum", &["a", "b", "c"])
        .linear("head", "sum", 2)
        .output("head");
    model.set_column("a.weight", 2, 0.0);
    model.set_column("b.weight", 1, 0.0);
    model.set_column("c.weight", 0, 0.0);
    model.set_column("c.weight", 4, 0.0);
    model.set_column("head.weight", 1, 0.0);
    let before = model.run();
    let report = compact(&mut model).unwrap();
    assert_eq!(report.inputs_removed, 3);
    let refused = report.inputs_refused.unwrap();
    assert!(refused.contains("all are read"), "{refused}");
    assert_eq!(model.run(), before);
}

#[test]
fn neurons_of_a_weight_that_is_used_twice_stay() {
    let mut model = Operations::default()
        .input("inputs", 4, true)
        .linear("a", "inputs", 5)
        .linear("b", "a", 5)
        .linear("c", "b", 5)
        .linear("d", "c", 3)
        .using("c", "b.weight", Some("c.bias"))
        .output("d");
    model.set_column("b.weight", 1, 0.0);
    model.set_column("d.weight", 2, 0.0);
    model.set_row("a.weight", 3, 0.0);
    let before = model.run();
    assert!(compact(&mut model).unwrap().neurons_removed.is_empty());
    assert!(order_neurons(&mut model).unwrap().is_empty());
    assert_eq!(model.run(), before);
}

#[test]
fn what_does_not_fit_the_graph_is_refused_by_name() {
    let with = |name: &str, role, shape: &[usize]| {
        let mut model = heads();
        let tensor = model.tensors.iter_mut().find(|t| t.name() == name);
        let values = vec![1.0; shape.iter().product()];
        *tensor.unwrap() = Parameter::new(name, role, shape.to_vec(), values).unwrap();
        model
    };
    for (name, role, shape) in [
        ("trunk.weight", Role::Weight, &[4, 6][..]),
        ("right.weight", Role::Weight, &[2, 6]),
        ("right.weight", Role::Weight, &[2]),
        ("trunk.bias", Role::Bias, &[5, 2]),
    ] {
        let mut model = with(name, role, shape);
        let before = model.tensors.clone();
        let compacted = compact(&mut model).unwrap_err().to_string();
        let ordered = order_neurons(&mut model).unwrap_err().to_string();
        assert!(
            compacted.contains(name) && ordered.contains(name),
            "{compacted}; {ordered}"
        );
        assert_eq!(model.tensors, before);
    }
    let mut gone = heads();
    gone.tensors.retain(|t| t.name() != "right.weight");
    let error = compact(&mut gone).unwrap_err().to_string();
    assert!(error.contains("right.weight"), "{error}");
}

#[test]
fn groups_without_features_are_left_alone() {
    let mut model = Operations::default()
        .input("inputs", 0, true)
        .linear("a", "inputs", 0)
        .linear("b", "a", 3)
        .output("b");
    let report = compact(&mut model).unwrap();
    assert_eq!(
        (report.neurons_removed, report.inputs_removed),
        (vec![0], 0)
    );
    assert_eq!(order_neurons(&mut model).unwrap(), [[0_usize; 0]]);
    assert_eq!(improve_order(&mut model, 3, &mut |_| Ok(1.0)).unwrap(), 1.0);
}

#[test]
fn both_branches_read_the_neurons_in_their_new_order() {
    let mut model = differing();
    for (row, zeros) in [4, 2, 6, 0, 3].into_iter().enumerate() {
        model.values_mut("trunk.weight")[row * 6..row * 6 + zeros].fill(0.0);
    }
    let (old, before) = (model.clone(), model.run());
    assert_eq!(order_neurons(&mut model).unwrap(), [[3, 1, 4, 0, 2]]);
    assert_near(&model.run(), &before);
    for name in ["left.weight", "right.weight"] {
        let [new, old] = [&model, &old].map(|model| model.tensor(name).matrix());
        for (at, from) in [3, 1, 4, 0, 2].into_iter().enumerate() {
            assert_eq!(new.column(at), old.column(from));
        }
    }
}

#[test]
fn a_search_orders_neurons_of_branches() {
    let mut model = heads();
    let before = model.run();
    let mut cost = |model: &Operations| {
        let biases = model.tensor("trunk.bias").values();
        let after = |i: usize| biases[i..].iter().filter(|b| **b < biases[i]).count();
        Ok((0..5).map(after).sum::<usize>() as f64)
    };
    assert_eq!(
        improve_order(&mut model, usize::MAX, &mut cost).unwrap(),
        0.0
    );
    assert!(model.tensor("trunk.bias").values().is_sorted());
    assert_near(&model.run(), &before);
}

#[test]
fn pruned_neurons_leave_all_branches() {
    for outgoing in [false, true] {
        let mut model = heads();
        let graph = model.graph();
        let criterion = NeuronNorm { outgoing };
        let mut known = Known::nothing();
        known.find_readers(&model, &graph).unwrap();
        let scores = score(&model, &criterion, &known).unwrap();
        let mut masked = model.clone();
        let mask = Neurons::of(&graph).mask(&scores, 0.4).unwrap();
        mask.apply(&mut masked).unwrap();
        // Biases are not masked, but nothing reads them.
        let kept = NeuronsKept::Fraction(0.4);
        let report = prune_neurons(&mut model, &criterion, Known::nothing(), &kept).unwrap();
        assert_eq!(report.removed, [3]);
        assert_eq!(model.tensor("left.weight").shape(), [3, 2]);
        assert_eq!(model.tensor("right.weight").shape(), [2, 2]);
        assert_eq!(model.run(), masked.run());
        compact(&mut masked).unwrap();
        assert_eq!(masked.tensors, model.tensors);

        let norm = |values: &[f32]| {
            values
                .iter()
                .map(|&w| f64::from(w).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        let full = heads();
        let mut norms: Vec<(f64, usize)> = (0..5)
            .map(|j| {
                let read = ["left.weight", "right.weight"]
                    .map(|name| full.tensor(name).matrix().column(j).to_vec())
                    .concat();
                let written = norm(
                    full.tensor("trunk.weight")
                        .matrix()
                        .row(j)
                        .as_slice()
                        .unwrap(),
                );
                (written * if outgoing { norm(&read) } else { 1.0 }, j)
            })
            .collect();
        norms.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best = [norms[0].1, norms[1].1];
        best.sort_unstable();
        let biases = best.map(|j| full.tensor("trunk.bias").values()[j]);
        assert_eq!(model.tensor("trunk.bias").values(), biases);
    }
}

#[test]
fn neurons_are_counted_by_group() {
    let mut model = residual();
    let mut prune = |counts: Vec<usize>| {
        let kept = NeuronsKept::Counts(counts);
        prune_neurons(&mut model, &Magnitude, Known::nothing(), &kept)
    };
    assert!(prune(vec![4, 7, 6, 4]).is_err());
    let error = prune(vec![7, 0]).unwrap_err().to_string();
    assert!(error.contains("second cannot be left with 0"), "{error}");
    assert_eq!(prune(vec![7, 2]).unwrap().removed, [0, 4]);
    assert_eq!(model.tensor("third.weight").shape(), [4, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn compacting_any_pruned_graph_changes_no_output(
        seed in any::<u64>(), density in 0.01..0.6_f64, which in 0..3_usize,
    ) {
        let mut model = [heads(), differing(), residual()][which].clone();
        let scores = score(&model, &Random { seed }, &Known::nothing()).unwrap();
        crate::masks::best(&scores, density).apply(&mut model).unwrap();
        let before = model.run();
        let report = compact(&mut model).unwrap();
        let after = model.run();
        if report.neurons_folded == 0 {
            prop_assert_eq!(&after, &before);
        }
        assert_near(&after, &before);
        let mut count = 0;
        model.visit(&mut |tensor| {
            count += tensor.values.len();
            Ok(())
        }).unwrap();
        prop_assert_eq!(count, report.parameters_after);
        let again = compact(&mut model).unwrap();
        prop_assert_eq!(again.parameters_before, again.parameters_after);
        order_neurons(&mut model).unwrap();
        assert_near(&model.run(), &before);
    }
}
