//! The tokenizer of a folder as GGUF's keys.
//!
//! # References
//! The documentation of Hugging Face's `tokenizers`; `docs/gguf.md` in `ggml-org/ggml`;
//! `src/llama-vocab.cpp` in `ggml-org/llama.cpp`.

mod byte_level;
mod file;
mod sentence_piece;
mod special;
mod word_piece;

use std::path::Path;

use compress_core::{Error, Result};

use super::folder::Json;
use crate::metadata::Metadata;
use file::Tokenizer;

/// The keys below `tokenizer`, of as many tokens as the embedding has.
pub(super) fn metadata(folder: &Path, config: &Json, tokens: u32) -> Result<Metadata> {
    let path = folder.join("tokenizer.json");
    let at = |error| compress_core::file::at(&path, error);
    let tokenizer = Tokenizer::read(&path)?;
    let vocabulary = tokenizer.vocabulary(tokens as usize).map_err(at)?;
    let own = match tokenizer.model.kind.as_str() {
        "WordPiece" => word_piece::metadata(&tokenizer, vocabulary),
        "BPE" if tokenizer.is_byte_level() => byte_level::metadata(&tokenizer, vocabulary),
        "BPE" if tokenizer.model.byte_fallback == Some(true) => {
            sentence_piece::metadata(&tokenizer, vocabulary)
        }
        "BPE" => {
            let expected = "ByteLevel, or byte_fallback true";
            Err(Error::invalid(
                "the pre_tokenizer of this BPE",
                "another",
                expected,
            ))
        }
        kind => Err(Error::invalid(
            "the type of the model",
            kind,
            "BPE or WordPiece",
        )),
    };
    let mut keys = own.map_err(at)?;
    keys.extend(special::metadata(folder, config, &tokenizer, tokens)?);
    Ok(keys)
}
