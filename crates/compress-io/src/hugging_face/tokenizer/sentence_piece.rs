//! BPE of letters with bytes for those that are unknown, as SentencePiece makes it for Llama 2:
//! GGUF's model `llama`.

use std::collections::HashMap;

use compress_core::{Error, Result};

use super::file::{Kind, Merge, Tokenizer, Vocabulary};
use crate::metadata::{List, Metadata, Value};

pub(super) fn metadata(tokenizer: &Tokenizer, mut vocabulary: Vocabulary) -> Result<Metadata> {
    for (text, kind) in vocabulary.texts.iter().zip(&mut vocabulary.kinds) {
        if tokenizer.model.unk_token.as_ref() == Some(text) {
            *kind = Kind::Unknown;
        } else if *kind == Kind::Normal && is_byte(text) {
            *kind = Kind::Byte;
        }
    }
    let scores = scores(tokenizer, &vocabulary)?;
    let mut keys = vocabulary.metadata("llama", "default");
    keys.push((
        "tokenizer.ggml.scores".into(),
        Value::List(List::F32(scores)),
    ));
    // What stands before a text: Llama 2 has a normalizer for it, others a pre-tokenizer.
    let prepends = tokenizer
        .normalizers()
        .iter()
        .any(|part| part["type"] == "Prepend");
    let metaspace = tokenizer.pre_tokenizers().iter().any(|part| {
        part["type"] == "Metaspace"
            && part["prepend_scheme"] != "never"
            && part["add_prefix_space"] != false
    });
    let key = "tokenizer.ggml.add_space_prefix";
    keys.push((key.into(), Value::Bool(prepends || metaspace)));
    Ok(keys)
}

fn is_byte(text: &str) -> bool {
    let digits = text
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// SentencePiece joins the pair whose token has the highest score, and `tokenizer.json` has the
/// order of merges alone. So a token's score is minus its place in that order, and tokens that no
/// merge makes follow by number; those that are no text have 0. The order is that of the scores
/// from which the merges were made.
fn scores(tokenizer: &Tokenizer, vocabulary: &Vocabulary) -> Result<Vec<f32>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for merge in &tokenizer.model.merges {
        let token = match merge {
            Merge::Pair(pair) => pair.concat(),
            Merge::Text(text) => {
                let parts = text
                    .split_once(' ')
                    .filter(|(_, right)| !right.contains(' '));
                let (left, right) = parts.ok_or_else(|| {
                    Error::invalid(
                        "a merge",
                        format!("{text:?}"),
                        "two tokens with a space between",
                    )
                })?;
                [left, right].concat()
            }
        };
        let next = places.len();
        places.entry(token).or_insert(next);
    }
    let mut next = places.len();
    let tokens = vocabulary.texts.iter().zip(&vocabulary.kinds);
    let scores = tokens.map(|(text, kind)| {
        let place = match (kind, places.get(text)) {
            (Kind::Normal, Some(place)) => *place,
            (Kind::Normal, None) => {
                next += 1;
                next - 1
            }
            _ => 0,
        };
        0.0 - place as f32
    });
    Ok(scores.collect())
}
