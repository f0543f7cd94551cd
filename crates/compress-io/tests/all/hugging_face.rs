//! Folders of Hugging Face's libraries: what they may hold, and what is refused.

use std::fs;

use compress_io::metadata::Value;
use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo, hugging_face};
use serde_json::{Value as Json, json};

use crate::architectures::{check_back, tensor, there_and_back};
use crate::folders::{self, Folder};

#[test]
fn pooling_is_that_of_sentence_transformers() {
    let dir = tempfile::tempdir().unwrap();
    folders::bert().write(dir.path());
    let kind = "sentence_transformers.models.Pooling";
    let stages = |path: &str| json!([{"path": path, "type": kind}]).to_string();
    fs::create_dir(dir.path().join("1_Pooling")).unwrap();
    let pooling = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
    fs::write(dir.path().join("1_Pooling/config.json"), pooling).unwrap();
    fs::write(dir.path().join("modules.json"), stages("1_Pooling")).unwrap();
    let (_, plan, _) = hugging_face::gguf_plan(dir.path()).unwrap();
    assert!(
        plan.metadata
            .contains(&("bert.pooling_type".into(), Value::U32(2)))
    );
    fs::write(dir.path().join("modules.json"), stages("../1_Pooling")).unwrap();
    let error = hugging_face::gguf_plan(dir.path())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("within the folder"), "{error}");
}

#[test]
fn frequencies_of_llama_3_are_a_tensor() {
    let mut folder = folders::llama();
    folder.config["head_dim"] = json!(16);
    folder.config["rope_theta"] = json!(500_000.0);
    folder.config["rope_scaling"] = json!({"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
    for (name, shape) in &mut folder.tensors {
        let rows = if name.contains("k_proj") || name.contains("v_proj") {
            32
        } else {
            64
        };
        if name.contains("o_proj") {
            shape[1] = 64;
        } else if name.contains("self_attn") && !name.contains("inv_freq") {
            shape[0] = rows;
        }
    }
    let (there, back) = there_and_back(&folder);
    let (dtype, _, found) = tensor(&there, "rope_freqs.weight");
    assert_eq!(dtype, Dtype::F32);
    // Computed by transformers' formula in Python.
    let expected = FACTORS;
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }
    let keys = there.metadata();
    assert!(keys.contains(&("llama.attention.key_length".into(), Value::U32(16))));
    check_back(&folder, &back, "inv_freq", str::to_owned);
}

const FACTORS: [f32; 8] = [1.0, 1.0, 1.0, 1.0, 2.694_529_8, 8.0, 8.0, 8.0];

/// What is said of a folder that was changed.
fn refused(folder: &Folder, change: impl Fn(&mut Folder)) -> String {
    let mut changed = Folder {
        config: folder.config.clone(),
        tokenizer: folder.tokenizer.clone(),
        tokenizer_config: folder.tokenizer_config.clone(),
        tensors: folder.tensors.clone(),
    };
    change(&mut changed);
    let dir = tempfile::tempdir().unwrap();
    changed.write(dir.path());
    hugging_face::gguf_plan(dir.path())
        .map(drop)
        .unwrap_err()
        .to_string()
}

#[test]
fn what_gguf_cannot_say_is_refused_by_name() {
    let llama = folders::llama();
    let config =
        |key: &str, value: Json| refused(&llama, |folder| folder.config[key] = value.clone());
    let all = |error: String, parts: &[&str]| {
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    all(
        config("model_type", json!("gemma")),
        &["\"gemma\"", "llama, qwen2, bert"],
    );
    all(
        config("architectures", json!(["LlamaForSequenceClassification"])),
        &["LlamaForCausalLM"],
    );
    all(
        config("hidden_act", json!("gelu")),
        &["config.json", "hidden_act", "silu"],
    );
    all(
        config("quantization_config", json!({"bits": 4})),
        &["quantization_config"],
    );
    all(
        config("rope_scaling", json!({"type": "dynamic", "factor": 2.0})),
        &["dynamic", "yarn"],
    );
    all(
        config("num_key_value_heads", json!(3)),
        &["num_key_value_heads is 3"],
    );
    all(
        config("num_attention_heads", json!(0)),
        &["num_attention_heads is 0"],
    );
    all(
        config("rms_norm_eps", Json::Null),
        &["rms_norm_eps is missing"],
    );
    all(
        config("vocab_size", json!(u32::MAX)),
        &["model.embed_tokens.weight", "llama", "[20, 16]"],
    );
    all(
        config("num_hidden_layers", json!(u32::MAX)),
        &["model.layers.2.input_layernorm.weight", "missing"],
    );
    all(
        config("num_hidden_layers", json!(1)),
        &["model.layers.1.", "further layer"],
    );
    all(
        config("tie_word_embeddings", json!(false)),
        &["lm_head.weight", "tie_word_embeddings"],
    );
    let tensors = |change: fn(&mut Vec<(String, Vec<usize>)>)| {
        refused(&llama, |folder| change(&mut folder.tensors))
    };
    let parts = [
        "tensor model.layers.0.mlp.experts.weight",
        "architecture llama",
        "unknown",
    ];
    all(
        tensors(|t| t.push(("model.layers.0.mlp.experts.weight".into(), vec![1]))),
        &parts,
    );
    let parts = ["model.layers.{}.mlp.up_proj.weight", "unknown"];
    all(
        tensors(|t| t.push(("model.layers.{}.mlp.up_proj.weight".into(), vec![24, 16]))),
        &parts,
    );
    all(
        tensors(|t| t.retain(|t| t.0 != "model.norm.weight")),
        &["model.norm.weight", "missing"],
    );
    all(
        tensors(|t| t.push(("norm.weight".into(), vec![16]))),
        &["norm.weight", "two spellings"],
    );
    let tokenizer = |at: &str, value: Json| {
        refused(&llama, |folder| {
            *folder.tokenizer.pointer_mut(at).unwrap() = value.clone()
        })
    };
    all(
        tokenizer("/model/type", json!("Unigram")),
        &["tokenizer.json", "Unigram"],
    );
    all(
        tokenizer("/model/vocab/bc", json!(20)),
        &["\"bc\" is 20", "below 20"],
    );
    all(
        tokenizer("/model/vocab/bc", json!(11)),
        &["number of token", "11"],
    );
    all(
        tokenizer("/model/byte_fallback", json!(false)),
        &["ByteLevel, or byte_fallback"],
    );
    all(
        tokenizer("/post_processor/single/0/SpecialToken/id", json!("</s>")),
        &["adds as bos"],
    );
    let error = refused(&llama, |folder| {
        folder.tokenizer_config["eos_token"] = json!("<end>")
    });
    all(error, &["tokenizer_config.json", "eos_token is <end>"]);
    let qwen2 = folders::qwen2();
    let error = refused(&qwen2, |folder| {
        folder.tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!("\\w+");
    });
    all(error, &["pre_tokenizer", "\\w+", "llama-bpe"]);
    let error = refused(&qwen2, |folder| {
        folder.config["use_sliding_window"] = json!(true)
    });
    all(error, &["use_sliding_window"]);
    let error = refused(&folders::bert(), |folder| {
        folder.config["position_embedding_type"] = json!("relative_key");
    });
    all(error, &["relative_key"]);
}

#[test]
fn changed_and_cut_off_files_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    for folder in [folders::llama(), folders::qwen2(), folders::bert()] {
        folder.write(dir.path());
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            let path = dir.path().join(name);
            let whole = fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(3) {
                fs::write(&path, &whole[..at]).unwrap();
                assert!(
                    hugging_face::gguf_plan(dir.path()).is_err(),
                    "{name} cut at {at}"
                );
                let mut bytes = whole.clone();
                // Digits become other digits, and letters other letters.
                bytes[at] ^= 1;
                fs::write(&path, &bytes).unwrap();
                let _ = hugging_face::gguf_plan(dir.path());
            }
            fs::write(&path, &whole).unwrap();
        }
        hugging_face::gguf_plan(dir.path()).unwrap();
    }
}

#[test]
fn a_folder_is_opened_as_hugging_faces_libraries_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Checkpoint::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is 0"), "{error}");
    folders::bert().write(dir.path());
    let path = |name: &str| dir.path().join(name);
    fs::rename(path("model.safetensors"), path("other.safetensors")).unwrap();
    let count = Checkpoint::open(dir.path()).unwrap().tensors().len();
    fs::copy(path("other.safetensors"), path("second.safetensors")).unwrap();
    let error = Checkpoint::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is 2"), "{error}");
    let read = Checkpoint::open(path("second.safetensors")).unwrap();
    let map: serde_json::Map<String, Json> = read
        .tensors()
        .iter()
        .map(|info| (info.name.clone(), "second.safetensors".into()))
        .collect();
    let index = json!({ "weight_map": map }).to_string();
    fs::write(path("model.safetensors.index.json"), index).unwrap();
    let read = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(
        (read.format().name, read.tensors().len()),
        ("safetensors-sharded", count)
    );
}

#[test]
fn other_architectures_keep_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let q8_0 = Dtype::by_name("q8_0").unwrap();
    let write = |metadata: Vec<(&str, Value)>, tensor: TensorInfo| {
        let metadata = metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let plan = Plan {
            tensors: vec![tensor],
            metadata,
        };
        crate::made::write(Format::by_name("gguf").unwrap(), &path, &plan).unwrap();
        let read = Checkpoint::open(&path).unwrap();
        hugging_face::from_gguf(&read).map(|(plan, _)| plan.tensors)
    };
    let other = vec![("general.architecture", "mamba".into())];
    let plan = write(other, TensorInfo::new("blk.0.attn_q.weight", q8_0, [4, 32])).unwrap();
    assert_eq!(
        plan,
        [TensorInfo::new("blk.0.attn_q.weight", Dtype::F32, [4, 32])]
    );
    let llama = |heads| {
        vec![
            ("general.architecture", "llama".into()),
            ("llama.embedding_length", Value::U32(32)),
            ("llama.attention.head_count", Value::U32(heads)),
        ]
    };
    let tensor = TensorInfo::new("blk.0.attn_q.weight", Dtype::F16, [4, 32]);
    let plan = write(llama(8), tensor.clone()).unwrap();
    assert_eq!(plan[0].name, "model.layers.0.self_attn.q_proj.weight");
    for heads in [0, 2, 32, 64] {
        assert!(
            write(llama(heads), tensor.clone()).is_err(),
            "{heads} heads"
        );
    }
}
