//! The numbers of ggml's types.

use compress_core::kernels::block_format::BlockFormat;

use crate::dtype::Dtype;

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
    let block = || BlockFormat::ALL.into_iter().find(|f| block(*f) == number);
    plain
        .map(|(dtype, _)| *dtype)
        .or_else(|| block().map(Dtype::Block))
}

/// The number of a type; none where ggml lacks it.
pub(super) fn number(dtype: Dtype) -> Option<u32> {
    match dtype {
        Dtype::Block(format) => Some(block(format)),
        _ => PLAIN
            .iter()
            .find(|(known, _)| *known == dtype)
            .map(|(_, number)| *number),
    }
}

fn block(format: BlockFormat) -> u32 {
    match format {
        BlockFormat::Q4_0 => 2,
        BlockFormat::Q8_0 => 8,
        BlockFormat::Q4_K => 12,
        BlockFormat::Q6_K => 14,
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
