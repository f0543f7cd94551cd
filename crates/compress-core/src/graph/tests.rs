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

/// The axes of a group with the span of each.
fn spans(group: &Group) -> Vec<(&str, usize, Part, usize)> {
    let members = group.members.iter();
    members
        .map(|m| (m.tensor.as_str(), m.axis, m.part, m.span))
        .collect()
}

fn add(name: &str, inputs: &[&str], features: usize) -> Node {
    node(name, Operation::Add, inputs, features)
}

fn flatten(name: &str, input: &str, positions: usize, features: usize) -> Node {
    node(name, Operation::Flatten { positions }, &[input], features)
}

fn scaled(name: &str, input: &str, features: usize) -> Node {
    let tensors = vec![format!("{name}.scale"), format!("{name}.shift")];
    node(name, Operation::PerFeature { tensors }, &[input], features)
}

#[test]
fn what_is_added_is_one_group() {
    use Part::{Changes, Reads, Shifts, Writes};
    let nodes = vec![
        input(true),
        linear("a", "inputs", 3),
        linear("b", "a", 5),
        scaled("n", "b", 5),
        linear("c", "n", 3),
        add("sum", &["a", "c"], 3),
        flatten("flat", "sum", 4, 12),
        linear("d", "flat", 2),
        linear("e", "c", 2),
    ];
    let graph = Graph::new(nodes, vec!["d".into(), "e".into()]).unwrap();
    let groups = graph.groups();
    let names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["inputs", "a", "b", "d", "e"]);
    let summed = [
        ("a.weight", 0, Writes, 1),
        ("a.bias", 0, Shifts, 1),
        ("b.weight", 1, Reads, 1),
        ("c.weight", 0, Writes, 1),
        ("c.bias", 0, Shifts, 1),
        ("d.weight", 1, Reads, 4),
        ("e.weight", 1, Reads, 1),
    ];
    assert_eq!(spans(&groups[1]), summed);
    assert_eq!((groups[1].features, &groups[1].activations), (3, &None));
    groups[1].check_removable().unwrap();
    let scaled = [
        ("b.weight", 0, Writes, 1),
        ("b.bias", 0, Shifts, 1),
        ("n.scale", 0, Changes, 1),
        ("n.shift", 0, Changes, 1),
        ("c.weight", 1, Reads, 1),
    ];
    assert_eq!(spans(&groups[2]), scaled);
    assert_eq!(groups[2].activations, None);
    assert_eq!(graph.group("b").unwrap(), groups[2]);
}

#[test]
fn sums_of_sums_are_one_group_and_what_fixes_a_part_fixes_all() {
    let nodes = |last: Operation| {
        vec![
            input(false),
            linear("a", "inputs", 3),
            linear("b", "inputs", 3),
            linear("c", "inputs", 3),
            linear("d", "inputs", 3),
            add("ab", &["a", "b"], 3),
            add("cd", &["c", "d", "c"], 3),
            add("all", &["cd", "ab"], 3),
            node("last", last, &["d"], 3),
            linear("head", "all", 2),
        ]
    };
    let activation = Operation::Activation(Activation::Relu);
    let groups = Graph::new(nodes(activation), vec!["head".into()]).unwrap();
    let groups = groups.groups();
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[1].of(Part::Writes).count(), 4);
    groups[1].check_removable().unwrap();
    let other = Operation::Other("Softmax".into());
    let groups = Graph::new(nodes(other), vec!["head".into()])
        .unwrap()
        .groups();
    let (edge, reason) = fixed(&groups[1]);
    assert_eq!(edge, "a -> last");
    assert!(reason.contains("Softmax"), "{reason}");
    let output = Graph::new(nodes(Operation::Add), vec!["b".into()]).unwrap();
    assert!(fixed(&output.groups()[1]).1.contains("outputs"));
}

#[test]
fn inputs_that_are_added_stay() {
    let nodes = vec![
        input(true),
        linear("a", "inputs", 4),
        add("sum", &["a", "inputs"], 4),
        linear("b", "sum", 2),
    ];
    let groups = Graph::new(nodes, vec!["b".into()]).unwrap().groups();
    assert_eq!(groups.len(), 2);
    let (edge, reason) = fixed(&groups[0]);
    assert_eq!(edge, "inputs -> sum");
    assert!(reason.contains("from outside"), "{reason}");
    assert!(!groups[0].is_input());
}

#[test]
fn flattened_features_are_not_added_to_others() {
    let nodes = vec![
        input(true),
        linear("a", "inputs", 3),
        flatten("flat", "a", 2, 6),
        linear("b", "inputs", 6),
        add("sum", &["b", "flat"], 6),
        linear("c", "sum", 2),
        flatten("again", "flat", 5, 30),
        linear("d", "again", 2),
    ];
    let groups = Graph::new(nodes, vec!["c".into(), "d".into()])
        .unwrap()
        .groups();
    for (group, edge) in [(1, "a -> sum"), (2, "b -> sum")] {
        let (found, reason) = fixed(&groups[group]);
        assert_eq!(found, edge);
        assert!(reason.contains("otherwise"), "{reason}");
    }
    let last = groups[1].members.last().unwrap();
    assert_eq!((last.tensor.as_str(), last.span), ("d.weight", 10));
}

#[test]
fn scales_that_are_shared_fix_both_groups() {
    let mut twice = scaled("m", "b", 5);
    twice.operation = scaled("n", "a", 5).operation;
    let nodes = vec![
        input(true),
        linear("a", "inputs", 5),
        scaled("n", "a", 5),
        linear("b", "n", 5),
        twice,
        linear("c", "m", 2),
    ];
    let groups = Graph::new(nodes, vec!["c".into()]).unwrap().groups();
    let shared = "n.scale of n is shared with m";
    assert_eq!(fixed(&groups[1]), ("a".into(), shared.into()));
    assert_eq!(fixed(&groups[2]), ("b".into(), shared.into()));
}

#[test]
fn features_that_do_not_fit_are_refused_with_the_edge() {
    for (bad, edge) in [
        (add("x", &["a", "inputs"], 5), "a, inputs -> x"),
        (add("x", &["a", "a"], 4), "a, a -> x"),
        (add("x", &[], 4), " -> x"),
        (scaled("x", "a", 4), "a -> x"),
        (flatten("x", "a", 3, 14), "a -> x"),
        (flatten("x", "a", 0, 0), "a -> x"),
        (flatten("x", "a", usize::MAX, usize::MAX), "a -> x"),
    ] {
        let nodes = vec![input(true), linear("a", "inputs", 5), bad];
        let error = Graph::new(nodes, vec![]).unwrap_err().to_string();
        assert!(error.contains(edge), "{error}");
    }
}

#[test]
fn a_member_cuts_and_reorders_all_positions_of_a_feature() {
    use crate::tensor::TensorRef;
    let member = Member {
        tensor: "w".into(),
        axis: 1,
        part: Part::Reads,
        span: 2,
    };
    // Two rows of three features of two positions, each with a kernel of two values.
    let shape = [2, 6, 2];
    let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
    let tensor = TensorRef::weight("w", &shape, &values).unwrap();
    let of = |row: usize, feature: usize| values[row * 12 + feature * 4..][..4].to_vec();
    let (cut, kept) = member.cut(tensor, &[true, false, true]).unwrap();
    assert_eq!(cut, [2, 4, 2]);
    assert_eq!(kept, [of(0, 0), of(0, 2), of(1, 0), of(1, 2)].concat());
    let order = [2, 0, 1];
    let expected: Vec<f32> = (0..2)
        .flat_map(|row| order.map(|f| of(row, f)).concat())
        .collect();
    assert_eq!(member.reorder(tensor, &order).unwrap(), expected);
    for (position, _) in values.iter().enumerate() {
        let feature = position / member.step(&shape) % 3;
        assert!(of(position / 12, feature).contains(&values[position]));
    }
    assert!(member.cut(tensor, &[true; 6]).is_err());
    assert!(member.reorder(tensor, &[0, 1]).is_err());
    assert!(member.reorder(tensor, &[0, 1, usize::MAX]).is_err());
    assert!(member.reorder(tensor, &[0, 1, 1]).is_err());
}
