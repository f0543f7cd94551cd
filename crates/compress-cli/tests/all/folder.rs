//! A folder of Hugging Face's libraries, in each command that reads one.

use std::path::Path;

use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo};

use crate::run::run;

const CONFIG: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 32,
    "num_attention_heads": 4, "num_hidden_layers": 1, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": true, "vocab_size": 20}"#;
const TOKENIZER: &str = r#"{"added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true,
        "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}}"#;

/// Writes a llama of one layer in bf16.
fn write(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("config.json"), CONFIG).unwrap();
    std::fs::write(folder.join("tokenizer.json"), TOKENIZER).unwrap();
    std::fs::write(
        folder.join("tokenizer_config.json"),
        r#"{"unk_token": "<unk>"}"#,
    )
    .unwrap();
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let tensors: Vec<TensorInfo> = [
        ("model.embed_tokens.weight".to_owned(), vec![20, 64]),
        ("model.norm.weight".to_owned(), vec![64]),
        (layer("input_layernorm"), vec![64]),
        (layer("post_attention_layernorm"), vec![64]),
        (layer("self_attn.q_proj"), vec![64, 64]),
        (layer("self_attn.k_proj"), vec![32, 64]),
        (layer("self_attn.v_proj"), vec![32, 64]),
        (layer("self_attn.o_proj"), vec![64, 64]),
        (layer("mlp.gate_proj"), vec![96, 64]),
        (layer("mlp.up_proj"), vec![96, 64]),
        (layer("mlp.down_proj"), vec![64, 96]),
    ]
    .into_iter()
    .map(|(name, shape)| TensorInfo::new(name, Dtype::BF16, shape))
    .collect();
    let path = folder.join("model.safetensors");
    let format = Format::by_ending(&path).unwrap();
    let mut plan = Plan {
        tensors,
        metadata: vec![],
    };
    format.arrange(&mut plan);
    let mut file = format.create(&path, &plan).unwrap();
    for info in &plan.tensors {
        for i in 0..info.values() {
            // Within ±2, in the upper half of an f32.
            let value = ((i * 37) % 101) as f32 / 50.0 - 1.0;
            file.write(&value.to_le_bytes()[2..]).unwrap();
        }
    }
    file.finish().unwrap();
}

#[test]
fn vectors_are_in_f32_whichever_command_writes_gguf() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("model"));
    for command in [
        "convert model -o m.gguf",
        "convert model -o m.gguf --type f16",
        "quantize model -o m.gguf --type q8_0",
        "quantize model -o m.gguf --type Q4_K_M",
        "quantize model -o m.gguf --bits-per-weight 9",
    ] {
        let ran = run(dir.path(), command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.error);
        let written = Checkpoint::open(dir.path().join("m.gguf")).unwrap();
        assert_eq!(written.tensors().len(), 11, "{command}");
        for info in written.tensors() {
            let is_vector = info.shape.len() == 1;
            assert_eq!(
                is_vector,
                info.dtype == Dtype::F32,
                "{command}: {} is {}",
                info.name,
                info.dtype
            );
        }
    }
}
