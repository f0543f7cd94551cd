//! Values as the bytes of a type.

use compress_core::kernels::quantize::blocks;
use compress_core::{Error, Result};
use compress_io::stream::{Encode, How, Piece};
use compress_io::{ColumnWeights, Dtype, TensorInfo, values};

/// Changes values before they are stored.
pub(crate) type Change<'a> = Box<dyn Fn(&Piece, &mut [f32]) -> Result<()> + Send + Sync + 'a>;

/// How the tensor `to` is made of `from`: a copy where nothing changes.
pub(crate) fn encoder<'a>(
    from: &TensorInfo,
    to: &TensorInfo,
    change: Option<Change<'a>>,
    importance: Option<ColumnWeights<'a>>,
) -> How<'a> {
    match from.dtype == to.dtype && change.is_none() {
        true => How::Copy,
        false => How::Encode(Box::new(Encoder {
            to: to.clone(),
            change,
            importance,
        })),
    }
}

struct Encoder<'a> {
    to: TensorInfo,
    change: Option<Change<'a>>,
    importance: Option<ColumnWeights<'a>>,
}

impl Encode for Encoder<'_> {
    fn encode(&self, piece: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        if let Some(change) = &self.change {
            change(piece, values)?;
        }
        let Some(weights) = self.importance else {
            return store(&self.to, values, None, bytes);
        };
        if let Some(shared) = weights.shared()
            && values.len().is_multiple_of(weights.columns())
        {
            return store(&self.to, values, Some(shared), bytes);
        }
        // Rows of several experts, or a part of a row.
        let (columns, mut at, mut rest) = (weights.columns(), piece.values.start, &*values);
        while !rest.is_empty() {
            let (row, start) = (at / columns, at % columns);
            let (part, behind) = rest.split_at(rest.len().min(columns - start));
            let importance = &weights.row(row)[start..start + part.len()];
            store(&self.to, part, Some(importance), bytes)?;
            (at, rest) = (at + part.len(), behind);
        }
        Ok(())
    }
}

/// Appends values as the type of a tensor. `importance` has a value for each column of the rows that
/// they are.
pub(crate) fn store(
    to: &TensorInfo,
    values: &[f32],
    importance: Option<&[f32]>,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let Dtype::Block(format) = to.dtype else {
        return values::narrow_into(to.dtype, &to.name, values, bytes);
    };
    let start = bytes.len();
    let length = to.dtype.bytes(values.len()).ok_or_else(|| {
        let what = format!("the number of values of {}", to.name);
        Error::invalid(what, values.len(), format!("whole blocks of {}", to.dtype))
    })?;
    bytes.resize(start + length as usize, 0);
    let stored = &mut bytes[start..];
    match importance {
        None => blocks::quantize_into(format, &to.name, values, stored),
        Some(importance) => {
            blocks::quantize_weighted_into(format, &to.name, values, importance, stored)
        }
    }
}
