//! The numbers of ggml's types.

use compress_core::kernels::block_format::BlockFormat;

use crate::dtype::{Dtype, OpaqueBlock};

/// The types without blocks; those with blocks know their number.
const PLAIN: [(Dtype, u32); 8] = [
    (Dtype::F32, 0),
    (Dtype::F16, 1),
    (Dtype::I8, 24),
    (Dtype::I16, 25),
    (Dtype::I32, 26),
    (Dtype::I64, 27),
    (Dtype::F64, 28),
    (Dtype::BF16, 30),
];

/// The type of a number; none where it is unknown.
pub(super) fn dtype(number: u32) -> Option<Dtype> {
    let plain = PLAIN.iter().find(|(_, known)| *known == number);
    let block = || BlockFormat::of_ggml_type(number).map(Dtype::Block);
    let opaque = OpaqueBlock::ALL.into_iter();
    let opaque = opaque.filter(|format| format.ggml_type() == number);
    let plain = plain.map(|(dtype, _)| *dtype);
    plain.or_else(block).or(opaque.map(Dtype::Opaque).next())
}

/// The number of a type; none where ggml lacks it.
pub(super) fn number(dtype: Dtype) -> Option<u32> {
    match dtype {
        Dtype::Block(format) => Some(format.ggml_type().into()),
        Dtype::Opaque(format) => Some(format.ggml_type()),
        _ => PLAIN
            .iter()
            .find(|(known, _)| *known == dtype)
            .map(|(_, number)| *number),
    }
}

/// All types that can be written, comma separated.
pub(super) fn names() -> String {
    let known = Dtype::all().filter(|dtype| number(*dtype).is_some());
    known.map(Dtype::name).collect::<Vec<_>>().join(", ")
}

/// What is said of a tensor of an unknown type.
pub(super) fn unknown(tensor: &str, number: u32) -> String {
    format!("tensor {tensor} has ggml's type {number}, which is not known here")
}
