//! Groups of small graphs.

use super::*;

fn node(name: &str, operation: Operation, inputs: &[&str], features: usize) -> Node {
    Node {
        name: name.into(),
        operation,
        inputs: inputs.iter().map(|&v| v.to_owned()).collect(),
        output: name.into(),
        features,
    }
}

fn linear(name: &str, input: &str, features: usize) -> Node {
    let operation = Operation::Linear {
        weight: format!("{name}.weight"),
        bias: Some(format!("{name}.bias")),
    };
    node(name, operation, &[input], features)
}

fn input(selectable: bool) -> Node {
    node("inputs", Operation::Input { selectable }, &[], 4)
}

fn relu(name: &str, input: &str) -> Node {
    node(name, Operation::Activation(Activation::Relu), &[input], 5)
}

fn axes(group: &Group) -> Vec<(&str, usize, Part)> {
    let members = group.members.iter();
    members
        .map(|m| (m.tensor.as_str(), m.axis, m.part))
        .collect()
}

#[test]
fn a_chain_has_a_group_for_each_layer() {
    let nodes = vec![
        input(true),
        linear("a", "inputs", 5),
        relu("r", "a"),
        linear("b", "r", 3),
    ];
    let graph = Graph::new(nodes, vec!["b".into()]).unwrap();
    let groups = graph.groups();
    assert_eq!(groups.len(), 3);
    assert_eq!(axes(&groups[0]), [("a.weight", 1, Part::Reads)]);
    assert!(groups[0].is_input());
    groups[0].check_removable().unwrap();
    let hidden = [
        ("a.weight", 0, Part::Writes),
        ("a.bias", 0, Part::Shifts),
        ("b.weight", 1, Part::Reads),
    ];
    assert_eq!(axes(&groups[1]), hidden);
    assert_eq!(groups[1].activations, Some(vec![Activation::Relu]));
    assert_eq!(
        groups[1]
            .check_kept(&[true, false, true, true, true])
            .unwrap(),
        4
    );
    let error = groups[1].check_kept(&[false; 5]).unwrap_err().to_string();
    assert!(error.contains("a -> b.weight"), "{error}");
    let error = groups[2].check_removable().unwrap_err().to_string();
    assert!(error.contains("outputs"), "{error}");
    assert_eq!(groups[2].check_kept(&[true; 3]).unwrap(), 3);
}

#[test]
fn two_readers_are_one_group_and_differ_in_what_they_see() {
    let nodes = vec![
        input(false),
        linear("a", "inputs", 5),
        relu("r", "a"),
        linear("b", "r", 3),
        linear("c", "a", 3),
        node("sum", Operation::Other("Add".into()), &["b", "c"], 3),
    ];
    let graph = Graph::new(nodes, vec!["sum".into()]).unwrap();
    let groups = graph.groups();
    assert!(groups[0].check_removable().is_err());
    assert_eq!(groups[1].of(Part::Reads).count(), 2);
    assert_eq!(groups[1].activations, None);
    groups[1].check_removable().unwrap();
    // What goes into an operation that nothing is known of stays whole.
    let error = groups[2].check_removable().unwrap_err().to_string();
    assert!(
        error.contains("b -> sum") && error.contains("Add"),
        "{error}"
    );
    assert!(graph.group("c").unwrap().check_removable().is_err());
    assert!(graph.group("nowhere").is_err());
}

#[test]
fn graphs_that_make_no_sense_are_refused() {
    let early = vec![linear("a", "inputs", 5), input(true)];
    assert!(Graph::new(early, vec![]).is_err());
    assert!(Graph::new(vec![input(true), input(true)], vec![]).is_err());
    assert!(Graph::new(vec![input(true)], vec!["a".into()]).is_err());
    let mut same = linear("inputs", "inputs", 5);
    same.output = "a".into();
    let error = Graph::new(vec![input(true), same], vec![]).unwrap_err();
    assert!(
        error.to_string().contains("a node's name is inputs"),
        "{error}"
    );
    let mut two = linear("a", "inputs", 5);
    two.inputs.push("inputs".into());
    assert!(Graph::new(vec![input(true), two], vec![]).is_err());
}

#[test]
fn features_of_an_operation_that_nothing_is_known_of_are_no_inputs() {
    let other = node("norm", Operation::Other("Norm".into()), &["inputs"], 4);
    let graph = Graph::new(vec![input(true), other, linear("a", "norm", 5)], vec![]).unwrap();
    let groups = graph.groups();
    assert!(groups[0].is_input() && !groups[1].is_input());
    let error = groups[0].check_removable().unwrap_err().to_string();
    assert!(error.contains("inputs -> norm"), "{error}");
    let error = groups[1].check_removable().unwrap_err().to_string();
    assert!(
        error.contains("norm") && error.contains("not known"),
        "{error}"
    );
    // What only a later layer computes is free.
    groups[2].check_removable().unwrap();
}

/// The edge and the reason of a group whose features must stay.
#[track_caller]
fn fixed(group: &Group) -> (String, String) {
    match group.check_removable() {
        Err(Error::Refused { layer, reason }) => (layer, reason),
        other => panic!("not refused: {other:?}"),
    }
}

/// A linear node of any weight and bias.
fn tied(name: &str, input: &str, features: usize, weight: &str, bias: &str) -> Node {
    let (weight, bias) = (weight.to_owned(), Some(bias.to_owned()));
    node(name, Operation::Linear { weight, bias }, &[input], features)
}

#[test]
fn a_weight_that_two_nodes_share_fixes_what_it_reads_and_writes() {
    let nodes = vec![
        input(true),
        tied("a", "inputs", 4, "w", "a.bias"),
        relu("r", "a"),
        tied("b", "r", 4, "w", "b.bias"),
        linear("c", "b", 5),
        linear("d", "c", 2),
    ];
    let groups = Graph::new(nodes, vec!["d".into()]).unwrap().groups();
    let shared = "w of a is shared with b";
    let [inputs, a, b, c, d] = &groups[..] else {
        panic!("{groups:?}");
    };
    assert_eq!(fixed(inputs), ("inputs -> w".into(), shared.into()));
    assert_eq!(fixed(a), ("a".into(), shared.into()));
    assert_eq!(fixed(b), ("b".into(), shared.into()));
    c.check_removable().unwrap();
    assert!(fixed(d).1.contains("outputs"));
    assert!(a.check_kept(&[true, true, false, true]).is_err());
    assert_eq!(a.check_kept(&[true; 4]).unwrap(), 4);
}

#[test]
fn a_tensor_of_two_groups_along_one_axis_fixes_both() {
    // Two layers read the same features, each with its own weight; their biases are one tensor.
    let nodes = vec![
        input(true),
        tied("a", "inputs", 5, "a.weight", "bias"),
        tied("b", "inputs", 5, "b.weight", "bias"),
        linear("c", "a", 3),
        linear("d", "b", 3),
    ];
    let groups = Graph::new(nodes, vec!["c".into(), "d".into()])
        .unwrap()
        .groups();
    let shared = "bias of a is shared with b";
    groups[0].check_removable().unwrap();
    assert_eq!(fixed(&groups[1]), ("a".into(), shared.into()));
    assert_eq!(fixed(&groups[2]), ("b".into(), shared.into()));
}

#[test]
fn a_weight_that_is_read_after_two_layers_fixes_both() {
    // Both hidden layers feed the same last weight.
    let nodes = vec![
        input(false),
        linear("a", "inputs", 5),
        linear("b", "inputs", 5),
        tied("c", "a", 3, "last", "c.bias"),
        tied("d", "b", 3, "last", "d.bias"),
    ];
    let groups = Graph::new(nodes, vec![]).unwrap().groups();
    let shared = "last of c is shared with d";
    for (group, edge) in groups[1..].iter().zip(["a -> last", "b -> last", "c", "d"]) {
        assert_eq!(fixed(group), (edge.into(), shared.into()));
    }
}

#[test]
fn three_nodes_may_share_a_weight() {
    let nodes = vec![
        input(true),
        tied("a", "inputs", 4, "w", "a.bias"),
        tied("b", "a", 4, "w", "b.bias"),
        tied("c", "b", 4, "w", "c.bias"),
    ];
    let groups = Graph::new(nodes, vec![]).unwrap().groups();
    let reasons: Vec<_> = groups.iter().map(|group| fixed(group).1).collect();
    assert_eq!(reasons, ["w of a is shared with b"; 4]);
}
