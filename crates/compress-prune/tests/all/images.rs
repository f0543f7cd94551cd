//! Features of convolutions with sums, scales and flattened channels: what is removed was dead.

use compress_core::network::{Activation, Parameter};
use compress_core::parameters::Parameters;
use compress_prune::*;
use proptest::prelude::*;

use crate::masks::best;
use crate::models::Operations;

/// A small residual network: a stem, a block whose end is added to its beginning, and a head on the
/// flattened channels.
fn residual() -> Operations {
    Operations::of_positions(4)
        .input("inputs", 3, true)
        .convolution("stem", "inputs", 5)
        .scaled("norm0", "stem")
        .activation("relu0", "norm0", Activation::Relu)
        .convolution("first", "relu0", 6)
        .scaled("norm1", "first")
        .activation("relu1", "norm1", Activation::Relu)
        .convolution("second", "relu1", 5)
        .scaled("norm2", "second")
        .add("sum", &["relu0", "norm2"])
        .activation("relu2", "sum", Activation::Relu)
        .flatten("flat", "relu2")
        .linear("head", "flat", 3)
        .output("head")
}

/// A convolution, a flattening, and two linear layers.
fn plain() -> Operations {
    Operations::of_positions(4)
        .input("inputs", 3, true)
        .convolution("conv", "inputs", 6)
        .activation("relu", "conv", Activation::Relu)
        .flatten("flat", "relu")
        .linear("hidden", "flat", 7)
        .activation("tanh", "hidden", Activation::Tanh)
        .linear("head", "tanh", 3)
        .output("head")
}

fn shapes(model: &Operations, names: &[&str]) -> Vec<Vec<usize>> {
    let shape = |name: &&str| model.tensor(name).shape().to_vec();
    names.iter().map(shape).collect()
}

/// Every channel of a convolution that reads channel `channel`, or every position of it that a
/// linear layer reads, becomes zero.
fn unread(model: &mut Operations, weight: &str, channel: usize, span: usize) {
    let columns: usize = model.tensor(weight).shape()[1..].iter().product();
    for row in model.values_mut(weight).chunks_mut(columns) {
        row[channel * span..(channel + 1) * span].fill(0.0);
    }
}

#[test]
fn a_channel_of_a_sum_goes_only_where_nothing_reads_it() {
    let mut model = residual();
    // Nothing reads 1 at all; the block reads 3, the head does not.
    unread(&mut model, "first.weight", 1, 3);
    for channel in [1, 3] {
        unread(&mut model, "head.weight", channel, 4);
    }
    let before = model.run();
    let report = compact(&mut model).unwrap();
    assert_eq!(
        (&report.neurons_removed[..], report.neurons_folded),
        (&[1, 0][..], 0)
    );
    let names = [
        "stem.weight",
        "norm0.scale",
        "second.weight",
        "norm2.shift",
        "head.weight",
    ];
    let expected = [&[4, 3, 3][..], &[4], &[4, 6, 3], &[4], &[3, 16]];
    assert_eq!(shapes(&model, &names), expected);
    let [scale, full] = [&model, &residual()].map(|m| m.tensor("norm0.scale").values().to_vec());
    assert_eq!(scale, [full[0], full[2], full[3], full[4]]);
    assert_eq!(model.run(), before);
}

#[test]
fn a_channel_takes_all_of_its_positions_along() {
    let mut model = plain();
    unread(&mut model, "hidden.weight", 2, 4);
    // One position that is read keeps a channel.
    unread(&mut model, "hidden.weight", 4, 4);
    model.values_mut("hidden.weight")[4 * 4 + 3] = 0.5;
    let before = model.run();
    assert_eq!(compact(&mut model).unwrap().neurons_removed, [1, 0]);
    let expected = [&[5, 3, 3][..], &[7, 20]];
    assert_eq!(shapes(&model, &["conv.weight", "hidden.weight"]), expected);
    assert_eq!(model.run(), before);
}

#[test]
fn a_constant_channel_behind_a_flattening_or_a_scale_stays() {
    for (mut model, weight) in [(plain(), "conv.weight"), (residual(), "first.weight")] {
        model.set_row(weight, 1, 0.0);
        let before = model.run();
        let report = compact(&mut model).unwrap();
        assert_eq!(
            (&report.neurons_removed[..], report.neurons_folded),
            (&[0, 0][..], 0)
        );
        assert_eq!(model.run(), before);
    }
}

#[test]
fn a_constant_folds_into_the_bias_of_its_own_reader() {
    // The sum has the biases of both of its layers; that of the second takes the constant.
    let mut model = Operations::default()
        .input("inputs", 4, true)
        .linear("trunk", "inputs", 3)
        .linear("first", "trunk", 5)
        .activation("relu", "first", Activation::Relu)
        .linear("second", "relu", 3)
        .add("sum", &["trunk", "second"])
        .linear("head", "sum", 2)
        .output("head");
    model.set_row("first.weight", 2, 0.0);
    model.set_row("first.bias", 2, 0.75);
    let (old, before) = (model.clone(), model.run());
    let report = compact(&mut model).unwrap();
    assert_eq!(
        (&report.neurons_removed[..], report.neurons_folded),
        (&[0, 1][..], 1)
    );
    for (after, before) in model.run().iter().zip(&before) {
        assert!((after - before).abs() <= 1e-5 * before.abs().max(1.0));
    }
    let same = |name: &str| model.tensor(name).values() == old.tensor(name).values();
    assert!(same("trunk.bias") && !same("second.bias"));
}

#[test]
fn the_mean_of_all_that_is_added_ranks_channels() {
    for mut model in [residual(), plain()] {
        let graph = model.graph();
        let scores = score(&model, &Magnitude, &Known::nothing()).unwrap();
        let mut masked = model.clone();
        let mask = Neurons::of(&graph).mask(&scores, 0.5).unwrap();
        mask.apply(&mut masked).unwrap();
        let kept = NeuronsKept::Fraction(0.5);
        prune_neurons(&mut model, &Magnitude, Known::nothing(), &kept).unwrap();
        assert_eq!(model.run(), masked.run());
        compact(&mut masked).unwrap();
        assert_eq!(masked.tensors, model.tensors);
    }
    // By hand: channel 4 of the stem is small, but what is added to it is large.
    let mut model = residual();
    for name in ["stem.weight", "second.weight"] {
        model.values_mut(name).fill(0.5);
    }
    model.set_row("stem.weight", 4, 0.1);
    model.set_row("second.weight", 4, 9.0);
    model.set_row("second.weight", 2, 0.4);
    let kept = NeuronsKept::Counts(vec![4, 6]);
    prune_neurons(&mut model, &Magnitude, Known::nothing(), &kept).unwrap();
    assert_eq!(
        model.tensor("stem.weight").matrix().column(0).to_vec(),
        [0.5, 0.5, 0.5, 0.1]
    );
}

#[test]
fn outgoing_norms_are_those_of_all_positions_and_kernels() {
    let model = residual();
    let mut known = Known::nothing();
    known.find_readers(&model, &model.graph()).unwrap();
    let [first, head] = ["first.weight", "head.weight"].map(|name| model.tensor(name).matrix());
    for channel in 0..5 {
        let mut squares = 0.0;
        for row in first.rows() {
            squares += (0..3)
                .map(|k| f64::from(row[channel * 3 + k]).powi(2))
                .sum::<f64>();
        }
        for row in head.rows() {
            squares += (0..4)
                .map(|k| f64::from(row[channel * 4 + k]).powi(2))
                .sum::<f64>();
        }
        for writer in ["stem.weight", "second.weight"] {
            let norms = known
                .of(writer)
                .readers("a test", writer, 5)
                .unwrap()
                .unwrap();
            assert!((norms[channel] - squares.sqrt()).abs() < 1e-9 * squares.sqrt());
        }
    }
}

#[test]
fn activity_is_looked_for_behind_scales_and_sums() {
    // Two read `relu0`, so the stem is not followed beyond.
    let outputs = residual().graph().activated_outputs();
    let expected = [
        ("stem", "relu0"),
        ("first", "relu1"),
        ("second", "relu2"),
        ("head", "head"),
    ];
    let expected = expected.map(|(w, value)| (format!("{w}.weight"), value.to_owned()));
    assert_eq!(outputs, expected);
}

#[test]
fn ordered_channels_take_scales_and_positions_along() {
    for mut model in [residual(), plain()] {
        let scores = score(&model, &Random { seed: 4 }, &Known::nothing()).unwrap();
        best(&scores, 0.5).apply(&mut model).unwrap();
        let before = model.run();
        let orders = order_neurons(&mut model).unwrap();
        assert!(orders.iter().any(|order| !order.is_sorted()));
        for (after, before) in model.run().iter().zip(&before) {
            assert!((after - before).abs() <= 1e-4 * before.abs().max(1.0));
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    for (name, shape) in [
        ("norm0.scale", &[4][..]),
        ("norm2.shift", &[5, 1]),
        ("head.weight", &[3, 5]),
        ("head.weight", &[3, 21]),
    ] {
        let mut model = residual();
        let values = vec![1.0; shape.iter().product()];
        let tensor = model.tensors.iter_mut().find(|t| t.name() == name).unwrap();
        *tensor = Parameter::new(name, tensor.role(), shape.to_vec(), values).unwrap();
        let before = model.tensors.clone();
        let error = compact(&mut model).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert_eq!(model.tensors, before);
    }
}

/// A random network of convolutions, scales, activations and sums, and a head.
fn random(steps: &[(u8, usize, usize)]) -> Operations {
    let mut model = Operations::of_positions(3)
        .input("inputs", 2, true)
        .convolution("v0", "inputs", 4);
    let mut values = vec![("v0".to_owned(), 4)];
    for (i, &(kind, a, b)) in steps.iter().enumerate() {
        let name = format!("v{}", i + 1);
        let (read, features) = values[a % values.len()].clone();
        let (other, others) = values[b % values.len()].clone();
        let (next, features) = match kind {
            0 => (model.convolution(&name, &read, 4), 4),
            1 => (model.convolution(&name, &read, 5), 5),
            2 => (model.scaled(&name, &read), features),
            3 => (model.activation(&name, &read, Activation::Tanh), features),
            _ if features == others => (model.add(&name, &[&read, &other]), features),
            _ => (model.activation(&name, &read, Activation::Relu), features),
        };
        model = next;
        values.push((name, features));
    }
    let last = values[values.len() - 1].0.clone();
    let model = model.flatten("flat", &last);
    model.linear("head", "flat", 3).output("head")
}

fn count(model: &Operations) -> usize {
    let mut count = 0;
    let mut add = |tensor: TensorRef<'_>| {
        count += tensor.values.len();
        Ok(())
    };
    model.visit(&mut add).unwrap();
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_masked_feature_of_any_graph_is_a_removed_feature(
        steps in prop::collection::vec((0_u8..8, 0..20_usize, 0..20_usize), 0..12),
        fraction in 0.2..=1.0_f64, seed in any::<u64>(),
    ) {
        let mut model = random(&steps);
        let criterion = Random { seed };
        let scores = score(&model, &criterion, &Known::nothing()).unwrap();
        let neurons = Neurons::of(&model.graph());
        if let Ok(mask) = neurons.mask(&scores, fraction) {
            let mut masked = model.clone();
            mask.apply(&mut masked).unwrap();
            let kept = NeuronsKept::Fraction(fraction);
            prune_neurons(&mut model, &criterion, Known::nothing(), &kept).unwrap();
            prop_assert_eq!(model.run(), masked.run());
            let before = masked.run();
            let report = compact(&mut masked).unwrap();
            prop_assert_eq!(report.parameters_after, count(&masked));
            if report.neurons_folded == 0 {
                prop_assert_eq!(masked.run(), before);
            }
        }
    }

    #[test]
    fn compacting_any_graph_changes_no_output(
        steps in prop::collection::vec((0_u8..8, 0..20_usize, 0..20_usize), 0..12),
        density in 0.01..0.5_f64, seed in any::<u64>(),
    ) {
        let mut model = random(&steps);
        let scores = score(&model, &Random { seed }, &Known::nothing()).unwrap();
        best(&scores, density).apply(&mut model).unwrap();
        let before = model.run();
        let report = compact(&mut model).unwrap();
        if report.neurons_folded == 0 {
            prop_assert_eq!(&model.run(), &before);
        }
        for (after, before) in model.run().iter().zip(&before) {
            prop_assert!((after - before).abs() <= 1e-4 * before.abs().max(1.0));
        }
        prop_assert_eq!(report.parameters_after, count(&model));
    }
}
