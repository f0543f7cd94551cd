//! BPE of bytes, as GPT-2 has it: GGUF's model `gpt2`.

use compress_core::{Error, Result};
use serde_json::{Value as Json, json};

use super::file::{Merge, Tokenizer, Vocabulary};
use crate::metadata::{List, Metadata, Value};

/// How Llama 3 cuts words.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen2 does.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

pub(super) fn metadata(tokenizer: &Tokenizer, vocabulary: Vocabulary) -> Result<Metadata> {
    if let Some(other) = tokenizer
        .normalizers()
        .iter()
        .find(|part| part["type"] != "NFC")
    {
        return Err(Error::invalid(
            "the normalizer",
            &other["type"],
            "none or NFC",
        ));
    }
    let pre = pre(tokenizer)?;
    if tokenizer.model.ignore_merges == Some(true) && pre != "llama-bpe" {
        let what = format!("ignore_merges with the pre_tokenizer of {pre}");
        return Err(Error::invalid(what, true, "false"));
    }
    let mut keys = vocabulary.metadata("gpt2", pre);
    let merges = tokenizer.model.merges.iter().map(|merge| match merge {
        Merge::Text(text) => text.clone(),
        // A space within a token is spelled as the byte is.
        Merge::Pair(pair) => pair.each_ref().map(|text| text.replace(' ', "Ġ")).join(" "),
    });
    let merges = List::Text(merges.collect());
    keys.push(("tokenizer.ggml.merges".into(), Value::List(merges)));
    Ok(keys)
}

/// What GGUF calls the way in which words are cut.
fn pre(tokenizer: &Tokenizer) -> Result<&'static str> {
    let parts = tokenizer.pre_tokenizers();
    let cuts = |part: &Json| part["type"] == "ByteLevel" && part["use_regex"] != json!(false);
    let joins = |part: &Json| part["type"] == "ByteLevel" && part["use_regex"] == json!(false);
    let splits = |part: &Json, by: &str| {
        let is_split = part["type"] == "Split" && part["behavior"] == "Isolated";
        is_split && part["invert"] != json!(true) && part["pattern"]["Regex"] == by
    };
    let digits = |part: &Json| part["type"] == "Digits" && part["individual_digits"] == json!(true);
    match parts {
        [bytes] if cuts(bytes) => Ok("gpt-2"),
        [first, bytes] if digits(first) && cuts(bytes) => Ok("smollm"),
        [first, bytes] if splits(first, LLAMA3) && joins(bytes) => Ok("llama-bpe"),
        [first, bytes] if splits(first, QWEN2) && joins(bytes) => Ok("qwen2"),
        _ => {
            let found = Json::Array(parts.to_vec());
            let expected = "that of gpt-2, smollm, llama-bpe or qwen2";
            Err(Error::invalid("the pre_tokenizer", found, expected))
        }
    }
}
