//! Models that must not be written.

use super::*;

fn small() -> Artifact {
    let architecture = Architecture::mlp(&[4, 3, 2], Activation::Relu).unwrap();
    model(
        architecture,
        Kind::Linear(4, Granularity::Tensor, false),
        Kind::Float,
        500,
    )
}

#[test]
fn values_that_are_not_finite_name_their_tensor() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut artifact = small();
        let Tensor::Float { values, .. } = &mut artifact.tensors[1] else {
            panic!("biases are floats");
        };
        values[2] = bad;
        match artifact.to_bytes().unwrap_err() {
            Error::NonFinite { what, index, .. } => {
                assert_eq!((what.as_str(), index), ("layers.0.bias", 2));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn names_and_shapes_that_are_not_the_architectures() {
    let refuse = |change: fn(&mut Artifact)| {
        let mut artifact = small();
        change(&mut artifact);
        artifact.to_bytes().unwrap_err().to_string()
    };
    let swapped = refuse(|a| a.tensors.swap(1, 3));
    assert!(swapped.contains("layers.1.bias"), "{swapped}");
    refuse(|a| drop(a.tensors.pop()));
    refuse(|a| a.tensors.push(a.tensors[0].clone()));
    refuse(|a| a.tensors.clear());
    refuse(|a| a.architecture.layers.clear());
    refuse(|a| a.architecture.layers[0].name = "fc1".into());
    refuse(|a| a.architecture.layers[1].inputs = 4);
    refuse(|a| a.architecture.selected = Some(vec![3, 2, 1, 0]));
    let shape = refuse(|a| {
        if let Tensor::Float { shape, .. } = &mut a.tensors[1] {
            *shape = vec![3, 1];
        }
    });
    assert!(shape.contains("layers.0.bias"), "{shape}");
    let length = refuse(|a| {
        if let Tensor::Float { values, .. } = &mut a.tensors[1] {
            values.push(0.0);
        }
    });
    assert!(length.contains("layers.0.bias"), "{length}");
    let code = refuse(|a| {
        if let Tensor::Quantized(tensor) = &mut a.tensors[0] {
            tensor.codes.set(0, 8).unwrap();
        }
    });
    assert!(code.contains("layers.0.weight"), "{code}");
}

#[test]
fn more_than_any_reader_accepts() {
    let mut artifact = small();
    artifact.architecture.layers[1].outputs = usize::MAX / 2;
    assert!(artifact.to_bytes().is_err());
    artifact.architecture.layers[1].outputs = MOST_PARAMETERS;
    assert!(artifact.to_bytes().is_err());
}
