//! What is known, who asked for what is not, and where it comes from.

use ndarray::{Array2, array};

use super::*;
use crate::graph::{Node, Operation};
use crate::network::test_chain::Chain;
use crate::network::{Edit, Parameter};
use crate::observe::OnSamples;
use crate::samples::ArraySamples;
use crate::tensor::TensorRef;

fn statistics(square_sums: Vec<f64>) -> InputStatistics {
    InputStatistics {
        samples: 3,
        min: -1.0,
        max: 2.0,
        sums: vec![0.0; square_sums.len()],
        square_sums,
    }
}

fn gram(matrix: Array2<f32>) -> InputGram {
    InputGram { samples: 3, matrix }
}

/// Asserts that the error names the asker, the tensor, what is missing and how it can be had.
#[track_caller]
fn missing<T: std::fmt::Debug>(found: Result<T>, what: &str, how: &str) {
    let error = found.unwrap_err();
    assert!(matches!(error, Error::NoEvidence { .. }), "{error:?}");
    let text = error.to_string();
    let expected = format!("Asker needs {what} of conv.weight: {how}");
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn evidence_that_is_missing_names_who_asks_of_what_and_how_to_get_it() {
    let (none, weight) = (Evidence::none(), "conv.weight");
    missing(
        none.values(PerValue::Gradient, "Asker", weight, 4),
        "the gradient",
        "train with a hook",
    );
    let found = none.values(PerValue::SecondMoments, "Asker", weight, 4);
    missing(found, "the second moments", "train with an optimizer");
    let calibration = "run calibration data";
    missing(
        none.inputs("Asker", weight, 2),
        "statistics of the inputs",
        calibration,
    );
    let found = none.gram("Asker", weight, 2);
    missing(found, "the Gram matrix of the inputs", calibration);
    let found = none.readers("Asker", weight, 2);
    missing(
        found,
        "the norms of the readers",
        "find them in the model's graph",
    );
}

#[test]
fn statistics_of_no_rows_are_no_evidence() {
    let mut empty = statistics(vec![0.0; 2]);
    empty.samples = 0;
    let mut no_gram = gram(Array2::zeros((2, 2)));
    no_gram.samples = 0;
    let evidence = Evidence::none().with_inputs(&empty).with_gram(&no_gram);
    let found = evidence.inputs("Asker", "conv.weight", 2);
    missing(found, "statistics of the inputs", "run calibration data");
    let found = evidence.gram("Asker", "conv.weight", 2);
    missing(
        found,
        "the Gram matrix of the inputs",
        "run calibration data",
    );
}

#[test]
fn what_is_lent_is_given_back() {
    let (gradient, moments) = ([1.0, -2.0], [0.5, 0.0]);
    let (inputs, gram) = (statistics(vec![4.0]), gram(array![[4.0]]));
    let evidence = Evidence::none().with_values(PerValue::Gradient, &gradient);
    let evidence = evidence.with_values(PerValue::SecondMoments, &moments);
    let evidence = evidence.with_inputs(&inputs).with_gram(&gram);
    assert_eq!(
        evidence.values(PerValue::Gradient, "a", "w", 2).unwrap(),
        gradient
    );
    assert_eq!(
        evidence
            .values(PerValue::SecondMoments, "a", "w", 2)
            .unwrap(),
        moments
    );
    assert_eq!(evidence.inputs("a", "w", 1).unwrap(), &inputs);
    assert_eq!(evidence.gram("a", "w", 1).unwrap(), &gram);
}

#[test]
fn evidence_of_another_length_is_refused() {
    let (inputs, gram) = (statistics(vec![1.0; 3]), gram(Array2::zeros((3, 3))));
    let evidence = Evidence::none().with_values(PerValue::Gradient, &[1.0; 3]);
    let evidence = evidence.with_values(PerValue::SecondMoments, &[1.0; 3]);
    let evidence = evidence.with_inputs(&inputs).with_gram(&gram);
    let errors = [
        (
            evidence.values(PerValue::Gradient, "a", "w", 2).err(),
            "the gradient of w",
        ),
        (
            evidence.values(PerValue::SecondMoments, "a", "w", 4).err(),
            "the second moments of w",
        ),
        (
            evidence.inputs("a", "w", 2).err(),
            "columns of the inputs of w",
        ),
        (
            evidence.gram("a", "w", 4).err(),
            "the Gram matrix of the inputs of w",
        ),
    ];
    for (error, what) in errors {
        let error = error.unwrap();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert!(error.to_string().starts_with(what), "{error}");
    }
}

#[test]
fn evidence_that_is_not_finite_is_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let values = [1.0, bad];
        let evidence = Evidence::none().with_values(PerValue::Gradient, &values);
        let evidence = evidence.with_values(PerValue::SecondMoments, &values);
        let gram = gram(array![[1.0, bad], [bad, 1.0]]);
        let evidence = evidence.with_gram(&gram);
        let errors = [
            (
                evidence.values(PerValue::Gradient, "a", "w", 2).err(),
                "the gradient of w",
            ),
            (
                evidence.values(PerValue::SecondMoments, "a", "w", 2).err(),
                "the second moments of w",
            ),
            (
                evidence.gram("a", "w", 2).err(),
                "the Gram matrix of the inputs of w",
            ),
        ];
        for (error, what) in errors {
            let error = error.unwrap();
            assert!(
                matches!(error, Error::NonFinite { index: 1, .. }),
                "{error}"
            );
            assert!(error.to_string().starts_with(what), "{error}");
        }
    }
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let inputs = statistics(vec![1.0, bad]);
        let found = Evidence::none().with_inputs(&inputs).inputs("a", "w", 2);
        let error = found.unwrap_err().to_string();
        assert!(error.contains("inputs of w"), "{error}");
    }
}

fn chain() -> Chain {
    Chain::new(vec![
        array![[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]],
        array![[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]],
    ])
}

#[test]
fn movement_is_added_up_of_weights_alone() {
    let mut model = chain();
    let mut known = Known::nothing();
    for (step, gradient) in [2.0, -0.5].into_iter().enumerate() {
        for parameter in &mut model.parameters {
            parameter.values_mut().fill(step as f32 + 1.0);
            parameter.gradient_mut().fill(gradient);
        }
        known.add_movement(&mut model).unwrap();
    }
    let found = known.values(PerValue::Movement);
    let expected = [("layers.0.weight", 6), ("layers.1.weight", 6)];
    // -(1 * 2) - (2 * -0.5)
    let expected = expected.map(|(name, count)| (name.to_owned(), vec![-1.0; count]));
    assert_eq!(found, expected);
}

#[test]
fn activity_is_not_found_without_a_graph() {
    let model = chain();
    let samples = ArraySamples::new(array![[1.0, 0.0]], Vec::new()).unwrap();
    let needs = Needs {
        inputs: true,
        activity: true,
        ..Needs::default()
    };
    let found = Known::by_observing(&OnSamples::new(&model, &samples), needs);
    let error = found.unwrap_err().to_string();
    assert!(error.contains("`Known::find_activity`"), "{error}");
}

#[test]
fn calibration_data_gives_what_is_needed_and_nothing_else() {
    let model = chain();
    let samples = ArraySamples::new(array![[1.0, 0.0], [2.0, 1.0]], Vec::new()).unwrap();
    let on_samples = OnSamples::new(&model, &samples);
    for (inputs, gram) in [(false, false), (true, false), (false, true), (true, true)] {
        let needs = Needs {
            inputs,
            gram,
            ..Needs::default()
        };
        let known = Known::by_observing(&on_samples, needs).unwrap();
        let evidence = known.of("layers.0.weight");
        let sums = evidence.inputs("a", "w", 2).ok();
        let expected = [5.0, 1.0];
        assert_eq!(
            sums.map(|s| &s.square_sums[..]),
            inputs.then_some(&expected[..])
        );
        let found = evidence.gram("a", "w", 2).ok().map(|g| &g.matrix);
        let expected = array![[5.0, 2.0], [2.0, 1.0]];
        assert_eq!(found, gram.then_some(&expected));
        assert_eq!(
            known.of("layers.1.weight").inputs("a", "w", 3).is_ok(),
            inputs
        );
        assert!(known.of("layers.0.bias").inputs("a", "b", 2).is_err());
        assert!(evidence.values(PerValue::Gradient, "a", "w", 6).is_err());
    }
}

#[test]
fn gradients_are_taken_as_they_are_now() {
    let mut model = chain();
    model.parameters[0].gradient_mut().fill(2.0);
    let mut known = Known::nothing();
    known.take_gradients(&mut model).unwrap();
    model.parameters[0].gradient_mut().fill(3.0);
    let of = |known: &Known| {
        known
            .of("layers.0.weight")
            .values(PerValue::Gradient, "a", "w", 6)
            .unwrap()[5]
    };
    assert_eq!(of(&known), 2.0);
    known.take_gradients(&mut model).unwrap();
    assert_eq!(of(&known), 3.0);
    let bias = known
        .of("layers.1.bias")
        .values(PerValue::Gradient, "a", "b", 2)
        .unwrap();
    assert_eq!(bias, [0.0, 0.0]);
    // The chain has no optimizer.
    known.take_second_moments(&model).unwrap();
    let found =
        known
            .of("layers.0.weight")
            .values(PerValue::SecondMoments, "Asker", "conv.weight", 6);
    missing(found, "the second moments", "train with an optimizer");
}

/// A chain whose optimizer keeps second moments of its first weight.
struct Trained(Chain, [f32; 6]);

impl Parameters for Trained {
    fn visit(&self, see: &mut parameters::See<'_>) -> Result<()> {
        self.0.visit(see)
    }

    fn visit_mut(&mut self, change: &mut parameters::Change<'_>) -> Result<()> {
        self.0.visit_mut(change)
    }
}

impl Gradients for Trained {
    fn visit_gradients(&mut self, change: &mut parameters::Change<'_>) -> Result<()> {
        self.0.visit_gradients(change)
    }

    fn visit_second_moments(&self, see: &mut parameters::See<'_>) -> Result<()> {
        let values = &self.1;
        see(TensorRef {
            values,
            ..self.0.parameters[0].tensor()
        })
    }
}

#[test]
fn second_moments_are_taken_where_an_optimizer_keeps_them() {
    let mut known = Known::nothing();
    known
        .take_second_moments(&Trained(chain(), [0.25; 6]))
        .unwrap();
    let found = known
        .of("layers.0.weight")
        .values(PerValue::SecondMoments, "a", "w", 6);
    assert_eq!(found.unwrap(), [0.25; 6]);
    assert!(
        known
            .of("layers.1.weight")
            .values(PerValue::SecondMoments, "a", "w", 6)
            .is_err()
    );
}

#[test]
fn readers_are_the_norms_of_the_columns_that_read_each_row() {
    let model = chain();
    let mut known = Known::nothing();
    known.find_readers(&model, &model.graph()).unwrap();
    let first = known.of("layers.0.weight");
    let expected = [5.0, 0.0, 2f64.sqrt()];
    assert_eq!(first.readers("a", "w", 3).unwrap(), Some(&expected[..]));
    let error = first.readers("a", "w", 2).unwrap_err().to_string();
    assert!(error.contains("readers of w"), "{error}");
    // Nothing reads the outputs.
    assert_eq!(
        known.of("layers.1.weight").readers("a", "w", 2).unwrap(),
        None
    );
}

#[test]
fn readers_need_the_tensors_of_the_graph_and_finite_values() {
    let mut model = chain();
    let graph = model.graph();
    model.parameters[2].values_mut()[4] = f32::NAN;
    let error = Known::nothing().find_readers(&model, &graph).unwrap_err();
    assert!(
        matches!(&error, Error::NonFinite { what, .. } if what == "layers.1.weight"),
        "{error}"
    );
    model.parameters[2] = Parameter::weight("layers.1.weight", Array2::zeros((2, 4)));
    let error = Known::nothing().find_readers(&model, &graph).unwrap_err();
    assert!(
        error.to_string().contains("columns of layers.1.weight"),
        "{error}"
    );
    model.parameters.truncate(2);
    let error = Known::nothing().find_readers(&model, &graph).unwrap_err();
    assert!(matches!(error, Error::UnknownTensor { .. }), "{error}");
}

#[test]
fn a_shared_weight_is_read_wherever_its_outputs_go() {
    let linear = |name: &str, weight: &str, input: &str, features| Node {
        name: name.into(),
        operation: Operation::Linear {
            weight: weight.into(),
            bias: None,
        },
        inputs: vec![input.into()],
        output: name.into(),
        features,
    };
    let input = Node {
        operation: Operation::Input { selectable: true },
        inputs: Vec::new(),
        ..linear("x", "", "", 1)
    };
    let nodes = vec![
        input,
        linear("a", "w", "x", 1),
        linear("b", "w", "x", 1),
        linear("c", "three", "a", 1),
        linear("d", "four", "b", 1),
    ];
    let graph = Graph::new(nodes, vec!["c".into(), "d".into()]).unwrap();
    let (mut w, mut three, mut four) = (array![[1.0]], array![[3.0]], array![[4.0]]);
    let model = parameters::Lent::new().weight("w", w.view_mut()).unwrap();
    let model = model.weight("three", three.view_mut()).unwrap();
    let model = model.weight("four", four.view_mut()).unwrap();
    let mut known = Known::nothing();
    for _ in 0..2 {
        known.find_readers(&model, &graph).unwrap();
        assert_eq!(
            known.of("w").readers("a", "w", 1).unwrap(),
            Some(&[5.0][..])
        );
    }
}
