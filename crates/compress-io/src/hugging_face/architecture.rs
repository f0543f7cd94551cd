//! What is known of an architecture.

use super::modules::Module;

/// An architecture.
#[derive(Debug)]
pub(super) struct Architecture {
    /// Its name in GGUF, and its `model_type` in `config.json`.
    pub(super) name: &'static str,
    /// The classes of Hugging Face's libraries that have these tensors.
    pub(super) classes: &'static [&'static str],
    pub(super) modules: &'static [Module],
    /// A tensor's name as the modules have it.
    pub(super) normal: fn(&str) -> String,
    /// Whether a tensor is not needed, by its name.
    pub(super) is_dropped: fn(&str) -> bool,
    /// The key of the norms' epsilon in `config.json`, and in GGUF.
    pub(super) epsilon: (&'static str, &'static str),
    /// What `hidden_act` may be.
    pub(super) activations: &'static [&'static str],
    /// Whether positions are rotations of queries and keys.
    pub(super) is_rotary: bool,
}
