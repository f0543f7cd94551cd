//! Blocks in ggml's formats, and back.
//!
//! A tensor whose rows hold whole blocks is one stream of them, so its shape does not matter here,
//! unless columns count differently.
//!
//! All formats are read as ggml reads them, bit for bit. `Q8_0`, `Q4_0`, `Q4_1`, `Q5_0` and `Q5_1`
//! are written, byte for byte, as ggml's reference writes them, except where ggml divides by a scale
//! so small that the quotient overflows; and so is `Q6_K` where the scales are normal halves. The
//! other formats, and all but `Q8_0` where columns have weights, are searches of their own: for the
//! least sum of squared errors, each times the importance of its column.
//!
//! # Speed
//!
//! The floor is to read the weights and to write the blocks: 1.6 ms for 4096×4096 on a thread of a
//! Zen 5. The formats that are ggml's byte for byte are near it, at 4 to 6 ms, because 16 blocks go
//! through vectors side by side: squares of values are turned, a lane is a block, and codes are put
//! together in lanes before they are turned back. So no step is horizontal, and a division or a
//! conversion to half precision serves 16 blocks. Two things in inner loops are slow, and avoided:
//! closures and iterator adapters, which may be compiled as calls without the level's instructions;
//! and sums that are chosen by index, which go through memory.

mod affine;
mod bytes;
mod dispatch;
mod fp4;
mod groups;
mod importance;
mod iq;
mod iq4;
mod lanes;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod reading;
mod scaled;
mod ternary;
#[cfg(test)]
mod tests;
mod with_minimum;
mod without_minimum;

use rayon::prelude::*;

use importance::Importance;

use crate::isa::Isa;
use crate::kernels::block_format::BlockFormat;
use crate::kernels::half;
use crate::{Error, Result};

/// Values that a thread takes at once: whole blocks of each format, and a whole number of the
/// 16 groups that the search for `Q4_K` runs over at once.
const LEAF: usize = 1 << 14;

/// Writes the blocks of `values`.
///
/// # Errors
/// Where the format cannot be written, `values` are not whole blocks, `bytes` are not as many as
/// those take, a value is NaN or infinite (the error names `what` and gives the position), or is so
/// large that a block's scale is beyond half precision.
pub fn quantize_into(
    format: BlockFormat,
    what: &str,
    values: &[f32],
    bytes: &mut [u8],
) -> Result<()> {
    quantize_into_at(Isa::active()?, format, what, values, None, bytes)
}

/// As [`quantize_into`], where the squared error of a value in column j counts `importance[j]`. A
/// row has as many values as there are weights.
///
/// # Errors
/// As [`quantize_into`]; where `importance` is negative or not finite somewhere, is not whole
/// blocks, or is not the length of whole rows.
///
/// ```
/// use compress_core::kernels::block_format::BlockFormat;
/// use compress_core::kernels::quantize::blocks::{dequantize, quantize_weighted_into};
/// let values: Vec<f32> = (0..64).map(|i| (i * 7 % 31) as f32 - 13.0).collect();
/// // Two rows of 32 columns, of which the first counts the most.
/// let importance: Vec<f32> = (0..32).map(|j| if j == 0 { 1e3 } else { 1.0 }).collect();
/// let mut bytes = [0; 2 * 18];
/// quantize_weighted_into(BlockFormat::Q4_0, "w", &values, &importance, &mut bytes)?;
/// let found = dequantize(BlockFormat::Q4_0, "w", &bytes)?;
/// assert!((found[0] - values[0]).abs() < 0.02 && (found[32] - values[32]).abs() < 0.02);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn quantize_weighted_into(
    format: BlockFormat,
    what: &str,
    values: &[f32],
    importance: &[f32],
    bytes: &mut [u8],
) -> Result<()> {
    quantize_into_at(
        Isa::active()?,
        format,
        what,
        values,
        Some(importance),
        bytes,
    )
}

/// As [`quantize_weighted_into`], at a given level; without importance as [`quantize_into`].
///
/// # Errors
/// As [`quantize_weighted_into`].
pub fn quantize_into_at(
    isa: Isa,
    format: BlockFormat,
    what: &str,
    values: &[f32],
    importance: Option<&[f32]>,
    bytes: &mut [u8],
) -> Result<()> {
    check(format, what, values.len(), bytes.len())?;
    let columns = match importance {
        Some(importance) => Importance::scaled(format, what, values.len(), importance)?,
        None => None,
    };
    let importance = Importance::new(columns.as_deref());
    let Some(writer) = dispatch::writer(format, importance) else {
        return Err(not_written(format, what));
    };
    let leaf_bytes = LEAF / format.block_len() * format.block_bytes();
    let leaves = bytes
        .par_chunks_mut(leaf_bytes)
        .zip(values.par_chunks(LEAF))
        .enumerate();
    let fine = leaves
        .map(|(i, (bytes, values))| writer.write(isa, values, importance.from(i * LEAF), bytes));
    if fine.reduce(|| true, |a, b| a && b) {
        return Ok(());
    }
    Err(refusal(format, what, values, bytes))
}

/// As [`quantize_into`], into new memory.
///
/// # Errors
/// As [`quantize_into`].
///
/// ```
/// use compress_core::kernels::block_format::BlockFormat;
/// use compress_core::kernels::quantize::blocks::{dequantize, quantize};
/// let values: Vec<f32> = (0..32).map(|i| i as f32 - 20.0).collect();
/// let bytes = quantize(BlockFormat::Q8_0, "w", &values)?;
/// assert_eq!(bytes.len(), 34);
/// assert_eq!(dequantize(BlockFormat::Q8_0, "w", &bytes)?[20], 0.0);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn quantize(format: BlockFormat, what: &str, values: &[f32]) -> Result<Vec<u8>> {
    let blocks = values.len().div_ceil(format.block_len());
    let mut bytes = vec![0; blocks * format.block_bytes()];
    quantize_into(format, what, values, &mut bytes)?;
    Ok(bytes)
}

/// Writes the values that blocks stand for. Scales are taken as they are: a block of any bytes
/// has values, though they need not be finite.
///
/// # Errors
/// Where `values` are not whole blocks, or `bytes` are not as many as those take.
pub fn dequantize_into(
    format: BlockFormat,
    what: &str,
    bytes: &[u8],
    values: &mut [f32],
) -> Result<()> {
    dequantize_into_at(Isa::active()?, format, what, bytes, values)
}

/// As [`dequantize_into`], at a given level.
///
/// # Errors
/// As [`dequantize_into`].
pub fn dequantize_into_at(
    isa: Isa,
    format: BlockFormat,
    what: &str,
    bytes: &[u8],
    values: &mut [f32],
) -> Result<()> {
    check(format, what, values.len(), bytes.len())?;
    let read = reading::reader(format);
    let leaf_bytes = LEAF / format.block_len() * format.block_bytes();
    let leaves = values
        .par_chunks_mut(LEAF)
        .zip(bytes.par_chunks(leaf_bytes));
    leaves.for_each(|(values, bytes)| read(isa, bytes, values));
    Ok(())
}

/// As [`dequantize_into`], into new memory.
///
/// # Errors
/// Where `bytes` are not whole blocks.
pub fn dequantize(format: BlockFormat, what: &str, bytes: &[u8]) -> Result<Vec<f32>> {
    let mut values = vec![0.0; bytes.len() / format.block_bytes() * format.block_len()];
    dequantize_into(format, what, bytes, &mut values)?;
    Ok(values)
}

fn check(format: BlockFormat, what: &str, values: usize, bytes: usize) -> Result<()> {
    let Some(expected) = format.row_bytes(values) else {
        let len = format.block_len();
        let expected = format!("a multiple of {len}, for whole blocks of {}", format.name());
        return Err(Error::invalid(
            format!("number of values of {what}"),
            values,
            expected,
        ));
    };
    Error::check_shape(&format!("bytes of {what}"), &[expected], &[bytes])
}

/// The error for the values of a block whose scale is not finite.
fn refusal(format: BlockFormat, what: &str, values: &[f32], bytes: &[u8]) -> Error {
    if let Err(error) = Error::check_finite(what, values) {
        return error;
    }
    let (len, size) = (format.block_len(), format.block_bytes());
    let refused = |(_, bytes): &(&[f32], &[u8])| !scales_are_finite(format, bytes);
    let mut blocks = values.chunks(len).zip(bytes.chunks(size));
    let largest = blocks
        .find(refused)
        .map(|(x, _)| x.iter().fold(0.0f32, |most, x| most.max(x.abs())));
    Error::invalid(
        format!("largest magnitude of a block of {what}"),
        largest.unwrap_or(f32::MAX),
        format!(
            "within half precision's range of scales, for {}",
            format.name()
        ),
    )
}

/// Whether all values of these blocks are finite: whether their scales in half precision are.
pub fn are_finite(format: BlockFormat, bytes: &[u8]) -> bool {
    let mut blocks = bytes.chunks_exact(format.block_bytes());
    blocks.all(|block| scales_are_finite(format, block))
}

/// Whether the scales of a block are finite, and so its values.
fn scales_are_finite(format: BlockFormat, block: &[u8]) -> bool {
    let scales = match format {
        BlockFormat::Q4_1 | BlockFormat::Q5_1 | BlockFormat::Q4_K | BlockFormat::Q5_K => 0..4,
        BlockFormat::Q2_K => 80..84,
        BlockFormat::Q3_K => 108..110,
        BlockFormat::Q6_K => 208..210,
        BlockFormat::TQ1_0 => 52..54,
        BlockFormat::TQ2_0 => 64..66,
        BlockFormat::IQ1_M => return half::is_finite(iq::iq1::scale_of_m(block)),
        BlockFormat::MXFP4 => return fp4::is_finite_mx(block),
        BlockFormat::NVFP4 => return true,
        _ => 0..2,
    };
    let mut halves = block[scales].as_chunks::<2>().0.iter();
    halves.all(|&bytes| half::is_finite(u16::from_le_bytes(bytes)))
}

/// The error for a format that can be read alone.
fn not_written(format: BlockFormat, what: &str) -> Error {
    let names = BlockFormat::ENCODED.map(BlockFormat::name).join(", ");
    let expected = format!("one that can be written: {names}");
    Error::invalid(format!("block format of {what}"), format.name(), expected)
}
