//! Folders of Hugging Face's libraries, to GGUF and back: names, rows, the configuration and the
//! tokenizer of the architectures llama, qwen2 and bert.
//!
//! # References
//! `docs/gguf.md` in the repository `ggml-org/ggml`; `convert_hf_to_gguf.py` in
//! `ggml-org/llama.cpp`, whose files these are to equal.

mod architecture;
mod architectures;
mod bert;
mod config;
mod folder;
mod from_gguf;
mod llama;
mod modules;
mod qwen2;
mod rotation;
mod to_gguf;
mod tokenizer;

pub use from_gguf::from_gguf;
pub use to_gguf::gguf_plan;

pub(crate) use folder::weights;
