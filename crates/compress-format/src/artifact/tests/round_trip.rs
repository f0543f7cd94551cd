//! What is written is read back, each bit of it.

use super::*;
use crate::tensors::{Coding, content};
use proptest::prelude::*;

/// Equality of floats is not enough: it does not tell −0 from 0.
fn assert_same_bits(a: &Artifact, b: &Artifact) {
    assert_eq!(a, b);
    for (a, b) in a.tensors.iter().zip(&b.tensors) {
        let bits = |t: &Tensor| -> Vec<u32> {
            let values = t.values().unwrap();
            values.iter().map(|v| v.to_bits()).collect()
        };
        assert_eq!(bits(a), bits(b), "{}", a.name());
    }
}

fn check(artifact: &Artifact) -> (Vec<u8>, Vec<StoredTensor>) {
    let (bytes, stored) = artifact.to_bytes().unwrap();
    assert_same_bits(&Artifact::from_bytes(&bytes).unwrap(), artifact);
    let tensors: usize = stored.iter().map(|s| s.bytes).sum();
    if stored.iter().all(|s| s.coding == "solid") {
        // Tensors share bytes, and the architecture takes a few.
        let rest = bytes.len() as isize - tensors as isize;
        assert!((0..40).contains(&rest), "{rest}");
        let parts = artifact.parts().unwrap().unwrap();
        let sum: f64 = parts.iter().map(|(_, bytes)| bytes).sum();
        assert!((sum - bytes.len() as f64).abs() < 2.0, "{parts:?}");
    } else {
        let mut architecture = Vec::new();
        header::write(&mut architecture, &artifact.architecture);
        assert_eq!(bytes.len(), tensors + architecture.len() + CHECKSUM.end);
    }
    (bytes, stored)
}

#[test]
fn every_grid_with_every_granularity() {
    for artifact in small_models() {
        let (_, stored) = check(&artifact);
        let names: Vec<_> = artifact.tensors.iter().map(Tensor::name).collect();
        assert_eq!(stored.iter().map(|s| &s.name).collect::<Vec<_>>(), names);
    }
}

#[test]
fn a_codebook_of_codes_wider_than_a_byte() {
    let architecture = Architecture::mlp(&[30, 20], Activation::Relu).unwrap();
    let artifact = model(architecture, Kind::Codebook(300), Kind::Float, 1000);
    let Tensor::Quantized(weight) = &artifact.tensors[0] else {
        panic!("{:?}", artifact.tensors[0]);
    };
    assert!(matches!(&weight.grid, Grid::Codebook { values } if values.len() == 300));
    check(&artifact);
}

#[test]
fn every_coding_of_every_tensor() {
    for artifact in small_models() {
        for ((name, shape, arrangements), tensor) in
            expected(&artifact.architecture).zip(&artifact.tensors)
        {
            for coding in Coding::ALL {
                let mut bytes = vec![by_tensor::first_byte(tensor, coding)];
                bytes.extend(content::write(tensor, coding, &arrangements));
                let mut reader = Reader::new(&bytes, 0);
                let (name, shape) = (name.clone(), shape.clone());
                let read = by_tensor::read_tensor(&mut reader, name, shape, &arrangements);
                let read = read.unwrap();
                assert_eq!(&read, tensor, "{coding:?}");
                assert_eq!(reader.remaining(), 0, "{coding:?}");
            }
        }
    }
}

#[test]
fn selected_features_of_every_density() {
    for (features, step) in [(784, 1), (784, 2), (784, 9), (784, 700), (50, 3), (3072, 5)] {
        let selected: Vec<u32> = (0..features).filter(|i| i % step == 0).collect();
        let mut architecture = Architecture::mlp(&[selected.len(), 4], Activation::Relu).unwrap();
        architecture.features = features as usize;
        architecture.selected = Some(selected);
        check(&model(architecture, Kind::SparseFloat, Kind::Float, 30));
    }
}

#[test]
fn activations_and_names_of_their_own() {
    use Activation::{Gelu, Identity, Relu, Tanh};
    for activations in [
        [Identity, Relu, Gelu],
        [Relu, Relu, Tanh],
        [Tanh, Tanh, Identity],
        [Gelu, Gelu, Identity],
        [Identity, Identity, Identity],
    ] {
        for names in [["layers.0", "layers.1", "layers.2"], ["fc1", "", "日本"]] {
            let mut architecture = Architecture::mlp(&[3, 4, 5, 2], Relu).unwrap();
            for (i, layer) in architecture.layers.iter_mut().enumerate() {
                layer.name = names[i].into();
                layer.activation = activations[i];
            }
            check(&model(architecture, Kind::Float, Kind::Float, 1000));
        }
    }
}

#[test]
fn floats_of_every_sort_keep_their_bits() {
    let special = [
        0.0,
        -0.0,
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE / 8.0,
        f32::from_bits(1),
        f32::MAX,
        f32::MIN,
        1.0,
    ];
    let architecture = Architecture::mlp(&[40, 20], Activation::Relu).unwrap();
    for (every, among) in [(1, &special[..]), (30, &special), (1, &[-0.0]), (1, &[0.0])] {
        let mut artifact = model(architecture.clone(), Kind::Float, Kind::Float, 1000);
        for tensor in &mut artifact.tensors {
            if let Tensor::Float { values, .. } = tensor {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = if i % every == 0 {
                        among[i / every % among.len()]
                    } else {
                        0.0
                    };
                }
            }
        }
        check(&artifact);
    }
}

#[test]
fn each_coding_is_the_smallest_somewhere() {
    let mut seen = std::collections::BTreeSet::new();
    for artifact in small_models() {
        seen.extend(check(&artifact).1.into_iter().map(|s| s.coding));
    }
    let all: Vec<_> = seen.into_iter().collect();
    assert_eq!(all, ["dense", "entropy", "packed", "solid", "sparse"]);
}

#[test]
fn a_tensor_is_found_by_its_name() {
    let artifact = model(lenet(), Kind::PowerOfTwo(4), Kind::Float, 10);
    assert_eq!(
        artifact.tensor("layers.1.bias").unwrap(),
        &artifact.tensors[3]
    );
    let error = artifact.tensor("layers.3.bias").unwrap_err().to_string();
    assert!(error.contains("layers.3.bias") && error.contains("layers.2.bias"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_model(
        widths in proptest::collection::vec(1_usize..30, 2..5),
        weight in 0_usize..1000,
        bias in 0_usize..1000,
        per_mille in 0_u32..=1000,
    ) {
        let kinds = kinds();
        let architecture = Architecture::mlp(&widths, Activation::Tanh).unwrap();
        let (weight, bias) = (kinds[weight % kinds.len()], kinds[bias % kinds.len()]);
        check(&model(architecture, weight, bias, per_mille));
    }
}
