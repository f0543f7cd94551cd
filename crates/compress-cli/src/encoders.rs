//! Values as the bytes of a type.

use compress_core::kernels::quantize::blocks;
use compress_core::{Error, Result};
use compress_io::stream::{Encode, How, Piece};
use compress_io::{Dtype, TensorInfo, values};

/// Changes values before they are stored.
pub(crate) type Change<'a> = Box<dyn Fn(&Piece, &mut [f32]) -> Result<()> + Send + Sync + 'a>;

/// How the tensor `to` is made of `from`: a copy where nothing changes. `importance` has a value for
/// each column.
pub(crate) fn encoder<'a>(
    from: &TensorInfo,
    to: &TensorInfo,
    change: Option<Change<'a>>,
    importance: Option<&'a [f32]>,
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
    importance: Option<&'a [f32]>,
}

impl Encode for Encoder<'_> {
    fn encode(&self, piece: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        if let Some(change) = &self.change {
            change(piece, values)?;
        }
        let importance = self
            .importance
            .map(|all| match values.len() < piece.columns {
                // A part of a row.
                true => {
                    let start = piece.values.start % piece.columns;
                    all.get(start..start + values.len()).unwrap_or_default()
                }
                false => all,
            });
        store(&self.to, values, importance, bytes)
    }
}

/// Appends values as the type of a tensor. `importance` has a value for each column of a row.
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
    match importance {
        None => blocks::quantize_into(format, &to.name, values, &mut bytes[start..]),
        Some(importance) => {
            let to_bytes = &mut bytes[start..];
            blocks::quantize_weighted_into(format, &to.name, values, importance, to_bytes)
        }
    }
}
