//! Folders as Hugging Face's libraries write them, tiny and made up.

use std::fs;
use std::path::Path;

use half::bf16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// A folder: its configuration, its tokenizer and its tensors.
pub(crate) struct Folder {
    pub(crate) config: Value,
    pub(crate) tokenizer: Value,
    pub(crate) tokenizer_config: Value,
    /// Names and shapes.
    pub(crate) tensors: Vec<(String, Vec<usize>)>,
}

/// The values of a tensor, whole numbers that bf16 has.
pub(crate) fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name
        .bytes()
        .fold(1_usize, |h, b| (h * 31 + usize::from(b)) % 65_521);
    let count: usize = shape.iter().product();
    (0..count)
        .map(|i| ((seed + 7 * i) % 251) as f32 - 100.0)
        .collect()
}

impl Folder {
    /// Writes all files, with tensors of bf16.
    pub(crate) fn write(&self, folder: &Path) {
        for (name, json) in [
            ("config.json", &self.config),
            ("tokenizer.json", &self.tokenizer),
            ("tokenizer_config.json", &self.tokenizer_config),
        ] {
            fs::write(folder.join(name), serde_json::to_vec(json).unwrap()).unwrap();
        }
        let bytes = |(name, shape): &(String, Vec<usize>)| -> Vec<u8> {
            let values = values(name, shape).into_iter();
            values
                .flat_map(|v| bf16::from_f32(v).to_le_bytes())
                .collect()
        };
        let data: Vec<Vec<u8>> = self.tensors.iter().map(bytes).collect();
        let views = self.tensors.iter().zip(&data).map(|((name, shape), data)| {
            (
                name,
                TensorView::new(Dtype::BF16, shape.clone(), data).unwrap(),
            )
        });
        let file = safetensors::serialize(views, None).unwrap();
        fs::write(folder.join("model.safetensors"), file).unwrap();
    }
}

fn named(list: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
    let own = list.iter().filter(|(name, _)| !name.contains("{}"));
    let own = own.map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
    let layers = list.iter().filter(|(name, _)| name.contains("{}"));
    let layers = layers.flat_map(|(name, shape)| {
        (0..2).map(move |layer| (name.replace("{}", &layer.to_string()), shape.to_vec()))
    });
    own.chain(layers).collect()
}

/// Two layers, 16 columns in 4 heads, of which keys have 2; tied; a tokenizer as Llama 2's.
pub(crate) fn llama() -> Folder {
    let merges = ["▁ a", "a b", "▁a b", "▁ ab", "b c"];
    let vocab = [
        "<unk>", "<s>", "</s>", "<0x00>", "<0x0A>", "▁a", "ab", "▁ab", "▁", "a", "b", "c", "bc",
    ];
    let vocab: serde_json::Map<String, Value> = vocab
        .iter()
        .enumerate()
        .map(|(id, text)| ((*text).to_owned(), id.into()))
        .collect();
    let special = |id: usize, text: &str| json!({"id": id, "content": text, "special": true});
    Folder {
        config: json!({
            "_name_or_path": "someone/Tiny Llama", "architectures": ["LlamaForCausalLM"],
            "model_type": "llama", "hidden_act": "silu", "hidden_size": 16,
            "intermediate_size": 24, "max_position_embeddings": 32, "num_attention_heads": 4,
            "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
            "rope_theta": 50000.0, "rope_scaling": null, "tie_word_embeddings": true,
            "vocab_size": 20, "pad_token_id": -1
        }),
        tokenizer: json!({
            "added_tokens": [
                special(0, "<unk>"), special(1, "<s>"), special(2, "</s>"),
                {"id": 13, "content": "<tool>", "special": false}
            ],
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
            ]},
            "pre_tokenizer": null,
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
            ]},
            "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "vocab": vocab,
                "merges": merges}
        }),
        tokenizer_config: json!({
            "bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>",
            "chat_template": [{"name": "rag", "template": "x"}, {"name": "default", "template": "{{ y }}"}]
        }),
        tensors: named(&[
            ("model.embed_tokens.weight", &[20, 16]),
            ("model.norm.weight", &[16]),
            ("model.layers.{}.input_layernorm.weight", &[16]),
            ("model.layers.{}.self_attn.q_proj.weight", &[16, 16]),
            ("model.layers.{}.self_attn.q_proj.bias", &[16]),
            ("model.layers.{}.self_attn.k_proj.weight", &[8, 16]),
            ("model.layers.{}.self_attn.v_proj.weight", &[8, 16]),
            ("model.layers.{}.self_attn.o_proj.weight", &[16, 16]),
            ("model.layers.{}.self_attn.rotary_emb.inv_freq", &[2]),
            ("model.layers.{}.post_attention_layernorm.weight", &[16]),
            ("model.layers.{}.mlp.gate_proj.weight", &[24, 16]),
            ("model.layers.{}.mlp.up_proj.weight", &[24, 16]),
            ("model.layers.{}.mlp.down_proj.weight", &[16, 24]),
        ]),
    }
}

/// A pattern of `tokenizer.json`, as Qwen2 has it.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As Qwen2: biases, a head of its own, and BPE of bytes.
pub(crate) fn qwen2() -> Folder {
    let vocab = json!({"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "Ġab": 5});
    Folder {
        config: json!({
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
            "hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 32,
            "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "vocab_size": 20,
            "use_sliding_window": false, "sliding_window": 32, "bos_token_id": 6, "eos_token_id": 7,
            "rope_parameters": {"rope_theta": 1_000_000.0, "rope_type": "yarn", "factor": 4.0,
                "original_max_position_embeddings": 8, "beta_fast": 32}
        }),
        tokenizer: json!({
            "added_tokens": [
                {"id": 6, "content": "<|endoftext|>", "special": true},
                {"id": 7, "content": "<|im_end|>", "special": false},
                {"id": 8, "content": "<tool_call>", "special": false}
            ],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false},
                {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}
            ]},
            "post_processor": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"], ["Ġ", "ab"]]}
        }),
        tokenizer_config: json!({
            "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": null,
            "add_prefix_space": false
        }),
        tensors: named(&[
            ("model.embed_tokens.weight", &[20, 16]),
            ("model.norm.weight", &[16]),
            ("lm_head.weight", &[20, 16]),
            ("model.layers.{}.input_layernorm.weight", &[16]),
            ("model.layers.{}.self_attn.q_proj.weight", &[16, 16]),
            ("model.layers.{}.self_attn.q_proj.bias", &[16]),
            ("model.layers.{}.self_attn.k_proj.weight", &[8, 16]),
            ("model.layers.{}.self_attn.k_proj.bias", &[8]),
            ("model.layers.{}.self_attn.v_proj.weight", &[8, 16]),
            ("model.layers.{}.self_attn.v_proj.bias", &[8]),
            ("model.layers.{}.self_attn.o_proj.weight", &[16, 16]),
            ("model.layers.{}.post_attention_layernorm.weight", &[16]),
            ("model.layers.{}.mlp.gate_proj.weight", &[24, 16]),
            ("model.layers.{}.mlp.up_proj.weight", &[24, 16]),
            ("model.layers.{}.mlp.down_proj.weight", &[16, 24]),
        ]),
    }
}

/// A sentence encoder, with what is left out and an old name of a norm's weight.
pub(crate) fn bert() -> Folder {
    let vocab = json!({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "ab": 5,
        "##c": 6, "c": 7});
    let special = |id: usize, text: &str| json!({"id": id, "content": text, "special": true});
    Folder {
        config: json!({
            "architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_act": "gelu",
            "hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 32,
            "num_attention_heads": 4, "num_hidden_layers": 2, "layer_norm_eps": 1e-12,
            "type_vocab_size": 2, "vocab_size": 20, "pad_token_id": 0,
            "position_embedding_type": "absolute"
        }),
        tokenizer: json!({
            "added_tokens": [
                special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]"),
                special(4, "[MASK]")
            ],
            "normalizer": {"type": "BertNormalizer", "lowercase": true, "strip_accents": null},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}
            ]},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "vocab": vocab}
        }),
        tokenizer_config: json!({
            "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]",
            "mask_token": "[MASK]"
        }),
        tensors: named(&[
            ("bert.embeddings.word_embeddings.weight", &[20, 16]),
            ("bert.embeddings.position_embeddings.weight", &[32, 16]),
            ("bert.embeddings.position_ids", &[1, 32]),
            ("bert.embeddings.token_type_embeddings.weight", &[2, 16]),
            ("bert.embeddings.LayerNorm.gamma", &[16]),
            ("bert.embeddings.LayerNorm.beta", &[16]),
            ("bert.pooler.dense.weight", &[16, 16]),
            ("cls.predictions.bias", &[20]),
            (
                "bert.encoder.layer.{}.attention.self.query.weight",
                &[16, 16],
            ),
            ("bert.encoder.layer.{}.attention.self.query.bias", &[16]),
            ("bert.encoder.layer.{}.attention.self.key.weight", &[16, 16]),
            ("bert.encoder.layer.{}.attention.self.key.bias", &[16]),
            (
                "bert.encoder.layer.{}.attention.self.value.weight",
                &[16, 16],
            ),
            ("bert.encoder.layer.{}.attention.self.value.bias", &[16]),
            (
                "bert.encoder.layer.{}.attention.output.dense.weight",
                &[16, 16],
            ),
            ("bert.encoder.layer.{}.attention.output.dense.bias", &[16]),
            (
                "bert.encoder.layer.{}.attention.output.LayerNorm.weight",
                &[16],
            ),
            (
                "bert.encoder.layer.{}.attention.output.LayerNorm.bias",
                &[16],
            ),
            ("bert.encoder.layer.{}.intermediate.dense.weight", &[24, 16]),
            ("bert.encoder.layer.{}.intermediate.dense.bias", &[24]),
            ("bert.encoder.layer.{}.output.dense.weight", &[16, 24]),
            ("bert.encoder.layer.{}.output.dense.bias", &[16]),
            ("bert.encoder.layer.{}.output.LayerNorm.weight", &[16]),
            ("bert.encoder.layer.{}.output.LayerNorm.bias", &[16]),
        ]),
    }
}
