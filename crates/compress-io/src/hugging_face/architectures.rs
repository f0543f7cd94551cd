//! The architectures that are known.

use compress_core::{Error, Result};

use super::architecture::Architecture;
use super::folder::Json;
use super::{bert, llama, qwen2};

/// All of them.
const ARCHITECTURES: [&Architecture; 3] = [&llama::LLAMA, &qwen2::QWEN2, &bert::BERT];

/// The architecture of this name in GGUF.
pub(super) fn by_name(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.into_iter().find(|known| known.name == name)
}

/// The architecture that `config.json` names.
pub(super) fn of(config: &Json) -> Result<&'static Architecture> {
    let unknown = |what, name: &str, known: Vec<&str>| Error::UnknownName {
        what,
        name: name.to_owned(),
        known: known.join(", "),
    };
    let kind = config.text("model_type")?;
    let kind = kind.ok_or_else(|| config.refuse("model_type", "missing", "a text"))?;
    let found = by_name(kind).ok_or_else(|| {
        let known = ARCHITECTURES.into_iter().map(|known| known.name).collect();
        unknown("architecture", kind, known)
    })?;
    let classes = config
        .value("architectures")
        .and_then(|list| list.as_array());
    for class in classes.into_iter().flatten() {
        let class = class.as_str().unwrap_or_default();
        if !found.classes.contains(&class) {
            return Err(unknown(
                "class of this architecture",
                class,
                found.classes.to_vec(),
            ));
        }
    }
    let activation = config.text("hidden_act")?.unwrap_or(found.activations[0]);
    if !found.activations.contains(&activation) {
        let expected = format!("{} in {}", found.activations.join(" or "), found.name);
        return Err(config.refuse("hidden_act", activation, expected));
    }
    Ok(found)
}
