//! Models that are one stream.

use super::*;

#[test]
fn those_of_whole_numbers_are_shorter_as_one_stream() {
    for artifact in solid_models() {
        let (bytes, stored) = artifact.to_bytes().unwrap();
        assert!(stored.iter().all(|s| s.coding == "solid"));
        let (alone, _) = artifact.tensor_by_tensor();
        assert!(
            bytes.len() + 10 < alone.len(),
            "{} {}",
            bytes.len(),
            alone.len()
        );
        assert_eq!(Artifact::from_bytes(&alone).unwrap(), artifact);
    }
}

#[test]
fn others_are_stored_tensor_by_tensor() {
    let usual = || solid_models().nth(3).unwrap();
    assert!(usual().parts().unwrap().is_some());
    let other = |change: fn(&mut Artifact)| {
        let mut artifact = usual();
        change(&mut artifact);
        assert_eq!(artifact.parts().unwrap(), None);
        let (bytes, stored) = artifact.to_bytes().unwrap();
        assert!(stored.iter().all(|s| s.coding != "solid"));
        assert_eq!(Artifact::from_bytes(&bytes).unwrap(), artifact);
    };
    other(|a| a.architecture.layers[1].activation = Activation::Tanh);
    other(|a| {
        let values = a.tensors[1].values().unwrap();
        a.tensors[1] = Tensor::Float {
            name: "layers.0.bias".into(),
            shape: vec![5],
            values,
        };
    });
    // A feature that no weight reads is selected.
    other(|a| {
        let columns = a.architecture.inputs();
        if let Tensor::Quantized(weight) = &mut a.tensors[0] {
            weight
                .codes
                .iter_mut()
                .step_by(columns)
                .for_each(|code| *code = 0);
        }
    });
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // As in `pinned`: a change here makes files unreadable, and `solid::MAGIC` has to say so.
    let all: Vec<u8> = solid_models()
        .flat_map(|a| a.to_bytes().unwrap().0)
        .collect();
    assert_eq!((all.len(), crc32fast::hash(&all)), (1_248, 1_540_339_851));
}

#[test]
fn a_small_file_cannot_describe_more_than_the_limit() {
    // Zeros decode to the longest of numbers.
    for filler in [0x00, 0x55, 0xff] {
        let mut bytes = vec![solid::MAGIC, 0, 0];
        bytes.extend([filler; 40]);
        bytes.push(1);
        seal(&mut bytes);
        if let Ok(read) = Artifact::from_bytes_with_limit(&bytes, 1000) {
            assert!(read.architecture.parameter_count() <= 1000);
        }
    }
}
