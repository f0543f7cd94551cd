//! Runs the tool, and makes files for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use compress_io::{Dtype, Format, Plan, TensorInfo};
use serde_json::Value;

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// Runs the tool in a folder.
pub(crate) fn run(dir: &Path, arguments: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcompress"));
    let ran = command
        .current_dir(dir)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: ran.status.code().unwrap(),
        out: text(ran.stdout),
        error: text(ran.stderr),
    }
}

/// Runs it, expects success, and reads the JSON that it prints.
pub(crate) fn json(dir: &Path, arguments: &str) -> Value {
    let ran = run(dir, &format!("{arguments} --json"));
    assert_eq!(ran.code, 0, "{arguments}: {}", ran.error);
    serde_json::from_str(&ran.out).unwrap()
}

/// Values like those of a trained layer.
pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / f64::from(u32::MAX)
    };
    (0..count)
        .map(|_| ((next() + next() + next() + next()) - 2.0) as f32 * 0.1)
        .collect()
}

/// A file with a few weights, of the format that its name says.
pub(crate) fn model(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    let format = Format::by_ending(&path).unwrap();
    let mut plan = Plan {
        tensors: vec![
            TensorInfo::new("embed.weight", Dtype::F32, [64, 256]),
            TensorInfo::new("layers.0.weight", Dtype::F32, [96, 512]),
            TensorInfo::new("layers.0.bias", Dtype::F32, [96]),
            TensorInfo::new("layers.1.weight", Dtype::F32, [32, 96]),
            TensorInfo::new("odd.weight", Dtype::F32, [5, 7]),
        ],
        metadata: vec![("general.architecture".into(), "made".into())],
    };
    format.arrange(&mut plan);
    let mut file = format.create(&path, &plan).unwrap();
    for (seed, info) in plan.tensors.iter().enumerate() {
        for value in values(info.values(), seed as u32) {
            file.write(&value.to_le_bytes()).unwrap();
        }
    }
    file.finish().unwrap();
    path
}
