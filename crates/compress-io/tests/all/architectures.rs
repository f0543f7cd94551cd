//! The tests of each architecture: names, shapes, rows and keys, each listed by hand.

use std::collections::BTreeMap;
use std::path::Path;

use compress_io::metadata::{List, Metadata, Value};
use compress_io::{Checkpoint, Dtype, Format, Plan, Source, hugging_face, stream};

use crate::folders::{self, Folder, values};

fn write(
    path: &Path,
    (checkpoint, plan, steps): &(Checkpoint, Plan, Vec<stream::Step<'_>>),
) -> Checkpoint {
    let format = Format::by_ending(path).unwrap();
    let mut sink = format.create(path, plan).unwrap();
    stream(checkpoint, steps, &mut *sink, &stream::Options::default()).unwrap();
    sink.finish().unwrap();
    Checkpoint::open(path).unwrap()
}

/// The folder as a GGUF file, and that as safetensors.
pub(crate) fn there_and_back(folder: &Folder) -> (Checkpoint, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    folder.write(dir.path());
    let there = write(
        &dir.path().join("m.gguf"),
        &hugging_face::gguf_plan(dir.path()).unwrap(),
    );
    let (plan, steps) = hugging_face::from_gguf(&there).unwrap();
    let back = (there, plan, steps);
    let written = write(&dir.path().join("back.safetensors"), &back);
    (back.0, written)
}

pub(crate) fn tensor(checkpoint: &Checkpoint, name: &str) -> (Dtype, Vec<usize>, Vec<f32>) {
    let index = checkpoint.position(name).unwrap();
    let info = &checkpoint.tensors()[index];
    (
        info.dtype,
        info.shape.clone(),
        checkpoint.values(index).unwrap(),
    )
}

/// Checks that the file has these tensors and no others: the names here and there, and whether they
/// are matrices that keep their type.
fn check_names(folder: &Folder, there: &Checkpoint, names: &[(&str, &str)]) {
    let mut expected = BTreeMap::new();
    for (theirs, ours) in names {
        for layer in 0..2 {
            let named = |pattern: &str| pattern.replace("{}", &layer.to_string());
            expected.insert(named(ours), named(theirs));
        }
    }
    let found: Vec<&str> = there
        .tensors()
        .iter()
        .map(|info| info.name.as_str())
        .collect();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected.keys().collect::<Vec<_>>());
    for (ours, theirs) in &expected {
        let (dtype, shape, _) = tensor(there, ours);
        let source = folder
            .tensors
            .iter()
            .find(|(name, _)| name == theirs)
            .unwrap();
        assert_eq!(shape, source.1, "{ours}");
        let is_full =
            shape.len() == 1 || ours == "position_embd.weight" || ours == "token_types.weight";
        assert_eq!(
            dtype,
            if is_full { Dtype::F32 } else { Dtype::BF16 },
            "{ours}"
        );
    }
}

pub(crate) fn check_back(
    folder: &Folder,
    back: &Checkpoint,
    left_out: &str,
    name: impl Fn(&str) -> String,
) {
    let kept = folder
        .tensors
        .iter()
        .filter(|(name, _)| !name.contains(left_out));
    let mut count = 0;
    for (theirs, shape) in kept {
        let (_, found, found_values) = tensor(back, &name(theirs));
        assert_eq!(
            (&found, found_values),
            (shape, values(theirs, shape)),
            "{theirs}"
        );
        count += 1;
    }
    assert_eq!(back.tensors().len(), count);
}

fn check_metadata(found: &Metadata, expected: Vec<(&str, Value)>) {
    let by_key = |mut keys: Metadata| {
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        keys
    };
    let expected = expected
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let (found, expected) = (by_key(found.clone()), by_key(expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

fn texts(list: &[&str]) -> Value {
    Value::List(List::Text(
        list.iter().map(|text| (*text).to_owned()).collect(),
    ))
}

/// The tokens, and unused ones up to 20.
fn tokens(first: &[&str]) -> Value {
    padded(first, "[PAD")
}

fn padded(first: &[&str], pad: &str) -> Value {
    let unused = (first.len()..20).map(|id| format!("{pad}{id}]"));
    let first = first.iter().map(|text| (*text).to_owned());
    Value::List(List::Text(first.chain(unused).collect()))
}

fn kinds(first: &[i32]) -> Value {
    let mut kinds = first.to_vec();
    kinds.resize(20, 5);
    Value::List(List::I32(kinds))
}

#[test]
fn llama() {
    let folder = folders::llama();
    let (there, back) = there_and_back(&folder);
    let names = [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        (
            "model.layers.{}.input_layernorm.weight",
            "blk.{}.attn_norm.weight",
        ),
        (
            "model.layers.{}.self_attn.q_proj.weight",
            "blk.{}.attn_q.weight",
        ),
        (
            "model.layers.{}.self_attn.q_proj.bias",
            "blk.{}.attn_q.bias",
        ),
        (
            "model.layers.{}.self_attn.k_proj.weight",
            "blk.{}.attn_k.weight",
        ),
        (
            "model.layers.{}.self_attn.v_proj.weight",
            "blk.{}.attn_v.weight",
        ),
        (
            "model.layers.{}.self_attn.o_proj.weight",
            "blk.{}.attn_output.weight",
        ),
        (
            "model.layers.{}.post_attention_layernorm.weight",
            "blk.{}.ffn_norm.weight",
        ),
        (
            "model.layers.{}.mlp.gate_proj.weight",
            "blk.{}.ffn_gate.weight",
        ),
        ("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"),
        (
            "model.layers.{}.mlp.down_proj.weight",
            "blk.{}.ffn_down.weight",
        ),
    ];
    check_names(&folder, &there, &names);
    for (theirs, ours) in names {
        let (theirs, ours) = (theirs.replace("{}", "1"), ours.replace("{}", "1"));
        let (_, shape, found) = tensor(&there, &ours);
        let source = values(&theirs, &shape);
        if !theirs.contains("q_proj") && !theirs.contains("k_proj") {
            assert_eq!(found, source, "{ours}");
            continue;
        }
        // Heads of 4 rows: pair (i, i + 2) becomes pair (2 i, 2 i + 1).
        let columns = shape.get(1).copied().unwrap_or(1);
        for head in 0..shape[0] / 4 {
            for (to, from) in [(0, 0), (1, 2), (2, 1), (3, 3)] {
                let row = |row: usize| {
                    let start = (4 * head + row) * columns;
                    start..start + columns
                };
                assert_eq!(found[row(to)], source[row(from)], "{ours} {head} {to}");
            }
        }
    }
    check_back(&folder, &back, "inv_freq", str::to_owned);
    let scores = [
        0., 0., 0., 0., 0., 0., -1., -2., -4., -5., -6., -7., -3., 0.,
    ];
    let mut scores = scores.to_vec();
    scores.resize(20, 0.0);
    check_metadata(
        there.metadata(),
        vec![
            ("general.architecture", "llama".into()),
            ("general.type", "model".into()),
            ("general.name", "Tiny Llama".into()),
            ("general.file_type", Value::U32(32)),
            ("llama.vocab_size", Value::U32(20)),
            ("llama.block_count", Value::U32(2)),
            ("llama.context_length", Value::U32(32)),
            ("llama.embedding_length", Value::U32(16)),
            ("llama.feed_forward_length", Value::U32(24)),
            ("llama.attention.head_count", Value::U32(4)),
            ("llama.attention.head_count_kv", Value::U32(2)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.rope.dimension_count", Value::U32(4)),
            ("llama.rope.freq_base", Value::F32(50_000.0)),
            ("tokenizer.ggml.model", "llama".into()),
            ("tokenizer.ggml.pre", "default".into()),
            (
                "tokenizer.ggml.tokens",
                tokens(&[
                    "<unk>", "<s>", "</s>", "<0x00>", "<0x0A>", "▁a", "ab", "▁ab", "▁", "a", "b",
                    "c", "bc", "<tool>",
                ]),
            ),
            (
                "tokenizer.ggml.token_type",
                kinds(&[2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1, 1, 4]),
            ),
            ("tokenizer.ggml.scores", Value::List(List::F32(scores))),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
            ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
            ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
            ("tokenizer.ggml.add_space_prefix", Value::Bool(true)),
            ("tokenizer.chat_template", "{{ y }}".into()),
        ],
    );
}

#[test]
fn qwen2() {
    let folder = folders::qwen2();
    let (there, back) = there_and_back(&folder);
    let names = [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("lm_head.weight", "output.weight"),
        (
            "model.layers.{}.input_layernorm.weight",
            "blk.{}.attn_norm.weight",
        ),
        (
            "model.layers.{}.self_attn.q_proj.weight",
            "blk.{}.attn_q.weight",
        ),
        (
            "model.layers.{}.self_attn.q_proj.bias",
            "blk.{}.attn_q.bias",
        ),
        (
            "model.layers.{}.self_attn.k_proj.weight",
            "blk.{}.attn_k.weight",
        ),
        (
            "model.layers.{}.self_attn.k_proj.bias",
            "blk.{}.attn_k.bias",
        ),
        (
            "model.layers.{}.self_attn.v_proj.weight",
            "blk.{}.attn_v.weight",
        ),
        (
            "model.layers.{}.self_attn.v_proj.bias",
            "blk.{}.attn_v.bias",
        ),
        (
            "model.layers.{}.self_attn.o_proj.weight",
            "blk.{}.attn_output.weight",
        ),
        (
            "model.layers.{}.post_attention_layernorm.weight",
            "blk.{}.ffn_norm.weight",
        ),
        (
            "model.layers.{}.mlp.gate_proj.weight",
            "blk.{}.ffn_gate.weight",
        ),
        ("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"),
        (
            "model.layers.{}.mlp.down_proj.weight",
            "blk.{}.ffn_down.weight",
        ),
    ];
    check_names(&folder, &there, &names);
    for (theirs, ours) in names {
        let (theirs, ours) = (theirs.replace("{}", "0"), ours.replace("{}", "0"));
        let (_, shape, found) = tensor(&there, &ours);
        assert_eq!(found, values(&theirs, &shape), "{ours}");
    }
    check_back(&folder, &back, "nothing", str::to_owned);
    let mut found = there.metadata().clone();
    // The folder's own, which is a temporary one.
    found.retain(|(key, _)| key != "general.name");
    check_metadata(
        &found,
        vec![
            ("general.architecture", "qwen2".into()),
            ("general.type", "model".into()),
            ("general.file_type", Value::U32(32)),
            ("qwen2.vocab_size", Value::U32(20)),
            ("qwen2.block_count", Value::U32(2)),
            ("qwen2.context_length", Value::U32(32)),
            ("qwen2.embedding_length", Value::U32(16)),
            ("qwen2.feed_forward_length", Value::U32(24)),
            ("qwen2.attention.head_count", Value::U32(4)),
            ("qwen2.attention.head_count_kv", Value::U32(2)),
            ("qwen2.attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
            ("qwen2.rope.dimension_count", Value::U32(4)),
            ("qwen2.rope.freq_base", Value::F32(1e6)),
            ("qwen2.rope.scaling.type", "yarn".into()),
            ("qwen2.rope.scaling.factor", Value::F32(4.0)),
            ("qwen2.rope.scaling.original_context_length", Value::U32(8)),
            ("qwen2.rope.scaling.yarn_beta_fast", Value::F32(32.0)),
            ("tokenizer.ggml.model", "gpt2".into()),
            ("tokenizer.ggml.pre", "qwen2".into()),
            (
                "tokenizer.ggml.tokens",
                tokens(&[
                    "a",
                    "b",
                    "c",
                    "Ġ",
                    "ab",
                    "Ġab",
                    "<|endoftext|>",
                    "<|im_end|>",
                    "<tool_call>",
                ]),
            ),
            (
                "tokenizer.ggml.token_type",
                kinds(&[1, 1, 1, 1, 1, 1, 3, 3, 4]),
            ),
            ("tokenizer.ggml.merges", texts(&["a b", "Ġ ab"])),
            ("tokenizer.ggml.bos_token_id", Value::U32(6)),
            ("tokenizer.ggml.eos_token_id", Value::U32(7)),
            ("tokenizer.ggml.padding_token_id", Value::U32(6)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
            ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
            ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
        ],
    );
}

#[test]
fn bert() {
    let folder = folders::bert();
    let (there, back) = there_and_back(&folder);
    let own = [
        (
            "bert.embeddings.word_embeddings.weight",
            "token_embd.weight",
        ),
        (
            "bert.embeddings.position_embeddings.weight",
            "position_embd.weight",
        ),
        (
            "bert.embeddings.token_type_embeddings.weight",
            "token_types.weight",
        ),
        ("bert.embeddings.LayerNorm.gamma", "token_embd_norm.weight"),
        ("bert.embeddings.LayerNorm.beta", "token_embd_norm.bias"),
    ];
    let modules = [
        ("attention.self.query", "attn_q"),
        ("attention.self.key", "attn_k"),
        ("attention.self.value", "attn_v"),
        ("attention.output.dense", "attn_output"),
        ("attention.output.LayerNorm", "attn_output_norm"),
        ("intermediate.dense", "ffn_up"),
        ("output.dense", "ffn_down"),
        ("output.LayerNorm", "layer_output_norm"),
    ];
    let layers = modules.iter().flat_map(|(theirs, ours)| {
        ["weight", "bias"].map(|part| {
            (
                format!("bert.encoder.layer.{{}}.{theirs}.{part}"),
                format!("blk.{{}}.{ours}.{part}"),
            )
        })
    });
    let layers: Vec<(String, String)> = layers.collect();
    let layers = layers
        .iter()
        .map(|(theirs, ours)| (theirs.as_str(), ours.as_str()));
    let names: Vec<(&str, &str)> = own.into_iter().chain(layers).collect();
    check_names(&folder, &there, &names);
    let kept = Folder {
        tensors: folder
            .tensors
            .iter()
            .filter(|(name, _)| !name.contains("position_ids") && !name.contains("pooler"))
            .cloned()
            .collect(),
        ..folders::bert()
    };
    check_back(&kept, &back, "cls.", |name| {
        let name = name.replace("bert.", "");
        name.replace("gamma", "weight").replace("beta", "bias")
    });
    let mut found = there.metadata().clone();
    found.retain(|(key, _)| key != "general.name");
    check_metadata(
        &found,
        vec![
            ("general.architecture", "bert".into()),
            ("general.type", "model".into()),
            ("general.file_type", Value::U32(32)),
            ("bert.vocab_size", Value::U32(20)),
            ("bert.block_count", Value::U32(2)),
            ("bert.context_length", Value::U32(32)),
            ("bert.embedding_length", Value::U32(16)),
            ("bert.feed_forward_length", Value::U32(24)),
            ("bert.attention.head_count", Value::U32(4)),
            ("bert.attention.layer_norm_epsilon", Value::F32(1e-12)),
            ("bert.attention.causal", Value::Bool(false)),
            ("tokenizer.ggml.token_type_count", Value::U32(2)),
            ("tokenizer.ggml.model", "bert".into()),
            ("tokenizer.ggml.pre", "default".into()),
            ("tokenizer.ggml.tokens", tokens_of_bert()),
            (
                "tokenizer.ggml.token_type",
                kinds(&[3, 3, 3, 3, 3, 1, 1, 1]),
            ),
            ("tokenizer.ggml.normalizer.lowercase", Value::Bool(true)),
            ("tokenizer.ggml.bos_token_id", Value::U32(2)),
            ("tokenizer.ggml.eos_token_id", Value::U32(3)),
            ("tokenizer.ggml.unknown_token_id", Value::U32(1)),
            ("tokenizer.ggml.seperator_token_id", Value::U32(3)),
            ("tokenizer.ggml.padding_token_id", Value::U32(0)),
            ("tokenizer.ggml.cls_token_id", Value::U32(2)),
            ("tokenizer.ggml.mask_token_id", Value::U32(4)),
            ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
            ("tokenizer.ggml.add_eos_token", Value::Bool(true)),
        ],
    );
}

/// A word begins with ▁, and what continues one has no mark.
fn tokens_of_bert() -> Value {
    let first = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁ab", "c", "▁c",
    ];
    padded(&first, "▁[PAD")
}
