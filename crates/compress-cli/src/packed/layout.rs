//! Which bytes of a type are alike.

use compress_core::Result;
use compress_core::kernels::block_format::BlockFormat;
use compress_format::container::Layout;
use compress_io::{Dtype, OpaqueBlock};

/// The layout of a type's elements.
pub(super) fn layout(dtype: Dtype) -> Result<Layout> {
    match dtype {
        Dtype::F16 | Dtype::BF16 => Layout::floats(2),
        Dtype::F32 | Dtype::C64 => Layout::floats(4),
        Dtype::F64 | Dtype::C128 => Layout::floats(8),
        Dtype::U16 | Dtype::I16 => Layout::integers(2),
        Dtype::U32 | Dtype::I32 => Layout::integers(4),
        Dtype::U64 | Dtype::I64 => Layout::integers(8),
        Dtype::Block(format) => Layout::runs(&runs(format)),
        // As long as a byte, or fields that are not known.
        _ => Layout::integers(1),
    }
}

/// The type that a label names.
pub(crate) fn dtype(label: &str) -> Result<Dtype> {
    let mut opaque = OpaqueBlock::ALL.into_iter().map(Dtype::Opaque);
    match opaque.find(|dtype| dtype.name() == label) {
        Some(dtype) => Ok(dtype),
        None => Dtype::by_name(label),
    }
}

/// The fields of a block, numbers of two bytes as two.
fn runs(format: BlockFormat) -> Vec<usize> {
    match format {
        BlockFormat::Q8_0 => vec![1, 1, 32],
        BlockFormat::Q4_0 | BlockFormat::IQ4_NL => vec![1, 1, 16],
        BlockFormat::Q4_1 => vec![1, 1, 1, 1, 16],
        BlockFormat::Q5_0 => vec![1, 1, 4, 16],
        BlockFormat::Q5_1 => vec![1, 1, 1, 1, 4, 16],
        BlockFormat::Q2_K => vec![16, 64, 1, 1, 1, 1],
        BlockFormat::Q3_K => vec![32, 64, 12, 1, 1],
        BlockFormat::Q4_K => vec![1, 1, 1, 1, 12, 128],
        BlockFormat::Q5_K => vec![1, 1, 1, 1, 12, 32, 128],
        BlockFormat::Q6_K => vec![128, 64, 16, 1, 1],
        BlockFormat::MXFP4 => vec![1, 16],
        // The others leave little: codes of codebooks and signs.
        other => vec![other.block_bytes()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_the_size_of_their_types() {
        for dtype in Dtype::all() {
            let size = layout(dtype).unwrap().size() as u64;
            let of_type = dtype.bytes(dtype.block_len()).unwrap();
            // Complex numbers are two elements.
            let parts = if matches!(dtype, Dtype::C64 | Dtype::C128) {
                2
            } else {
                1
            };
            assert_eq!(parts * size, of_type, "{dtype}");
        }
    }
}
