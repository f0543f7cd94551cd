//! The lengths of a network, and the keys of GGUF that say them.

use std::path::{Component, Path};

use compress_core::{Error, Result, file};

use super::architecture::Architecture;
use super::folder::{Json, parse};
use super::modules::Size;
use super::rotation;
use crate::metadata::{Metadata, Value};

/// The lengths that `config.json` says.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) layers: u32,
    pub(super) heads: u32,
    pub(super) key_heads: u32,
    /// Values of a head.
    pub(super) head: u32,
    hidden: u32,
    feed_forward: u32,
    positions: u32,
    pub(super) vocabulary: u32,
    token_types: u32,
}

impl Sizes {
    pub(super) fn read(config: &Json, architecture: &Architecture) -> Result<Self> {
        let hidden = config.needed_count("hidden_size")?;
        let heads = config.needed_count("num_attention_heads")?;
        let key_heads = match architecture.is_rotary {
            true => config.count("num_key_value_heads")?.unwrap_or(heads),
            false => heads,
        };
        if !heads.is_multiple_of(key_heads) {
            let expected = format!("a divisor of num_attention_heads, {heads}");
            return Err(config.refuse("num_key_value_heads", key_heads, expected));
        }
        let head = match architecture.is_rotary {
            true => config.count("head_dim")?,
            false => None,
        };
        if head.is_none() && !hidden.is_multiple_of(heads) {
            let expected = format!("a multiple of num_attention_heads, {heads}");
            return Err(config.refuse("hidden_size", hidden, expected));
        }
        let head = head.unwrap_or(hidden / heads);
        if architecture.is_rotary && !head.is_multiple_of(2) {
            return Err(config.refuse("the length of a head", head, "even"));
        }
        Ok(Sizes {
            layers: config.needed_count("num_hidden_layers")?,
            heads,
            key_heads,
            head,
            hidden,
            feed_forward: config.needed_count("intermediate_size")?,
            positions: config.needed_count("max_position_embeddings")?,
            vocabulary: config.needed_count("vocab_size")?,
            token_types: config.count("type_vocab_size")?.unwrap_or(1),
        })
    }

    /// A length; `usize::MAX` where it is more.
    pub(super) fn length(&self, size: Size) -> usize {
        let of_heads = |heads: u32| (heads as usize).saturating_mul(self.head as usize);
        match size {
            Size::Vocabulary => self.vocabulary as usize,
            Size::Hidden => self.hidden as usize,
            Size::FeedForward => self.feed_forward as usize,
            Size::Queries => of_heads(self.heads),
            Size::Keys => of_heads(self.key_heads),
            Size::Positions => self.positions as usize,
            Size::TokenTypes => self.token_types as usize,
        }
    }
}

/// The keys that say what a folder's configuration says.
pub(super) fn metadata(
    folder: &Path,
    config: &Json,
    architecture: &Architecture,
    sizes: &Sizes,
) -> Result<Metadata> {
    let arch = architecture.name;
    let mut keys: Metadata = vec![
        ("general.architecture".into(), arch.into()),
        ("general.type".into(), "model".into()),
        ("general.name".into(), Value::Text(name(folder, config)?)),
    ];
    let mut add = |key: &str, value| keys.push((format!("{arch}.{key}"), value));
    add("vocab_size", Value::U32(sizes.vocabulary));
    add("block_count", Value::U32(sizes.layers));
    add("context_length", Value::U32(sizes.positions));
    add("embedding_length", Value::U32(sizes.hidden));
    add("feed_forward_length", Value::U32(sizes.feed_forward));
    add("attention.head_count", Value::U32(sizes.heads));
    let (key, epsilon) = architecture.epsilon;
    add(epsilon, Value::F32(config.needed_real(key)? as f32));
    if architecture.is_rotary {
        add("attention.head_count_kv", Value::U32(sizes.key_heads));
        if config.value("head_dim").is_some() {
            add("attention.key_length", Value::U32(sizes.head));
            add("attention.value_length", Value::U32(sizes.head));
        }
        add("rope.dimension_count", Value::U32(sizes.head));
        for (key, value) in rotation::metadata(config)? {
            add(&key, value);
        }
    } else {
        add("attention.causal", Value::Bool(false));
        if let Some(pooling) = pooling(folder)? {
            add("pooling_type", Value::U32(pooling));
        }
        let key = "tokenizer.ggml.token_type_count";
        keys.push((key.into(), Value::U32(sizes.token_types)));
    }
    Ok(keys)
}

/// What the model calls itself, else the folder's name.
fn name(folder: &Path, config: &Json) -> Result<String> {
    let whole = folder.canonicalize().map_err(|source| Error::Io {
        path: folder.to_owned(),
        source,
    })?;
    let own = config.text("_name_or_path")?.map(Path::new);
    let own = own.and_then(Path::file_name).or(whole.file_name());
    Ok(own.unwrap_or_default().to_string_lossy().into_owned())
}

/// How an encoder's outputs become one, as sentence-transformers say it; none where they do not.
fn pooling(folder: &Path) -> Result<Option<u32>> {
    #[derive(serde::Deserialize)]
    struct Stage {
        path: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let path = folder.join("modules.json");
    if !path.is_file() {
        return Ok(None);
    }
    let stages: Vec<Stage> = parse(&path)?;
    let Some(stage) = stages.iter().find(|stage| stage.kind.ends_with("Pooling")) else {
        return Ok(None);
    };
    let is_within = |part| matches!(part, Component::Normal(_));
    if !Path::new(&stage.path).components().all(is_within) {
        let error = Error::invalid("a stage's path", &stage.path, "within the folder");
        return Err(file::at(&path, error));
    }
    let json = Json::read(&folder.join(&stage.path), "config.json")?;
    for (key, number) in [
        ("pooling_mode_mean_tokens", 1),
        ("pooling_mode_cls_token", 2),
        ("pooling_mode_lasttoken", 3),
    ] {
        if json.flag(key)? == Some(true) {
            return Ok(Some(number));
        }
    }
    Err(json.refuse("the pooling", "another", "mean, cls or lasttoken"))
}
