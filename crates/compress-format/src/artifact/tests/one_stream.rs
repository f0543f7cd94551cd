//! Models that are one stream.

use super::*;

#[test]
fn those_of_whole_numbers_are_shorter_as_one_stream() {
    for artifact in solid_models() {
        let (bytes, stored) = artifact.to_bytes().unwrap();
        assert!(stored.iter().all(|s| s.coding == "solid"));
        let alone = by_tensor::write(&artifact).unwrap().bytes;
        assert!(bytes.len() < alone.len(), "{} {}", bytes.len(), alone.len());
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
            for i in (0..weight.codes.len()).step_by(columns) {
                weight.codes.set(i, 0).unwrap();
            }
        }
    });
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // As in `pinned`: a change here makes files unreadable, and `solid::MAGIC` has to say so.
    let of = |pyramids: bool| {
        let is_pyramid = |a: &Artifact| {
            matches!(
                Pooling::of(&a.architecture),
                Some(Pooling::TentPyramid { .. })
            ) == pyramids
        };
        let models = solid_models().filter(is_pyramid);
        let all: Vec<u8> = models.flat_map(|a| a.to_bytes().unwrap().0).collect();
        (all.len(), crc32fast::hash(&all))
    };
    assert_eq!(of(false), (1_248, 2_927_670_294));
    assert_eq!(of(true), (941, 1_294_857_251));
}

#[test]
fn all_features_count_toward_the_limit() {
    for artifact in solid_models() {
        let (bytes, _) = artifact.to_bytes().unwrap();
        let mut all = artifact.architecture.clone();
        all.layers[0].inputs = all.selectable();
        let most = all.parameter_count().max(all.features);
        let read = Artifact::from_bytes_with_limit(&bytes, most);
        assert_eq!(read.unwrap(), artifact);
        let error = Artifact::from_bytes_with_limit(&bytes, most - 1).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
    }
}

/// A chain of so many layers of one neuron, all weights 1.
fn chain(layers: usize) -> Artifact {
    let widths = vec![1; layers + 1];
    let architecture = Architecture::mlp(&widths, Activation::Relu).unwrap();
    let kind = Kind::Linear(2, Granularity::Tensor, false);
    let mut artifact = model(architecture, kind, kind, 1000);
    for tensor in &mut artifact.tensors {
        if let Tensor::Quantized(tensor) = tensor {
            let ones = vec![1; tensor.codes.len()];
            tensor.codes = Codes::saturating(tensor.grid.code_range(), ones);
        }
    }
    artifact
}

#[test]
fn what_is_not_small_is_stored_tensor_by_tensor() {
    assert!(chain(64).parts().unwrap().is_some());
    assert!(chain(65).parts().unwrap().is_none());
    // A few weights of very many features, which would have to be made room for.
    let wide = Architecture::mlp(&[1 << 20, 3], Activation::Relu).unwrap();
    let keep: Vec<bool> = (0..1 << 20).map(|i| i < 5).collect();
    let wide = wide.without_inputs(&keep).unwrap();
    let kind = Kind::Linear(4, Granularity::Tensor, false);
    assert!(model(wide, kind, kind, 1000).parts().unwrap().is_none());
    // More than a stream may have of bytes.
    let dense = Architecture::mlp(&[100, 100], Activation::Relu).unwrap();
    assert!(model(dense, kind, kind, 1000).parts().unwrap().is_none());
}
