//! The header of a safetensors file: JSON that names each tensor, its type, its shape and where its
//! bytes are.

use std::collections::HashSet;
use std::fmt;

use compress_core::{Error, Result};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::dtype::{Dtype, TensorInfo};
use crate::metadata::{Metadata, Value};

/// The longest header that readers take, in bytes.
const MOST: u64 = 100_000_000;

/// The key that is no tensor.
const METADATA: &str = "__metadata__";

/// How the types are spelled.
const DTYPES: [(Dtype, &str); 22] = [
    (Dtype::Bool, "BOOL"),
    (Dtype::F4E2M1, "F4"),
    (Dtype::F6E2M3, "F6_E2M3"),
    (Dtype::F6E3M2, "F6_E3M2"),
    (Dtype::U8, "U8"),
    (Dtype::I8, "I8"),
    (Dtype::F8E5M2, "F8_E5M2"),
    (Dtype::F8E4M3, "F8_E4M3"),
    (Dtype::F8E8M0, "F8_E8M0"),
    (Dtype::F8E4M3Fnuz, "F8_E4M3FNUZ"),
    (Dtype::F8E5M2Fnuz, "F8_E5M2FNUZ"),
    (Dtype::I16, "I16"),
    (Dtype::U16, "U16"),
    (Dtype::F16, "F16"),
    (Dtype::BF16, "BF16"),
    (Dtype::I32, "I32"),
    (Dtype::U32, "U32"),
    (Dtype::F32, "F32"),
    (Dtype::C64, "C64"),
    (Dtype::F64, "F64"),
    (Dtype::I64, "I64"),
    (Dtype::U64, "U64"),
];

/// Whether the format has a type.
pub(crate) fn holds(dtype: Dtype) -> bool {
    DTYPES.iter().any(|(known, _)| *known == dtype)
}

/// A header that was read.
#[derive(Debug)]
pub(super) struct Header {
    /// In the order of their bytes.
    pub(super) tensors: Vec<TensorInfo>,
    /// Where the bytes of each begin, from the beginning of the file.
    pub(super) offsets: Vec<usize>,
    pub(super) metadata: Metadata,
}

/// A tensor as the JSON has it.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Reads and checks the header of the file `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Header> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        let reason = "a safetensors file begins with 8 bytes, the length of its header";
        return Err(error(bytes.len(), reason));
    };
    let length = u64::from_le_bytes(*length);
    if length > MOST || length > rest.len() as u64 {
        let reason = format!(
            "the header has {length} bytes, the file {} more and readers take {MOST}",
            rest.len()
        );
        return Err(error(0, reason));
    }
    let (json, data) = rest.split_at(length as usize);
    if json.first() != Some(&b'{') {
        return Err(error(8, "the header is JSON and begins with {"));
    }
    let parsed: Parsed = serde_json::from_slice(json).map_err(|e| error(8, e.to_string()))?;
    let start = 8 + length as usize;
    let mut entries = parsed.tensors;
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut header = Header {
        tensors: Vec::with_capacity(entries.len()),
        offsets: Vec::with_capacity(entries.len()),
        metadata: parsed.metadata,
    };
    let mut end = 0;
    for (name, entry) in entries {
        let dtype = DTYPES.iter().find(|(_, spelled)| *spelled == entry.dtype);
        let Some(&(dtype, _)) = dtype else {
            let reason = format!("tensor {name} has the unknown type {:?}", entry.dtype);
            return Err(error(8, reason));
        };
        let info = TensorInfo::new(name, dtype, entry.shape);
        let (from, to) = entry.data_offsets;
        if from != end || from.checked_add(bytes_of(&info)?) != Some(to) {
            let reason = format!(
                "the bytes of tensor {} are {from}..{to}, but {} of {:?} begin at {end}",
                info.name, info.dtype, info.shape
            );
            return Err(error(8, reason));
        }
        if to > data.len() as u64 {
            let reason = format!("tensor {} ends at {to}: the file is cut off", info.name);
            return Err(error(bytes.len(), reason));
        }
        header.offsets.push(start + from as usize);
        header.tensors.push(info);
        end = to;
    }
    if end != data.len() as u64 {
        let reason = format!(
            "the tensors end at byte {end} of the data, the file at {}",
            data.len()
        );
        return Err(error(bytes.len(), reason));
    }
    Ok(header)
}

/// The bytes of a tensor. Those of less than a byte must fill their last one.
fn bytes_of(info: &TensorInfo) -> Result<u64> {
    let bytes = info.bytes()?;
    let bits = info.dtype.bits_per_weight() as u128 * info.values() as u128;
    match bits == 8 * u128::from(bytes) {
        true => Ok(bytes),
        false => {
            let what = format!("the number of values of {}", info.name);
            Err(Error::invalid(
                what,
                info.values(),
                "such that they fill whole bytes",
            ))
        }
    }
}

/// The header of a file with these tensors, one after the other, padded to whole words of 8 bytes;
/// its length included.
pub(super) fn write(tensors: &[TensorInfo], metadata: &[(String, String)]) -> Result<Vec<u8>> {
    let mut names = HashSet::from([METADATA]);
    let mut entries = Vec::with_capacity(tensors.len());
    let mut end = 0_u64;
    for info in tensors {
        let spelled = DTYPES.iter().find(|(dtype, _)| *dtype == info.dtype);
        let Some((_, spelled)) = spelled else {
            let what = format!("the type of {}", info.name);
            return Err(Error::invalid(what, info.dtype, "one that safetensors has"));
        };
        let from = end;
        end = from.saturating_add(bytes_of(info)?);
        let entry = Entry {
            dtype: (*spelled).to_owned(),
            shape: info.shape.clone(),
            data_offsets: (from, end),
        };
        if !names.insert(&info.name) {
            let what = "the name of a tensor";
            return Err(Error::invalid(what, &info.name, "one that no other has"));
        }
        entries.push((info.name.as_str(), entry));
    }
    let mut text = serde_json::to_vec(&Json { metadata, entries }).map_err(Error::other)?;
    // The data begins at a multiple of 8, for readers that map it.
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() as u64 > MOST {
        let what = "the length of the header";
        return Err(Error::invalid(what, text.len(), format!("at most {MOST}")));
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    Ok(bytes)
}

/// The JSON that is written, in its order.
struct Json<'a> {
    metadata: &'a [(String, String)],
    entries: Vec<(&'a str, Entry)>,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        struct Texts<'a>(&'a [(String, String)]);
        impl Serialize for Texts<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_map(self.0.iter().map(|(key, text)| (key, text)))
            }
        }
        let mut map = to.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA, &Texts(self.metadata))?;
        }
        for (name, entry) in &self.entries {
            map.serialize_entry(name, entry)?;
        }
        map.end()
    }
}

fn error(offset: usize, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::Format { offset, reason }
}

/// The JSON, in its order, without a key twice.
struct Parsed {
    tensors: Vec<(String, Entry)>,
    metadata: Metadata,
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Parsed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that names tensors")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Parsed, A::Error> {
                let (mut names, mut parsed) = (
                    HashSet::new(),
                    Parsed {
                        tensors: Vec::new(),
                        metadata: Vec::new(),
                    },
                );
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("{name:?} is there twice")));
                    }
                    match name == METADATA {
                        true => parsed.metadata = map.next_value::<Texts>()?.0,
                        false => {
                            let entry = map.next_value()?;
                            parsed.tensors.push((name, entry));
                        }
                    }
                }
                Ok(parsed)
            }
        }
        from.deserialize_map(Tensors)
    }
}

/// An object of texts, in its order.
struct Texts(Metadata);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Texts, A::Error> {
                let (mut keys, mut pairs) = (HashSet::new(), Metadata::new());
                while let Some((key, text)) = map.next_entry::<String, String>()? {
                    if !keys.insert(key.clone()) {
                        return Err(A::Error::custom(format!("{key:?} is there twice")));
                    }
                    pairs.push((key, Value::Text(text)));
                }
                Ok(Texts(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}
