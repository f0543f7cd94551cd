//! Every command of `docs/mcompress.md`, on small files.

use std::path::Path;

use compress_io::metadata::Value;
use compress_io::{Dtype, Format, Plan, TensorInfo};

use crate::run::{run, values};

const GUIDE: &str = include_str!("../../../../docs/mcompress.md");

/// The blocks of code in a language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut current: Option<Vec<&str>> = None;
    for line in GUIDE.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (None, Some(name)) if name == language => current = Some(Vec::new()),
            (None, Some(_)) => current = Some(vec!["\0"]),
            (Some(lines), None) => lines.push(line),
            (Some(lines), Some(_)) => {
                if lines.first() != Some(&"\0") {
                    blocks.push(lines.join("\n"));
                }
                current = None;
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A small graph with layers of each kind under the name of the tour's.
fn small_graph(dir: &Path) {
    let graph = include_bytes!("../../../compress-io/tests/all/onnx/fixtures/layers.onnx");
    std::fs::write(dir.join("model.onnx"), graph).unwrap();
}

/// A small language model under the name of the tour's.
fn small_model(dir: &Path) {
    let path = dir.join("smollm2.gguf");
    let mut tensors = vec![TensorInfo::new("token_embd.weight", Dtype::F32, [40, 576])];
    for layer in 0..2 {
        for (part, rows, columns) in [
            ("attn_q", 576, 576),
            ("ffn_up", 64, 576),
            ("ffn_down", 48, 512),
        ] {
            let name = format!("blk.{layer}.{part}.weight");
            tensors.push(TensorInfo::new(name, Dtype::F32, [rows, columns]));
        }
    }
    tensors.push(TensorInfo::new("output_norm.weight", Dtype::F32, [576]));
    let metadata = vec![
        ("general.architecture".into(), "llama".into()),
        ("llama.block_count".into(), Value::U32(2)),
        ("llama.embedding_length".into(), Value::U32(576)),
        ("llama.attention.head_count".into(), Value::U32(8)),
        ("llama.attention.head_count_kv".into(), Value::U32(8)),
    ];
    let plan = Plan { tensors, metadata };
    let mut file = Format::by_ending(&path)
        .unwrap()
        .create(&path, &plan)
        .unwrap();
    for (seed, info) in plan.tensors.iter().enumerate() {
        for value in values(info.values(), seed as u32) {
            file.write(&value.to_le_bytes()).unwrap();
        }
    }
    file.finish().unwrap();
}

#[test]
fn every_command_of_the_tour_works() {
    let dir = tempfile::tempdir().unwrap();
    small_model(dir.path());
    small_graph(dir.path());
    std::fs::write(dir.path().join("recipe.toml"), &blocks("toml")[0]).unwrap();
    let blocks = blocks("sh").join("\n");
    let commands: Vec<&str> = blocks
        .lines()
        .filter_map(|l| l.strip_prefix("mcompress "))
        .collect();
    assert!(commands.len() > 10, "the page is read");
    for command in commands {
        // The sizes of the page are those of the real model.
        let command = command.replace("80MB", "460KB").replace('\'', "");
        let ran = run(dir.path(), &command);
        let expected = if command.starts_with("diff") { 1 } else { 0 };
        assert_eq!(ran.code, expected, "{command}: {}", ran.error);
    }
}
