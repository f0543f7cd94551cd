//! Tokens that control the model: their numbers, whether texts get them, and the template of chats.

use std::path::Path;

use compress_core::{Error, Result, file};
use serde_json::Value as Object;

use super::super::folder::Json;
use super::file::Tokenizer;
use crate::metadata::{Metadata, Value};

/// Their names in Hugging Face's files, what they stand in for where that has none, and their names
/// in GGUF (`seperator` is spelled so there).
const TOKENS: [(&str, Option<&str>, &str); 7] = [
    ("bos", Some("cls"), "bos"),
    ("eos", Some("sep"), "eos"),
    ("unk", None, "unknown"),
    ("sep", None, "seperator"),
    ("pad", None, "padding"),
    ("cls", None, "cls"),
    ("mask", None, "mask"),
];

pub(super) fn metadata(
    folder: &Path,
    config: &Json,
    tokenizer: &Tokenizer,
    tokens: u32,
) -> Result<Metadata> {
    let own = Json::read_if_there(folder, "tokenizer_config.json")?;
    let mut keys = Metadata::new();
    let mut ids = Vec::new();
    for (name, instead, key) in TOKENS {
        let id = match (id(&own, config, tokenizer, tokens, name)?, instead) {
            (None, Some(instead)) => id(&own, config, tokenizer, tokens, instead)?,
            (found, _) => found,
        };
        if let Some(id) = id {
            ids.push((name, id));
            keys.push((format!("tokenizer.ggml.{key}_token_id"), Value::U32(id)));
        }
    }
    for (name, last) in [("bos", false), ("eos", true)] {
        let known = ids.iter().find(|(of, _)| *of == name).map(|(_, id)| *id);
        let is_added = is_added(tokenizer, &own, name, last, known);
        let is_added = is_added.map_err(|e| file::at(&folder.join("tokenizer.json"), e))?;
        keys.push((
            format!("tokenizer.ggml.add_{name}_token"),
            Value::Bool(is_added),
        ));
    }
    let space = "tokenizer.ggml.add_space_prefix";
    if tokenizer.is_byte_level()
        && let Some(prefix) = own.flag("add_prefix_space")?
    {
        keys.push((space.into(), Value::Bool(prefix)));
    }
    if let Some(template) = chat_template(folder, &own)? {
        keys.push(("tokenizer.chat_template".into(), Value::Text(template)));
    }
    Ok(keys)
}

/// The number of a token, by its text in `tokenizer_config.json`, else as `config.json` says it.
fn id(
    own: &Json,
    config: &Json,
    tokenizer: &Tokenizer,
    tokens: u32,
    name: &str,
) -> Result<Option<u32>> {
    let key = format!("{name}_token");
    let text = match own.value(&key) {
        Some(Object::Object(token)) => token.get("content").and_then(Object::as_str),
        Some(Object::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let Some(text) = text {
        let Some(id) = tokenizer.id(text) else {
            return Err(own.refuse(&key, text, "a token of tokenizer.json"));
        };
        return u32::try_from(id).map(Some).map_err(Error::other);
    }
    // Some say -1, or a list of several: then there is no one token.
    let id = config
        .value(&format!("{name}_token_id"))
        .and_then(Object::as_u64);
    Ok(id
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id < tokens))
}

/// Whether each text gets token `name`, as its `last` or its first, by the post-processor.
fn is_added(
    tokenizer: &Tokenizer,
    own: &Json,
    name: &str,
    last: bool,
    id: Option<u32>,
) -> Result<bool> {
    for part in tokenizer.post_processors() {
        match part["type"].as_str() {
            Some("BertProcessing" | "RobertaProcessing") => return Ok(true),
            Some("TemplateProcessing") => {
                let single = part["single"].as_array();
                let at = single.and_then(|s| if last { s.last() } else { s.first() });
                let Some(text) = at.and_then(|at| at["SpecialToken"]["id"].as_str()) else {
                    return Ok(false);
                };
                let found = tokenizer.id(text).and_then(|id| u32::try_from(id).ok());
                if found.is_none() || found != id {
                    let what = format!("the token that the post_processor adds as {name}");
                    return Err(Error::invalid(
                        what,
                        format!("{text:?}"),
                        format!("{name}_token"),
                    ));
                }
                return Ok(true);
            }
            _ => {}
        }
    }
    // Llama 2's own default, where nothing says it.
    let is_usual = name == "bos" && !tokenizer.is_byte_level();
    Ok(own.flag(&format!("add_{name}_token"))?.unwrap_or(is_usual))
}

/// The template of chats, of several the default one.
fn chat_template(folder: &Path, own: &Json) -> Result<Option<String>> {
    match own.value("chat_template") {
        Some(Object::String(template)) => return Ok(Some(template.clone())),
        Some(Object::Array(all)) => {
            let default = all.iter().find(|one| one["name"] == "default");
            let template = default.and_then(|one| one["template"].as_str());
            return Ok(template.map(str::to_owned));
        }
        _ => {}
    }
    let path = folder.join("chat_template.jinja");
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = file::read(&path)?;
    let template = String::from_utf8(bytes);
    template
        .map(Some)
        .map_err(|e| file::at(&path, Error::other(e)))
}
