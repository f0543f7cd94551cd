//! A network behind a front is the network on what the front gives, bit for bit, however it
//! comes to be there.

use compress_core::network::{Activation, Forward, Network};
use compress_core::train::{ArraySamples, Fit, Samples, TrainHook};
use compress_format::Pooling;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::Array2;

use crate::support::{Held, keep, mask};

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
    let marks: Vec<bool> = (0..15).map(|i| i % 4 != 2).collect();
    keep(&mut mlp, "inputs", &marks).unwrap();
    mlp
}

/// With `sparse`, every tenth weight of the first layer is alive, so that it is trained sparsely.
fn trained(network: Mlp, data: &dyn Samples, dropout: [f32; 2], sparse: bool) -> Mlp {
    let [dropout_input, dropout_hidden] = dropout;
    let every = if sparse { 10 } else { 1 };
    let mut held = Held(mask(&network, |weight, i| {
        weight > 0 || i.is_multiple_of(every)
    }));
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
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut held];
    trainer.fit(data, &CrossEntropy, hooks).unwrap();
    trainer.into_network()
}

#[test]
fn training_behind_a_front_is_training_on_what_it_gives() {
    let data = samples();
    let passed = FRONT.samples(&data).unwrap();
    for (dropout, sparse) in [
        ([0.0, 0.0], false),
        ([0.3, 0.0], false),
        ([0.3, 0.3], false),
        ([0.0, 0.0], true),
    ] {
        let network = chain();
        let behind = network.clone().behind(FRONT).unwrap();
        let expected = trained(network, &passed, dropout, sparse);
        let expected = expected.behind(FRONT).unwrap();
        let found = trained(behind, &data, dropout, sparse);
        assert_ne!(
            found.parameters()[0].values(),
            chain().parameters()[0].values()
        );
        let dead = found.parameters()[0].values().iter();
        assert_eq!(sparse, dead.filter(|w| **w == 0.0).count() > 100);
        assert_eq!(found, expected, "{dropout:?} {sparse}");
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
