//! A tensor: its type, its shape and its values.

use compress_core::{Error, Result};

use super::proto::{self, entry, tensor};
use super::wire::{self, Message, Value};
use crate::dtype::{Dtype, TensorInfo};

/// The most axes of a tensor: as many as NumPy has.
const MOST_AXES: usize = 64;

/// Where the values of a tensor are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// At this byte of the model's file.
    Raw(usize),
    /// In fields of their own type.
    Typed,
    /// In another file.
    External(Place),
}

/// A place in another file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) location: String,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

/// What a tensor says of itself, under a name given to it, and where its values are. None for texts
/// and for types that are not known here.
///
/// # Errors
/// Names the tensor: where its shape is none, or its values are not so many.
pub(super) fn read(message: &Message<'_>, name: String) -> Result<Option<(TensorInfo, Data)>> {
    let Some(dtype) = proto::dtype(message.varint(tensor::TYPE).unwrap_or(0)) else {
        return Ok(None);
    };
    let refuse = |reason: String| message.error(format!("tensor {name} {reason}"));
    let dims = proto::numbers(message, tensor::DIMS)?;
    if dims.len() > MOST_AXES {
        return Err(refuse(format!(
            "has {} axes, more than {MOST_AXES}",
            dims.len()
        )));
    }
    let mut shape = Vec::new();
    for dim in dims {
        let dim = usize::try_from(dim).map_err(|_| refuse(format!("has dimension {dim}")))?;
        shape.push(dim);
    }
    if message.all(tensor::SEGMENT).next().is_some() {
        return Err(refuse(
            "is a segment of a larger one, which nothing reads".into(),
        ));
    }
    let info = TensorInfo::new(name.clone(), dtype, shape);
    let bytes = info.bytes()?;
    let data = match (message.varint(tensor::LOCATION), message.last(tensor::RAW)) {
        (Some(1), _) => Data::External(external(message, &name)?),
        (_, Some(raw)) if raw.len() as u64 == bytes => Data::Raw(message.place(raw)),
        (_, Some(raw)) => {
            return Err(refuse(format!(
                "has {} bytes, its shape {bytes}",
                raw.len()
            )));
        }
        (_, None) => {
            // Counted, not converted.
            let mut typed = 0;
            each(message, dtype, &mut |value| typed += value.len() as u64)?;
            if is_six_bits(dtype) {
                typed = (typed * 6).div_ceil(8);
            }
            if typed != bytes {
                return Err(refuse(format!(
                    "has {typed} bytes of values, its shape {bytes}"
                )));
            }
            Data::Typed
        }
    };
    Ok(Some((info, data)))
}

/// The values of a tensor that has them in fields of their own type, as raw bytes. They were
/// counted by [`read`].
pub(super) fn typed_bytes(message: &Message<'_>, info: &TensorInfo) -> Result<Vec<u8>> {
    let length = usize::try_from(info.bytes()?).map_err(Error::other)?;
    let mut bytes = Vec::with_capacity(length);
    if is_six_bits(info.dtype) {
        let (mut bits, mut count) = (0_u32, 0);
        each(message, info.dtype, &mut |value| {
            bits |= u32::from(value[0] & 0x3f) << count;
            count += 6;
            if count >= 8 {
                bytes.push(bits as u8);
                (bits, count) = (bits >> 8, count - 8);
            }
        })?;
        bytes.extend((count > 0).then_some(bits as u8));
    } else {
        each(message, info.dtype, &mut |value| bytes.extend(value))?;
    }
    Ok(bytes)
}

/// Whether each value has a field's number to itself, but not a byte among raw ones: four are in
/// three bytes, the first in the lowest bits.
fn is_six_bits(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F6E2M3 | Dtype::F6E3M2)
}

/// Shows the bytes of each value. Types of less than 32 bits stand in the lower bits of an `int32`,
/// two of 4 bits in a byte.
fn each(message: &Message<'_>, dtype: Dtype, see: &mut dyn FnMut(&[u8])) -> Result<()> {
    let (field, width) = match dtype {
        Dtype::F32 | Dtype::C64 => (tensor::FLOATS, 4),
        Dtype::F64 | Dtype::C128 => (tensor::DOUBLES, 8),
        Dtype::I64 => (tensor::INT64S, 8),
        Dtype::U64 => (tensor::UINT64S, 8),
        Dtype::U32 => (tensor::UINT64S, 4),
        Dtype::I32 => (tensor::INT32S, 4),
        Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::BF16 => (tensor::INT32S, 2),
        Dtype::Block(_) | Dtype::Opaque(_) => return Ok(()),
        _ => (tensor::INT32S, 1),
    };
    let is_varint = !matches!(field, tensor::FLOATS | tensor::DOUBLES);
    for value in message.all(field) {
        match value {
            Value::Varint(value) if is_varint => see(&value.to_le_bytes()[..width]),
            Value::Bytes(packed) if is_varint => {
                for value in wire::varints(packed, message.place(packed)) {
                    see(&value?.to_le_bytes()[..width]);
                }
            }
            Value::Bytes(packed) => see(packed),
            Value::Fixed32(value) if width == 4 => see(&value),
            Value::Fixed64(value) if width == 8 => see(&value),
            _ => {}
        }
    }
    Ok(())
}

/// Where the values are that another file has.
fn external(message: &Message<'_>, name: &str) -> Result<Place> {
    let refuse = |reason: String| message.error(format!("tensor {name} {reason}"));
    let mut place = Place {
        location: String::new(),
        offset: 0,
        length: None,
    };
    for pair in message.messages(tensor::EXTERNAL) {
        let pair = pair?;
        let value = pair.text(entry::VALUE, "a place of external data")?;
        let number = |key: &str| {
            let parsed = value.parse::<u64>();
            parsed.map_err(|_| refuse(format!("has external data of {key} {value:?}")))
        };
        match pair.last(entry::KEY).unwrap_or_default() {
            b"location" => value.clone_into(&mut place.location),
            b"offset" => place.offset = number("offset")?,
            b"length" => place.length = Some(number("length")?),
            _ => {}
        }
    }
    match place.location.is_empty() {
        true => Err(refuse("has external data without a location".into())),
        false => Ok(place),
    }
}
