//! Any file, with its beginning and checksum made right: an error, or a run that goes on.
#![no_main]

use std::path::PathBuf;

use compress_core::mask::{Mask, TensorMask};
use compress_core::network::Activation;
use compress_core::samples::ArraySamples;
use compress_core::train::Fit;
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
    let mut bytes = b"CMPTRN\0\x06".to_vec();
    bytes.extend(checksum(payload).to_le_bytes());
    bytes.extend(payload);
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    path
}

/// As a checkpoint has it: FNV-1a over words of 8 bytes, then the length.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(23);
    let hash = bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    });
    mix(hash, bytes.len() as u64)
}
