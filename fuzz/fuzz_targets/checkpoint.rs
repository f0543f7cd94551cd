//! Any file, with its beginning and checksum made right: an error, or a run that goes on.
#![no_main]

use std::path::PathBuf;

use compress_core::mask::{Mask, TensorMask};
use compress_core::network::Activation;
use compress_core::samples::ArraySamples;
use compress_core::train::Fit;
use compress_nn::checkpoint::sealed;
use compress_nn::{CrossEntropy, Init, Mlp, Settings, Trainer};
use compress_prune::MaskHook;
use libfuzzer_sys::fuzz_target;
use ndarray::array;

fuzz_target!(|bytes: &[u8]| {
    let data = ArraySamples::new(array![[0.0, 1.0], [1.0, 0.0]], vec![0, 1]).expect("it is data");
    let network = Mlp::new(&[2, 3, 2], Activation::Relu, Init::HeUniform, 1, "fuzz");
    let settings = Settings {
        epochs: 2,
        ..Settings::default()
    };
    let mask = Mask {
        tensors: vec![TensorMask {
            name: "layers.0.weight".into(),
            shape: vec![3, 2],
            keep: vec![true, false, true, true, false, true],
        }],
    };
    let trainer = Trainer::new(network.expect("it is a network"), settings);
    let path = file(bytes);
    let mut trainer = trainer.expect("they are settings").resume(&path);
    let _ = trainer.fit(&data, &CrossEntropy, &mut [&mut MaskHook::new(mask)]);
});

/// A file of its own for this process.
fn file(payload: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("checkpoint-{}", std::process::id()));
    std::fs::write(&path, sealed(payload)).expect("the temporary folder can be written");
    path
}
