//! Llama: rows of queries and keys are permuted, since GGUF rotates neighbours and Hugging Face's
//! libraries rotate halves.
//!
//! # References
//! `LlamaForCausalLM` in Hugging Face's `transformers`; `docs/gguf.md` in `ggml-org/ggml`.

use super::architecture::Architecture;
use super::modules::Size::{FeedForward, Hidden, Keys, Queries, Vocabulary};
use super::modules::{Bias, Module};

pub(super) static LLAMA: Architecture = Architecture {
    name: "llama",
    classes: &["LlamaForCausalLM", "LlamaModel"],
    modules: &[
        Module::new("model.embed_tokens", "token_embd", &[Vocabulary, Hidden]),
        Module::new(
            "model.layers.{}.input_layernorm",
            "blk.{}.attn_norm",
            &[Hidden],
        ),
        Module::new(
            "model.layers.{}.self_attn.q_proj",
            "blk.{}.attn_q",
            &[Queries, Hidden],
        )
        .bias(Bias::Optional)
        .rotated(),
        Module::new(
            "model.layers.{}.self_attn.k_proj",
            "blk.{}.attn_k",
            &[Keys, Hidden],
        )
        .bias(Bias::Optional)
        .rotated(),
        Module::new(
            "model.layers.{}.self_attn.v_proj",
            "blk.{}.attn_v",
            &[Keys, Hidden],
        )
        .bias(Bias::Optional),
        Module::new(
            "model.layers.{}.self_attn.o_proj",
            "blk.{}.attn_output",
            &[Hidden, Queries],
        )
        .bias(Bias::Optional),
        Module::new(
            "model.layers.{}.post_attention_layernorm",
            "blk.{}.ffn_norm",
            &[Hidden],
        ),
        Module::new(
            "model.layers.{}.mlp.gate_proj",
            "blk.{}.ffn_gate",
            &[FeedForward, Hidden],
        )
        .bias(Bias::Optional),
        Module::new(
            "model.layers.{}.mlp.up_proj",
            "blk.{}.ffn_up",
            &[FeedForward, Hidden],
        )
        .bias(Bias::Optional),
        Module::new(
            "model.layers.{}.mlp.down_proj",
            "blk.{}.ffn_down",
            &[Hidden, FeedForward],
        )
        .bias(Bias::Optional),
        Module::new("model.norm", "output_norm", &[Hidden]),
        Module::new("lm_head", "output", &[Vocabulary, Hidden]).optional(),
    ],
    normal,
    is_dropped,
    epsilon: ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    activations: &["silu"],
    is_rotary: true,
};

/// Models without a head are saved without the first word of their names.
pub(super) fn normal(name: &str) -> String {
    match name.starts_with("model.") || name.starts_with("lm_head.") {
        true => name.to_owned(),
        false => format!("model.{name}"),
    }
}

/// Frequencies of rotations follow from the configuration.
pub(super) fn is_dropped(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq")
}
