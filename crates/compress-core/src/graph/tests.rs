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
    members.map(|m| (m.tensor.as_str(), m.axis, m.part)).collect()
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
    assert_eq!(groups[1].check_kept(&[true, false, true, true, true]).unwrap(), 4);
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
    assert!(error.contains("b -> sum") && error.contains("Add"), "{error}");
    assert!(graph.group("c").unwrap().check_removable().is_err());
    assert!(graph.group("nowhere").is_err());
}

#[test]
fn graphs_that_make_no_sense_are_refused() {
    let early = vec![linear("a", "inputs", 5), input(true)];
    assert!(Graph::new(early, vec![]).is_err());
    assert!(Graph::new(vec![input(true), input(true)], vec![]).is_err());
    assert!(Graph::new(vec![input(true)], vec!["a".into()]).is_err());
    let mut two = linear("a", "inputs", 5);
    two.inputs.push("inputs".into());
    assert!(Graph::new(vec![input(true), two], vec![]).is_err());
}
