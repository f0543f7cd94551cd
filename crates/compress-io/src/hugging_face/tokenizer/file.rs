//! `tokenizer.json`.

use std::collections::HashMap;
use std::path::Path;

use compress_core::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::super::folder::parse;
use crate::metadata::{List, Metadata, Value};

/// What is known of a token. The numbers are GGUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// What is read of the file.
#[derive(Debug, Deserialize)]
pub(super) struct Tokenizer {
    #[serde(default)]
    pub(super) added_tokens: Vec<Added>,
    pub(super) normalizer: Option<Json>,
    pre_tokenizer: Option<Json>,
    post_processor: Option<Json>,
    pub(super) model: Model,
}

/// A token beside the vocabulary, which is found in a text before it is cut.
#[derive(Debug, Deserialize)]
pub(super) struct Added {
    pub(super) id: usize,
    pub(super) content: String,
    #[serde(default)]
    special: bool,
}

/// How words are cut.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) vocab: HashMap<String, usize>,
    #[serde(default)]
    pub(super) merges: Vec<Merge>,
    pub(super) unk_token: Option<String>,
    pub(super) byte_fallback: Option<bool>,
    pub(super) ignore_merges: Option<bool>,
    pub(super) continuing_subword_prefix: Option<String>,
}

/// Two tokens that become one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Merge {
    /// With a space between.
    Text(String),
    Pair([String; 2]),
}

/// All tokens by number.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) texts: Vec<String>,
    /// What the vocabulary and the added tokens alone say.
    pub(super) kinds: Vec<Kind>,
}

impl Vocabulary {
    /// The keys that every tokenizer has.
    pub(super) fn metadata(self, model: &str, pre: &str) -> Metadata {
        let kinds = self.kinds.iter().map(|kind| *kind as i32).collect();
        vec![
            ("tokenizer.ggml.model".into(), model.into()),
            ("tokenizer.ggml.pre".into(), pre.into()),
            (
                "tokenizer.ggml.tokens".into(),
                Value::List(List::Text(self.texts)),
            ),
            (
                "tokenizer.ggml.token_type".into(),
                Value::List(List::I32(kinds)),
            ),
        ]
    }
}

impl Tokenizer {
    pub(super) fn read(path: &Path) -> Result<Self> {
        // Other models have other vocabularies, so the kind is read first.
        #[derive(Deserialize)]
        struct Head {
            model: Model,
        }
        #[derive(Deserialize)]
        struct Model {
            #[serde(rename = "type")]
            kind: String,
            #[serde(rename = "vocab")]
            _vocab: IgnoredAny,
        }
        let head: Head = parse(path)?;
        if !matches!(head.model.kind.as_str(), "BPE" | "WordPiece") {
            let error =
                Error::invalid("the type of the model", head.model.kind, "BPE or WordPiece");
            return Err(compress_core::file::at(path, error));
        }
        parse(path)
    }

    /// Its tokens, with unused ones up to `count`.
    pub(super) fn vocabulary(&self, count: usize) -> Result<Vocabulary> {
        let mut all: Vec<Option<(&str, Kind)>> = vec![None; count];
        let added = self.added_tokens.iter().map(|token| {
            let is_control = token.special || seems_special(&token.content);
            let kind = if is_control {
                Kind::Control
            } else {
                Kind::UserDefined
            };
            (token.content.as_str(), token.id, kind)
        });
        let plain = self
            .model
            .vocab
            .iter()
            .map(|(text, id)| (text.as_str(), *id, Kind::Normal));
        for (text, id, kind) in plain.chain(added) {
            let what = || format!("the number of token {text:?}");
            let Some(place) = all.get_mut(id) else {
                let expected = format!("below {count}, the tokens of the embedding");
                return Err(Error::invalid(what(), id, expected));
            };
            if let Some((other, _)) = place.filter(|(other, _)| *other != text) {
                return Err(Error::invalid(
                    what(),
                    id,
                    format!("another than that of {other:?}"),
                ));
            }
            *place = Some((text, kind));
        }
        let unused = |id: usize| (format!("[PAD{id}]"), Kind::Unused);
        let named = |(text, kind): (&str, Kind)| (text.to_owned(), kind);
        let all = all.into_iter().enumerate();
        let (texts, kinds) = all
            .map(|(id, token)| token.map_or_else(|| unused(id), named))
            .unzip();
        Ok(Vocabulary { texts, kinds })
    }

    /// The number of a token.
    pub(super) fn id(&self, text: &str) -> Option<usize> {
        let added = self.added_tokens.iter().find(|token| token.content == text);
        added
            .map(|token| token.id)
            .or_else(|| self.model.vocab.get(text).copied())
    }

    /// The parts of the pre-tokenizer, one after another.
    pub(super) fn pre_tokenizers(&self) -> &[Json] {
        parts(self.pre_tokenizer.as_ref(), "pretokenizers")
    }

    /// The parts of the post-processor.
    pub(super) fn post_processors(&self) -> &[Json] {
        parts(self.post_processor.as_ref(), "processors")
    }

    /// The parts of the normalizer.
    pub(super) fn normalizers(&self) -> &[Json] {
        parts(self.normalizer.as_ref(), "normalizers")
    }

    /// Whether its tokens are made of bytes that are spelled as letters, as those of GPT-2.
    pub(super) fn is_byte_level(&self) -> bool {
        self.pre_tokenizers()
            .iter()
            .any(|part| part["type"] == "ByteLevel")
    }
}

/// What a sequence is made of; anything else is its own only part.
fn parts<'a>(value: Option<&'a Json>, key: &str) -> &'a [Json] {
    match value {
        None | Some(Json::Null) => &[],
        Some(value) => match &value[key] {
            Json::Array(parts) if value["type"] == "Sequence" => parts,
            _ => std::slice::from_ref(value),
        },
    }
}

/// Some models have tokens that control them, and do not say so.
fn seems_special(text: &str) -> bool {
    let is_in = |start, end| text.starts_with(start) && text.ends_with(end);
    is_in("<|", "|>") || is_in("<｜", "｜>") || text == "<pad>" || text == "<mask>"
}
