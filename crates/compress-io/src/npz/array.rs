//! One array: a header, then its values.

use std::borrow::Cow;
use std::io::Read;

use compress_core::{Error, Result};

use super::{literal, types};
use crate::dtype::{Dtype, TensorInfo};

/// The longest text of a header that is read, in bytes. numpy's own have some hundreds.
const MOST_TEXT: u32 = 1 << 16;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// What the header's length is a multiple of, in bytes, as numpy writes it.
const ALIGNMENT: usize = 64;

/// What the header of an array says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Bytes before the values.
    pub(super) length: usize,
    big_endian: bool,
    fortran_order: bool,
}

/// Reads a header, and not a byte more than it has.
pub(super) fn read(from: &mut dyn Read) -> Result<Header> {
    let mut start = [0; 8];
    exactly(from, &mut start, 0)?;
    let (magic, version) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(error(0, "an array begins with \\x93NUMPY"));
    }
    let (text_at, length) = match version {
        [1, 0] => {
            let mut length = [0; 2];
            exactly(from, &mut length, 8)?;
            (10, u32::from(u16::from_le_bytes(length)))
        }
        [2 | 3, 0] => {
            let mut length = [0; 4];
            exactly(from, &mut length, 8)?;
            (12, u32::from_le_bytes(length))
        }
        _ => {
            let reason = format!("the version is {version:?}, but 1.0, 2.0 and 3.0 are read");
            return Err(error(6, reason));
        }
    };
    if length > MOST_TEXT {
        let reason = format!("the header's text has {length} bytes, {MOST_TEXT} are read");
        return Err(error(text_at, reason));
    }
    let mut text = Vec::new();
    let read = from.take(length.into()).read_to_end(&mut text);
    read.map_err(Error::other)?;
    if text.len() as u64 != u64::from(length) {
        let reason = format!(
            "the header's text has {length} bytes, {} are there",
            text.len()
        );
        return Err(error(text_at, reason));
    }
    let text =
        str::from_utf8(&text).map_err(|_| error(text_at, "the header's text is not UTF-8"))?;
    let said = literal::parse(text)?;
    let (dtype, big_endian) = types::read(&said.descr)?;
    Ok(Header {
        dtype,
        shape: said.shape,
        length: text_at + text.len(),
        big_endian,
        fortran_order: said.fortran_order,
    })
}

fn exactly(from: &mut dyn Read, to: &mut [u8], offset: usize) -> Result<()> {
    let read = from.read_exact(to);
    read.map_err(|_| error(offset, "the array ends within its header"))
}

fn error(offset: usize, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::Format { offset, reason }
}

impl Header {
    /// The tensor of this header, in `whole` bytes.
    pub(super) fn info(&self, name: String, whole: u64) -> Result<TensorInfo> {
        let info = TensorInfo::new(name, self.dtype, self.shape.clone());
        let expected = info.bytes()?.checked_add(self.length as u64);
        match expected {
            Some(expected) if expected == whole => Ok(info),
            _ => {
                let what = format!("the number of bytes of the array {}", info.name);
                let expected = format!("{} with its header of {}", info.bytes()?, self.length);
                Err(Error::invalid(what, whole, expected))
            }
        }
    }

    /// The values of an array, little-endian and row-major.
    pub(super) fn values<'a>(&self, array: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let start = self.length.min(array.len());
        let mut values = match array {
            Cow::Borrowed(array) => Cow::Borrowed(&array[start..]),
            Cow::Owned(mut array) => {
                array.drain(..start);
                Cow::Owned(array)
            }
        };
        let width = self.dtype.bytes(1).unwrap_or(1) as usize;
        if self.big_endian && width > 1 {
            // A complex number is two of half the width.
            let part = if matches!(self.dtype, Dtype::C64 | Dtype::C128) {
                width / 2
            } else {
                width
            };
            values
                .to_mut()
                .chunks_exact_mut(part)
                .for_each(<[u8]>::reverse);
        }
        if self.fortran_order && self.shape.len() > 1 {
            values = Cow::Owned(row_major(&values, &self.shape, width));
        }
        values
    }
}

/// Column-major values in row-major order.
fn row_major(values: &[u8], shape: &[usize], width: usize) -> Vec<u8> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = width;
    for length in shape {
        strides.push(stride);
        stride = stride.saturating_mul(*length);
    }
    let mut to = Vec::with_capacity(values.len());
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    while to.len() < values.len() {
        to.extend(&values[at..at + width]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= index[axis] * strides[axis];
            index[axis] = 0;
        }
    }
    to
}

/// The header of a tensor, as numpy writes it.
pub(super) fn header(info: &TensorInfo) -> Result<Vec<u8>> {
    let descr = types::write(info.dtype, &info.name)?;
    let lengths: Vec<String> = info.shape.iter().map(usize::to_string).collect();
    let shape = match lengths.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", lengths.join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let before = MAGIC.len() + 2 + 2;
    let whole = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', whole - before - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| {
        let what = format!("the number of axes of {}", info.name);
        Error::invalid(what, info.shape.len(), "at most 64, as numpy has them")
    })?;
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend(length.to_le_bytes());
    header.extend(text.as_bytes());
    Ok(header)
}
