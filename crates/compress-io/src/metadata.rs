//! What a file says beside its tensors.

use std::collections::HashSet;
use std::fmt;

use compress_core::{Error, Result};

/// Keys and values, in the order of the file.
pub type Metadata = Vec<(String, Value)>;

/// The value of a key. safetensors has texts alone; GGUF has all.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is named after its type")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    U64(u64),
    I64(i64),
    F64(f64),
    List(List),
}

/// A list of values of one type. Those that tokenizers have by the hundred thousand are kept plain.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is named after its type")]
pub enum List {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    Text(Vec<String>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    List(Vec<List>),
}

/// The value of a key.
pub fn get<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a Value> {
    let found = metadata.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

/// Fails where a key is there twice, as no reader takes it.
pub(crate) fn check(metadata: &Metadata) -> Result<()> {
    let mut keys = HashSet::new();
    match metadata.iter().find(|(key, _)| !keys.insert(key)) {
        None => Ok(()),
        Some((key, _)) => Err(Error::invalid("a key of the metadata", key, "there once")),
    }
}

/// That a key is needed but not there.
pub(crate) fn missing(key: impl std::fmt::Display) -> Error {
    Error::invalid(format!("the metadata's {key}"), "missing", "there")
}

/// Sets the value of a key: where it stands, or behind all others.
pub fn set(metadata: &mut Metadata, key: &str, value: Value) {
    match metadata.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => metadata.push((key.to_owned(), value)),
    }
}

impl Value {
    /// A text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative, of any of the types for them.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(v) => Some(v.into()),
            Value::U16(v) => Some(v.into()),
            Value::U32(v) => Some(v.into()),
            Value::U64(v) => Some(v),
            Value::I8(v) => v.try_into().ok(),
            Value::I16(v) => v.try_into().ok(),
            Value::I32(v) => v.try_into().ok(),
            Value::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

/// Numbers as they are, texts without quotes, lists as their first values and their length.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::U8(v) => v.fmt(f),
            Value::I8(v) => v.fmt(f),
            Value::U16(v) => v.fmt(f),
            Value::I16(v) => v.fmt(f),
            Value::U32(v) => v.fmt(f),
            Value::I32(v) => v.fmt(f),
            Value::F32(v) => v.fmt(f),
            Value::Bool(v) => v.fmt(f),
            Value::Text(v) => v.fmt(f),
            Value::U64(v) => v.fmt(f),
            Value::I64(v) => v.fmt(f),
            Value::F64(v) => v.fmt(f),
            Value::List(list) => list.fmt(f),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn show<T>(
            f: &mut fmt::Formatter<'_>,
            values: &[T],
            text: impl Fn(&T) -> String,
        ) -> fmt::Result {
            const SHOWN: usize = 4;
            let first: Vec<String> = values.iter().take(SHOWN).map(text).collect();
            match values.len() {
                0..=SHOWN => write!(f, "[{}]", first.join(", ")),
                n => write!(f, "[{}, …] ({n} values)", first.join(", ")),
            }
        }
        match self {
            List::U8(v) => show(f, v, u8::to_string),
            List::I8(v) => show(f, v, i8::to_string),
            List::U16(v) => show(f, v, u16::to_string),
            List::I16(v) => show(f, v, i16::to_string),
            List::U32(v) => show(f, v, u32::to_string),
            List::I32(v) => show(f, v, i32::to_string),
            List::F32(v) => show(f, v, f32::to_string),
            List::Bool(v) => show(f, v, bool::to_string),
            List::Text(v) => show(f, v, |text| format!("{text:?}")),
            List::U64(v) => show(f, v, u64::to_string),
            List::I64(v) => show(f, v, i64::to_string),
            List::F64(v) => show(f, v, f64::to_string),
            List::List(v) => show(f, v, List::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_where_it_stands() {
        let mut metadata = vec![("a".to_owned(), Value::U8(1)), ("b".into(), "x".into())];
        set(&mut metadata, "a", Value::Bool(true));
        set(&mut metadata, "c", Value::I32(-1));
        let shown: Vec<String> = metadata.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["a=true", "b=x", "c=-1"]);
        assert_eq!(get(&metadata, "c").and_then(Value::as_u64), None);
        let list = Value::List(List::U8(vec![1, 2, 3, 4, 5]));
        assert_eq!(list.to_string(), "[1, 2, 3, 4, …] (5 values)");
    }
}
