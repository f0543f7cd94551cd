//! WordPiece, as BERT has it: GGUF's model `bert`.

use compress_core::{Error, Result};

use super::file::{Kind, Tokenizer, Vocabulary};
use crate::metadata::{Metadata, Value};

/// What continues a word in Hugging Face's libraries. GGUF marks what begins one.
const CONTINUES: &str = "##";
/// How GGUF spells the space before a word.
const SPACE: char = '▁';

pub(super) fn metadata(tokenizer: &Tokenizer, mut vocabulary: Vocabulary) -> Result<Metadata> {
    let prefix = tokenizer
        .model
        .continuing_subword_prefix
        .as_deref()
        .unwrap_or(CONTINUES);
    if prefix != CONTINUES {
        return Err(Error::invalid(
            "continuing_subword_prefix",
            prefix,
            CONTINUES,
        ));
    }
    for (text, kind) in vocabulary.texts.iter_mut().zip(&vocabulary.kinds) {
        if *kind == Kind::Control {
            continue;
        }
        match text.strip_prefix(CONTINUES) {
            Some(rest) => *text = rest.to_owned(),
            None => text.insert(0, SPACE),
        }
    }
    let mut keys = vocabulary.metadata("bert", "default");
    let normalizers = tokenizer.normalizers();
    let normalizer = normalizers
        .iter()
        .find(|part| part["type"] == "BertNormalizer");
    for (theirs, key) in [
        ("lowercase", "tokenizer.ggml.normalizer.lowercase"),
        ("strip_accents", "tokenizer.ggml.normalizer.strip_accents"),
    ] {
        if let Some(flag) = normalizer.and_then(|part| part[theirs].as_bool()) {
            keys.push((key.into(), Value::Bool(flag)));
        }
    }
    Ok(keys)
}
