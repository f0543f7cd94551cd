//! Chains: what is refused, and what an edit makes of those that are left.

use super::*;
use crate::graph::{Group, Part};

fn mlp(widths: &[usize]) -> Architecture {
    Architecture::mlp(widths, Activation::Relu).unwrap()
}

/// The layer or edge that a refusal names.
#[track_caller]
fn refused(result: Result<Architecture>) -> String {
    match result {
        Err(Error::Refused { layer, .. }) => layer,
        other => panic!("not refused: {other:?}"),
    }
}

/// The widths of a chain, which must be valid.
#[track_caller]
fn widths(edited: &Architecture) -> Vec<usize> {
    edited.validate().unwrap();
    let outputs = edited.layers.iter().map(|l| l.outputs);
    std::iter::once(edited.inputs()).chain(outputs).collect()
}

#[test]
fn an_mlp_is_named_and_counted_as_in_pytorch() {
    let a = mlp(&[784, 300, 100, 10]);
    a.validate().unwrap();
    assert_eq!((a.inputs(), a.outputs()), (784, 10));
    assert_eq!(a.parameter_count(), 266_610);
    assert_eq!(a.layers[1].weight_name(), "layers.1.weight");
    assert_eq!(a.layers[2].bias_name(), "layers.2.bias");
    let activations: Vec<_> = a.layers.iter().map(|l| l.activation).collect();
    use Activation::{Identity, Relu};
    assert_eq!(activations, [Relu, Relu, Identity]);
    for widths in [&[][..], &[3], &[3, 0, 2]] {
        assert!(Architecture::mlp(widths, Activation::Tanh).is_err());
    }
}

#[test]
fn chains_that_do_not_connect_are_invalid() {
    let good = mlp(&[4, 3, 2]);
    let with = |edit: fn(&mut Architecture)| {
        let mut a = good.clone();
        edit(&mut a);
        a.validate().unwrap_err().to_string()
    };
    assert!(with(|a| a.layers[1].inputs = 5).contains("inputs of layers.1"));
    assert!(with(|a| a.features = 5).contains("inputs of layers.0"));
    assert!(with(|a| a.layers[1].outputs = 0).contains("outputs of layers.1"));
    assert!(with(|a| a.layers.clear()).contains("empty"));
    assert!(with(|a| a.layers[1].name = "layers.0".into()).contains("layers.0"));
    for selected in [vec![], vec![0, 1, 1, 2], vec![3, 2, 1, 0], vec![0, 1, 2, 4]] {
        let mut a = good.clone();
        a.selected = Some(selected);
        let text = a.validate().unwrap_err().to_string();
        assert!(text.contains("selected features"), "{text}");
    }
    let mut a = good.clone();
    a.selected = Some(vec![0, 2]);
    assert!(
        a.validate()
            .unwrap_err()
            .to_string()
            .contains("inputs of layers.0")
    );
}

#[test]
fn sizes_that_no_memory_holds_are_invalid() {
    let mut a = mlp(&[4, 3, 2]);
    a.layers[0].outputs = usize::MAX;
    a.layers[1].inputs = usize::MAX;
    assert_eq!(a.parameter_count(), usize::MAX);
    assert!(a.validate().is_err());
    a.layers[0].outputs = usize::MAX / 16;
    a.layers[1].inputs = usize::MAX / 16;
    assert!(a.validate().is_err());
    let features = u32::MAX as usize + 2;
    assert!(mlp(&[features, 1]).validate().is_err());
}

#[test]
fn removing_neurons_narrows_the_layer_and_the_next() {
    let a = mlp(&[5, 4, 3, 2]);
    let edited = a.without_neurons(0, &[true, false, true, false]).unwrap();
    assert_eq!(widths(&edited), [5, 2, 3, 2]);
    assert_eq!(a.without_neurons(1, &[true; 3]).unwrap(), a);
}

#[test]
fn removing_neurons_is_refused_with_the_edge() {
    let a = mlp(&[5, 4, 3, 2]);
    assert_eq!(refused(a.without_neurons(2, &[true, false])), "layers.2");
    assert_eq!(
        refused(a.without_neurons(0, &[false; 4])),
        "layers.0 -> layers.1"
    );
    assert!(matches!(
        a.without_neurons(0, &[true; 3]),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        a.without_neurons(3, &[true]),
        Err(Error::Invalid { .. })
    ));
}

#[test]
fn removed_inputs_are_composed() {
    let a = mlp(&[6, 3, 2]);
    let once = a
        .without_inputs(&[true, false, true, true, false, true])
        .unwrap();
    assert_eq!(once.selected, Some(vec![0, 2, 3, 5]));
    let twice = once.without_inputs(&[false, true, true, false]).unwrap();
    assert_eq!(twice.selected, Some(vec![2, 3]));
    assert_eq!(twice.features, 6);
    assert_eq!(widths(&twice), [2, 3, 2]);
    assert_eq!(a.without_inputs(&[true; 6]).unwrap(), a);
    assert_eq!(
        refused(twice.without_inputs(&[false; 2])),
        "inputs -> layers.0"
    );
    assert!(matches!(
        twice.without_inputs(&[true; 6]),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn a_bypass_needs_equal_widths() {
    let a = mlp(&[5, 4, 4, 2]);
    let edited = a.without_layer(1, LayerRemoval::Bypass).unwrap();
    assert_eq!(widths(&edited), [5, 4, 2]);
    assert_eq!(edited.layers[1].name, "layers.2");
    let edge = refused(a.without_layer(0, LayerRemoval::Bypass));
    assert_eq!(edge, "layers.0 -> layers.1");
}

#[test]
fn a_fold_must_shrink_the_network() {
    let a = mlp(&[4, 9, 8, 2]);
    let edited = a.without_layer(1, LayerRemoval::Fold).unwrap();
    assert_eq!(widths(&edited), [4, 9, 2]);
    // A narrow middle is a factorization: folding it would make the network larger.
    let a = mlp(&[50, 50, 2, 50]);
    let edge = refused(a.without_layer(1, LayerRemoval::Fold));
    assert_eq!(edge, "layers.1 -> layers.2");
}

#[test]
fn the_last_layer_stays() {
    for how in [LayerRemoval::Bypass, LayerRemoval::Fold] {
        let a = mlp(&[4, 4, 4]);
        assert_eq!(refused(a.without_layer(1, how)), "layers.1");
        assert!(a.without_layer(2, how).is_err());
    }
}

#[test]
fn layers_can_go_from_selected_inputs() {
    let mut a = mlp(&[6, 3, 3, 2]);
    a = a
        .without_inputs(&[true, true, true, false, false, false])
        .unwrap();
    let edited = a.without_layer(0, LayerRemoval::Bypass).unwrap();
    assert_eq!(edited.selected, Some(vec![0, 1, 2]));
    assert_eq!(widths(&edited), [3, 3, 2]);
}

#[test]
fn a_network_that_reads_nothing_is_refused() {
    let mut architecture = Architecture::mlp(&[1, 2], Activation::Relu).unwrap();
    architecture.validate().unwrap();
    (architecture.features, architecture.layers[0].inputs) = (0, 0);
    let error = architecture.validate().unwrap_err().to_string();
    assert!(error.contains("number of features is 0"), "{error}");
}

#[test]
fn the_first_difference_of_two_architectures_is_named() {
    let one = Architecture::mlp(&[4, 3, 2], Activation::Relu).unwrap();
    one.check_same(&one.clone()).unwrap();
    for (widths, words) in [
        (&[5, 3, 2][..], "number of features is 5, but must be 4"),
        (&[4, 3], "number of layers is 1, but must be 2"),
        (&[4, 6, 2], "outputs of layers.0 is 6, but must be 3"),
    ] {
        let other = Architecture::mlp(widths, Activation::Relu).unwrap();
        let error = one.check_same(&other).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn names_that_the_graph_gives_to_something_else_are_invalid() {
    let good = mlp(&[4, 3, 3, 2]);
    for name in [
        "layers.0",
        "inputs",
        "layers.0.product",
        "layers.0.activation",
    ] {
        let mut a = good.clone();
        a.layers[2].name = name.into();
        let text = a.validate().unwrap_err().to_string();
        assert!(
            text.contains(&format!("a layer's name is {name}")),
            "{text}"
        );
    }
}

#[test]
fn a_layer_is_found_by_its_name() {
    let a = mlp(&[4, 3, 2]);
    assert_eq!(a.position("layers.1").unwrap(), 1);
    let text = a.position("layers.2").unwrap_err().to_string();
    assert!(
        text.contains("layers.2, but must be one of layers.0, layers.1"),
        "{text}"
    );
}

#[test]
fn the_graph_has_a_group_for_the_inputs_and_each_layer() {
    use Part::{Reads, Shifts, Writes};
    let a = mlp(&[6, 3, 2]);
    let groups = a.graph().groups();
    let found: Vec<_> = groups
        .iter()
        .map(|g| (g.name.as_str(), g.features))
        .collect();
    assert_eq!(found, [("inputs", 6), ("layers.0", 3), ("layers.1", 2)]);
    assert!(groups[0].is_input() && !groups[1].is_input() && !groups[2].is_input());
    let members = |group: &Group| -> Vec<(String, usize, Part)> {
        let members = group.members.iter();
        members
            .map(|m| (m.tensor.clone(), m.axis, m.part))
            .collect()
    };
    let weight = |i: usize| format!("layers.{i}.weight");
    assert_eq!(members(&groups[0]), [(weight(0), 1, Reads)]);
    let hidden = [
        (weight(0), 0, Writes),
        ("layers.0.bias".into(), 0, Shifts),
        (weight(1), 1, Reads),
    ];
    assert_eq!(members(&groups[1]), hidden);
    assert_eq!(groups[0].activations, Some(vec![]));
    assert_eq!(groups[1].activations, Some(vec![Activation::Relu]));
    assert!(groups[0].check_removable().is_ok() && groups[1].check_removable().is_ok());
    let text = groups[2].check_removable().unwrap_err().to_string();
    assert!(
        text.contains("layers.1") && text.contains("outputs"),
        "{text}"
    );
    let text = a.graph().group("layers.2").unwrap_err().to_string();
    assert!(text.contains("inputs, layers.0, layers.1"), "{text}");
}

#[test]
fn behind_a_selection_the_group_of_inputs_is_what_is_read() {
    let keep = [true, false, true, true, false, true];
    let a = mlp(&[6, 3, 2]).without_inputs(&keep).unwrap();
    assert_eq!(a.graph().group("inputs").unwrap().features, 4);
}

#[test]
fn keeping_features_of_a_group_edits_inputs_or_neurons() {
    let a = mlp(&[4, 3, 2]);
    let group = |name| a.graph().group(name).unwrap();
    let inputs = [true, false, true, true];
    let edited = a.keeping(&group("inputs"), &inputs).unwrap();
    assert_eq!(edited, a.without_inputs(&inputs).unwrap());
    let neurons = [false, true, true];
    let edited = a.keeping(&group("layers.0"), &neurons).unwrap();
    assert_eq!(edited, a.without_neurons(0, &neurons).unwrap());
    assert_eq!(a.keeping(&group("layers.0"), &[true; 3]).unwrap(), a);
}

#[test]
fn features_that_must_stay_are_refused_with_the_edge() {
    let a = mlp(&[4, 3, 2]);
    let group = |name| a.graph().group(name).unwrap();
    let keeping = |name, keep: &[bool]| a.keeping(&group(name), keep);
    assert_eq!(refused(keeping("layers.1", &[true, false])), "layers.1");
    assert_eq!(
        refused(keeping("layers.0", &[false; 3])),
        "layers.0 -> layers.1.weight"
    );
    assert_eq!(
        refused(keeping("inputs", &[false; 4])),
        "inputs -> layers.0.weight"
    );
    assert!(matches!(
        keeping("layers.0", &[true; 4]),
        Err(Error::Shape { .. })
    ));
    // A group of the chain as it was before is one of other features.
    let narrow = a.without_neurons(0, &[true, true, false]).unwrap();
    let stale = narrow.keeping(&group("layers.0"), &[true, false, true]);
    assert!(matches!(stale, Err(Error::Shape { .. })), "{stale:?}");
    let other = mlp(&[4, 3, 3, 2]).graph().group("layers.2").unwrap();
    assert!(a.keeping(&other, &[true, true]).is_err());
}
