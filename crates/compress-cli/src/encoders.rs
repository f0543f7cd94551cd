//! Values as the bytes of a type.

use compress_core::kernels::quantize::blocks;
use compress_core::{Error, Result};
use compress_io::stream::{Encode, How, Piece};
use compress_io::{Dtype, TensorInfo, values};

/// Changes values before they are stored.
pub(crate) type Change<'a> = Box<dyn Fn(&Piece, &mut [f32]) -> Result<()> + Send + Sync + 'a>;

/// How the tensor `to` is made of `from`: a copy where nothing changes.
pub(crate) fn encoder<'a>(
    from: &TensorInfo,
    to: &TensorInfo,
    change: Option<Change<'a>>,
) -> How<'a> {
    match from.dtype == to.dtype && change.is_none() {
        true => How::Copy,
        false => How::Encode(Box::new(Encoder {
            to: to.clone(),
            change,
        })),
    }
}

struct Encoder<'a> {
    to: TensorInfo,
    change: Option<Change<'a>>,
}

impl Encode for Encoder<'_> {
    fn encode(&self, piece: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        if let Some(change) = &self.change {
            change(piece, values)?;
        }
        store(&self.to, values, bytes)
    }
}

/// Appends values as the type of a tensor.
pub(crate) fn store(to: &TensorInfo, values: &[f32], bytes: &mut Vec<u8>) -> Result<()> {
    let Dtype::Block(format) = to.dtype else {
        return values::narrow_into(to.dtype, &to.name, values, bytes);
    };
    let start = bytes.len();
    let length = to.dtype.bytes(values.len()).ok_or_else(|| {
        let what = format!("the number of values of {}", to.name);
        Error::invalid(what, values.len(), format!("whole blocks of {}", to.dtype))
    })?;
    bytes.resize(start + length as usize, 0);
    blocks::quantize_into(format, &to.name, values, &mut bytes[start..])
}
