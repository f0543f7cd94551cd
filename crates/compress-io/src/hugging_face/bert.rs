//! BERT as an encoder: what gives embeddings of texts. Heads and the pooler are left out.
//!
//! # References
//! `BertModel` in Hugging Face's `transformers`; `docs/gguf.md` in `ggml-org/ggml`.

use super::architecture::Architecture;
use super::modules::Size::{FeedForward, Hidden, Positions, TokenTypes, Vocabulary};
use super::modules::{Bias, Module};

pub(super) static BERT: Architecture = Architecture {
    name: "bert",
    classes: &["BertModel", "BertForMaskedLM", "BertForPreTraining"],
    modules: &[
        Module::new(
            "embeddings.word_embeddings",
            "token_embd",
            &[Vocabulary, Hidden],
        ),
        Module::new(
            "embeddings.position_embeddings",
            "position_embd",
            &[Positions, Hidden],
        )
        .full(),
        Module::new(
            "embeddings.token_type_embeddings",
            "token_types",
            &[TokenTypes, Hidden],
        )
        .full(),
        layer("embeddings.LayerNorm", "token_embd_norm", &[Hidden]),
        layer(
            "encoder.layer.{}.attention.self.query",
            "blk.{}.attn_q",
            &[Hidden, Hidden],
        ),
        layer(
            "encoder.layer.{}.attention.self.key",
            "blk.{}.attn_k",
            &[Hidden, Hidden],
        ),
        layer(
            "encoder.layer.{}.attention.self.value",
            "blk.{}.attn_v",
            &[Hidden, Hidden],
        ),
        layer(
            "encoder.layer.{}.attention.output.dense",
            "blk.{}.attn_output",
            &[Hidden, Hidden],
        ),
        layer(
            "encoder.layer.{}.attention.output.LayerNorm",
            "blk.{}.attn_output_norm",
            &[Hidden],
        ),
        layer(
            "encoder.layer.{}.intermediate.dense",
            "blk.{}.ffn_up",
            &[FeedForward, Hidden],
        ),
        layer(
            "encoder.layer.{}.output.dense",
            "blk.{}.ffn_down",
            &[Hidden, FeedForward],
        ),
        layer(
            "encoder.layer.{}.output.LayerNorm",
            "blk.{}.layer_output_norm",
            &[Hidden],
        ),
    ],
    normal,
    is_dropped,
    epsilon: ("layer_norm_eps", "attention.layer_norm_epsilon"),
    activations: &["gelu", "gelu_new", "gelu_pytorch_tanh"],
    is_rotary: false,
};

const fn layer(
    hugging_face: &'static str,
    gguf: &'static str,
    shape: &'static [super::modules::Size],
) -> Module {
    Module::new(hugging_face, gguf, shape).bias(Bias::Always)
}

/// Models with heads say `bert.` first; those from TensorFlow call what norms have gamma and beta.
fn normal(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    match name.rsplit_once('.') {
        Some((norm, "gamma")) => format!("{norm}.weight"),
        Some((norm, "beta")) => format!("{norm}.bias"),
        _ => name.to_owned(),
    }
}

fn is_dropped(name: &str) -> bool {
    name == "embeddings.position_ids" || name.starts_with("pooler.") || name.starts_with("cls.")
}
