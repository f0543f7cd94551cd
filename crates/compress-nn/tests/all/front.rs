//! A network behind a front is the network on what the front gives, bit for bit, however it
//! comes to be there.

use std::sync::Arc;

use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{Activation, Network};
use compress_core::train::{ArraySamples, Fit, Samples};
use compress_format::Pooling;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::Array2;

const FRONT: Pooling = Pooling::TentPool {
    height: 6,
    width: 10,
};

fn samples() -> ArraySamples {
    let value = |(i, j)| ((i * 131 + j * 71 + i * j) % 97) as f32 / 96.0;
    let labels = (0..90).map(|i| i % 3).collect();
    ArraySamples::new(Array2::from_shape_fn((90, 60), value), labels).unwrap()
}

/// A chain on what the front gives, that reads some of it.
fn chain() -> Mlp {
    let mut mlp = Mlp::new(&[15, 12, 3], Activation::Relu, Init::HeUniform, 4, "front").unwrap();
    let keep: Vec<bool> = (0..15).map(|i| i % 4 != 2).collect();
    mlp.remove_inputs(&keep).unwrap();
    mlp
}

fn trained(network: Mlp, data: &dyn Samples, dropout_input: f32, dropout_hidden: f32) -> Mlp {
    let settings = Settings {
        epochs: 3,
        batch_size: 40,
        optimizer: Optimizer::adam(),
        dropout_input,
        dropout_hidden,
        batchwise_dropout: true,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network, settings).unwrap();
    trainer.fit(data, &CrossEntropy, &mut []).unwrap();
    trainer.into_network()
}

/// Leaves every tenth weight of the first layer alive, so that it is trained sparsely.
fn thin(network: &mut Mlp) {
    let weight = network.parameters_mut().swap_remove(0);
    let (n, k) = (weight.shape()[0], weight.shape()[1]);
    let marks: Vec<bool> = (0..n * k).map(|i| i.is_multiple_of(10)).collect();
    let live = Live::new(n, k, &marks).unwrap();
    weight.set_live(Some(Arc::new(live))).unwrap();
}

#[test]
fn training_behind_a_front_is_training_on_what_it_gives() {
    let data = samples();
    let passed = FRONT.samples(&data).unwrap();
    for (dropout_input, dropout_hidden, sparse) in [
        (0.0, 0.0, false),
        (0.3, 0.0, false),
        (0.3, 0.3, false),
        (0.0, 0.0, true),
    ] {
        let mut network = chain();
        if sparse {
            thin(&mut network);
        }
        let behind = network.clone().behind(FRONT).unwrap();
        let expected = trained(network, &passed, dropout_input, dropout_hidden)
            .behind(FRONT)
            .unwrap();
        let found = trained(behind, &data, dropout_input, dropout_hidden);
        assert_ne!(
            found.parameters()[0].values(),
            chain().parameters()[0].values()
        );
        assert_eq!(found, expected, "{dropout_input} {dropout_hidden} {sparse}");
    }
}

fn artifact(network: &Mlp) -> Artifact {
    Artifact::of_chain(network.architecture(), network.to_tensors()).unwrap()
}

#[test]
fn its_file_runs_in_the_same_bits() {
    let data = samples();
    let network = chain().behind(FRONT).unwrap();
    let (bytes, _) = artifact(&network).to_bytes().unwrap();
    let expected = network.forward(data.inputs()).unwrap();
    let model = Runtime::from_bytes(&bytes).unwrap();
    assert_eq!(model.predict(data.inputs()).unwrap(), expected);
    let passed = FRONT.samples(&data).unwrap();
    assert_eq!(chain().forward(passed.inputs()).unwrap(), expected);
    assert!(network.forward(passed.inputs()).is_err());
    assert!(network.behind(FRONT).is_err());
}
