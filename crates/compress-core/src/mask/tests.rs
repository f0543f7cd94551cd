//! What a mask does to a network, and what it refuses.

use ndarray::array;

use super::*;
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
