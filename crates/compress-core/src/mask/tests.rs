//! What a mask does to a network, and what it refuses.

use ndarray::array;

use super::*;
use crate::evidence::PerValue;
use crate::network::test_chain::Chain;

fn chain() -> Chain {
    Chain::new(vec![
        array![[1.0, -2.0], [3.0, f32::NAN]],
        array![[-0.0, 5.0]],
    ])
}

fn tensor(name: &str, shape: &[usize], keep: &[bool]) -> TensorMask {
    TensorMask {
        name: name.into(),
        shape: shape.to_vec(),
        keep: keep.to_vec(),
    }
}

#[test]
fn it_zeroes_what_does_not_stay_and_nothing_else() {
    let mut chain = chain();
    let keep = [true, false, true, false];
    let mask = Mask {
        tensors: vec![tensor("layers.0.weight", &[2, 2], &keep)],
    };
    mask.apply(&mut chain).unwrap();
    let bits = |w: &[f32]| w.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
    let parameters = &chain.parameters;
    assert_eq!(bits(parameters[0].values()), bits(&[1.0, 0.0, 3.0, 0.0]));
    assert_eq!(bits(parameters[2].values()), bits(&[-0.0, 5.0]));
    assert_eq!((mask.total(), mask.kept(), mask.density()), (4, 2, 0.5));
    assert_eq!(Mask::default().density(), 1.0);
}

#[test]
fn nothing_is_changed_where_a_tensor_does_not_fit() {
    let good = tensor("layers.0.weight", &[2, 2], &[false; 4]);
    for bad in [
        tensor("layers.7.weight", &[1, 2], &[false; 2]),
        tensor("layers.1.weight", &[2, 1], &[false; 2]),
        tensor("layers.1.weight", &[1, 2], &[false; 3]),
    ] {
        let mut network = chain();
        let mask = Mask {
            tensors: vec![good.clone(), bad.clone()],
        };
        let text = mask.apply(&mut network).unwrap_err().to_string();
        assert!(text.contains(&bad.name), "{text}");
        assert_eq!(network.parameters[0].values()[0], 1.0);
    }
}

#[test]
fn the_mask_of_nonzeros_covers_weights_alone() {
    let mask = Mask::of_nonzeros(&chain()).unwrap();
    let names: Vec<_> = mask.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["layers.0.weight", "layers.1.weight"]);
    assert_eq!(mask.tensors[0].keep, [true; 4]);
    assert_eq!(mask.tensors[1].keep, [false, true]);
}

#[test]
fn scores_are_counted_over_tensors() {
    let of = |n| TensorScores {
        name: "w".into(),
        shape: vec![n],
        values: vec![0.0; n],
    };
    let scores = Scores {
        tensors: vec![of(3), of(0), of(4)],
    };
    assert_eq!((scores.len(), scores.is_empty()), (7, false));
    assert!(Scores::default().is_empty());
}

/// Scores each value by its magnitude plus what the evidence says of its gradient.
struct Sum {
    /// How many scores too many it gives.
    excess: usize,
}

impl Criterion for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let gradient = evidence.values(
            PerValue::Gradient,
            self.name(),
            weight.name,
            weight.values.len(),
        )?;
        let both = weight.values.iter().zip(gradient);
        let mut scores: Vec<f32> = both.map(|(w, g)| w.abs() + g).collect();
        scores.extend(vec![0.0; self.excess]);
        Ok(scores)
    }
}

#[test]
fn each_weight_is_scored_with_what_is_known_of_it() {
    let mut chain = Chain::new(vec![array![[1.0, -2.0]], array![[3.0]]]);
    chain.parameters[0].gradient_mut()[1] = 10.0;
    let criterion = Sum { excess: 0 };
    assert_eq!(criterion.needs(), Needs::default());
    let mut known = Known::nothing();
    let error = score(&chain, &criterion, &known).unwrap_err().to_string();
    assert!(
        error.contains("sum needs the gradient of layers.0.weight"),
        "{error}"
    );
    known.take_gradients(&mut chain).unwrap();
    let scores = score(&chain, &criterion, &known).unwrap();
    let found = scores
        .tensors
        .iter()
        .map(|t| (t.name.as_str(), &t.shape[..], &t.values[..]));
    let expected = [
        ("layers.0.weight", &[1, 2][..], &[1.0, 12.0][..]),
        ("layers.1.weight", &[1, 1], &[3.0]),
    ];
    assert!(found.eq(expected), "{scores:?}");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let mut chain = chain();
    let mut known = Known::nothing();
    known.take_gradients(&mut chain).unwrap();
    let error = score(&chain, &Sum { excess: 0 }, &known).unwrap_err();
    assert!(
        matches!(&error, Error::NonFinite { what, index: 3, .. } if what == "layers.0.weight"),
        "{error}"
    );
    chain.parameters[0].values_mut()[3] = 1.0;
    let error = score(&chain, &Sum { excess: 1 }, &known)
        .unwrap_err()
        .to_string();
    assert!(error.contains("scores of layers.0.weight"), "{error}");
    let mut bias = array![1.0];
    let biases = parameters::Lent::new().tensor("b", Role::Bias, bias.view_mut());
    let error = score(&biases.unwrap(), &Sum { excess: 0 }, &known).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[test]
fn a_mask_names_each_tensor_once() {
    let one = tensor("layers.1.weight", &[1, 2], &[true; 2]);
    let mask = Mask {
        tensors: vec![one.clone(), one],
    };
    let error = mask.check(&chain()).unwrap_err().to_string();
    assert!(error.contains("one tensor twice"), "{error}");
    assert_eq!(mask.of("layers.1.weight"), Some(&mask.tensors[0]));
    assert_eq!(mask.of("layers.0.weight"), None);
}
