//! Codes of 4 bits as receivers read them.

use crate::onnx::quantize::Layout;
use crate::onnx::uses::Axes;

/// Two codes in a byte, the first in the lower bits, as ONNX's `INT4` has them.
pub(super) fn nibbles(codes: &[i8]) -> Vec<u8> {
    let pairs = codes.chunks(2).map(|pair| {
        let high = pair.get(1).copied().unwrap_or(0);
        pair[0] as u8 & 0xf | (high as u8) << 4
    });
    pairs.collect()
}

/// What stands for zero in `MatMulNBits` without zero points.
const ZERO: i8 = 8;

/// Codes of a matrix as `MatMulNBits` has them: for each output its inputs, in blocks of whole bytes.
/// What is missing of the last block is zero.
pub(super) fn product(layout: &Layout, axes: Axes, codes: &[i8]) -> Vec<u8> {
    let (outputs, inputs) = (layout.shape()[axes.outputs], layout.shape()[axes.inputs]);
    let block = layout.block().unwrap_or(1);
    let padded = inputs.div_ceil(block) * block;
    let mut bytes = Vec::with_capacity(outputs * padded / 2);
    for output in 0..outputs {
        let code = |input: usize| match input < inputs {
            true => (codes[place(layout, axes, output, input)] + ZERO) as u8,
            false => ZERO as u8,
        };
        bytes.extend(
            (0..padded)
                .step_by(2)
                .map(|input| code(input) | code(input + 1) << 4),
        );
    }
    bytes
}

/// Scales of a matrix as `MatMulNBits` has them: for each output those of its blocks.
pub(super) fn product_scales(layout: &Layout, axes: Axes, scales: &[f32]) -> Vec<u8> {
    let (outputs, inputs) = (layout.shape()[axes.outputs], layout.shape()[axes.inputs]);
    let block = layout.block().unwrap_or(1);
    let mut bytes = Vec::with_capacity(4 * scales.len());
    for output in 0..outputs {
        for input in (0..inputs).step_by(block) {
            let scale = scales[layout.scale_of(place(layout, axes, output, input))];
            bytes.extend(scale.to_le_bytes());
        }
    }
    bytes
}

/// Where a value of a matrix is, which is stored with either axis first.
fn place(layout: &Layout, axes: Axes, output: usize, input: usize) -> usize {
    match axes.outputs {
        0 => output * layout.shape()[1] + input,
        _ => input * layout.shape()[1] + output,
    }
}
