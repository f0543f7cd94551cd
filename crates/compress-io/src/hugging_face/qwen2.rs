//! Qwen2, also 2.5: as Llama, with biases of queries, keys and values, and no permutation, since
//! GGUF rotates halves for it.
//!
//! # References
//! `Qwen2ForCausalLM` in Hugging Face's `transformers`; `docs/gguf.md` in `ggml-org/ggml`.

use super::architecture::Architecture;
use super::llama;
use super::modules::Size::{FeedForward, Hidden, Keys, Queries, Vocabulary};
use super::modules::{Bias, Module};

pub(super) static QWEN2: Architecture = Architecture {
    name: "qwen2",
    classes: &["Qwen2ForCausalLM", "Qwen2Model"],
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
        .bias(Bias::Optional),
        Module::new(
            "model.layers.{}.self_attn.k_proj",
            "blk.{}.attn_k",
            &[Keys, Hidden],
        )
        .bias(Bias::Optional),
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
        ),
        Module::new(
            "model.layers.{}.post_attention_layernorm",
            "blk.{}.ffn_norm",
            &[Hidden],
        ),
        Module::new(
            "model.layers.{}.mlp.gate_proj",
            "blk.{}.ffn_gate",
            &[FeedForward, Hidden],
        ),
        Module::new(
            "model.layers.{}.mlp.up_proj",
            "blk.{}.ffn_up",
            &[FeedForward, Hidden],
        ),
        Module::new(
            "model.layers.{}.mlp.down_proj",
            "blk.{}.ffn_down",
            &[Hidden, FeedForward],
        ),
        Module::new("model.norm", "output_norm", &[Hidden]),
        Module::new("lm_head", "output", &[Vocabulary, Hidden]).optional(),
    ],
    normal: llama::normal,
    is_dropped: llama::is_dropped,
    epsilon: ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    activations: &["silu"],
    is_rotary: true,
};
