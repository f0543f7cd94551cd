//! The weights of a layer, laid out for the kernel that suits them.

use ndarray::{Array2, ArrayView2};

use super::arithmetic::Arithmetic;
use compress_core::codec::Tensor;
use compress_core::codec::{CodeSlice, Granularity, Grid, QuantizedTensor};
use compress_core::kernels::code_rows::Form;
use compress_core::kernels::gemm_f32::PackedB;
use compress_core::kernels::gemm_i4::{Activations, PackedBlocks, PackedI4};
use compress_core::kernels::gemm_i8::{INTEGER_GAIN, MOST_INPUTS, PackedI8};
use compress_core::kernels::spmm::{Layout, Sparse, Values, prefers_sparse};
use compress_core::{Error, Result};

/// Bytes that stay in a core's second cache. Weights that do not are read from farther away in
/// each call, and then fewer bytes are worth more than fewer instructions.
const CACHED: usize = 1 << 20;
/// Rows of a block, for which layouts of whole numbers are chosen.
const BATCH: usize = 64;
/// Codes of a layer so small that it stays in a core's first cache together with the other layers.
pub(super) const SMALL: usize = 1 << 14;
/// Groups of 4-bit weights are multiples of this.
const GROUP: usize = 32;

/// The kernel that a layer of a loaded model runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerKernel {
    /// Dense: all weights in f32.
    DenseF32,
    /// Sparse (CSR): the weights that are not zero, in f32. Chosen if they are so few that one row
    /// of inputs takes less time than with all of them ([`prefers_sparse`]).
    SparseF32,
    /// The integers of the file, which are the weights, as their scale is 1: each is turned into
    /// f32 where it is multiplied, with the bits that f32 weights would give. Those that are zero
    /// are left out; or, where that pays, those alone which are zero in a block of outputs. For
    /// layers of few weights, or few that are not zero.
    SparseI8,
    /// Dense int8: all weights in 8 bits, activations in 8 bits.
    DenseI8,
    /// All weights in 4 bits, packed. Activations are in 8 bits, or in f32 where the codes are
    /// those of a codebook.
    PackedI4,
    /// The file's ggml blocks, activations in 8 bits.
    PackedBlocks,
}

impl std::fmt::Display for LayerKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LayerKernel::DenseF32 => "dense f32",
            LayerKernel::SparseF32 => "sparse f32",
            LayerKernel::SparseI8 => "sparse int8",
            LayerKernel::DenseI8 => "dense int8",
            LayerKernel::PackedI4 => "packed int4",
            LayerKernel::PackedBlocks => "packed blocks",
        })
    }
}

/// The weights `[outputs, inputs]` of a layer as a kernel reads them.
#[derive(Clone, Debug)]
pub(super) enum Weight {
    DenseF32(PackedB),
    SparseF32(Sparse),
    SparseI8(Sparse),
    DenseI8 {
        codes: PackedI8,
        /// One for each output.
        scales: Vec<f32>,
    },
    PackedI4(PackedI4, Activations),
    PackedBlocks(PackedBlocks),
}

impl Weight {
    /// Chooses the kernel by the tensor's kind, by how many of its values are zero, and by the
    /// memory that they take. The machine does not matter, so a model runs the same way everywhere.
    ///
    /// # Errors
    /// [`Error::NonFinite`] where a code stands for a value that overflows f32.
    pub(super) fn new(
        tensor: &Tensor,
        (n, k): (usize, usize),
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let values = tensor.values()?;
        Error::check_finite(tensor.name(), &values)?;
        let kept = values.iter().filter(|w| **w != 0.0).count();
        let sparse = |kept| prefers_sparse(n, k, kept, 1);
        if arithmetic == Arithmetic::Integer && !sparse(kept.saturating_mul(INTEGER_GAIN)) {
            match tensor {
                Tensor::Quantized(tensor) => {
                    if let Some(weight) = of_codes(tensor, (n, k))? {
                        return Ok(weight);
                    }
                }
                Tensor::Blocks(tensor)
                    if !values.is_empty() && PackedBlocks::FORMATS.contains(&tensor.format) =>
                {
                    let weight = PackedBlocks::pack(tensor.format, &tensor.bytes, n, k)?;
                    return Ok(Weight::PackedBlocks(weight));
                }
                _ => {}
            }
        }
        if let Some(weight) = whole(tensor, (n, k), kept)? {
            return Ok(weight);
        }
        if sparse(kept) {
            let weight = Sparse::from_dense(Layout::Csr, n, k, Values::F32(&values))?;
            return Ok(Weight::SparseF32(weight));
        }
        let values = ArrayView2::from_shape((n, k), &values).map_err(Error::other)?;
        Ok(Weight::DenseF32(PackedB::pack(values.t())?))
    }

    /// The time of a row, as a number of multiply-adds of floats; approximate.
    pub(super) fn multiply_adds(&self) -> usize {
        let all = |(k, n): (usize, usize)| k.saturating_mul(n);
        match self {
            Weight::DenseF32(weight) => all(weight.dim()),
            Weight::SparseF32(weight) | Weight::SparseI8(weight) => weight.kept(),
            Weight::DenseI8 { codes, .. } => all(codes.dim()) / INTEGER_GAIN,
            Weight::PackedI4(weight, Activations::I8) => all(weight.dim()) / INTEGER_GAIN,
            Weight::PackedI4(weight, Activations::F32) => all(weight.dim()),
            Weight::PackedBlocks(weight) => all(weight.dim()) / INTEGER_GAIN,
        }
    }

    pub(super) fn kernel(&self) -> LayerKernel {
        match self {
            Weight::DenseF32(_) => LayerKernel::DenseF32,
            Weight::SparseF32(_) => LayerKernel::SparseF32,
            Weight::SparseI8(_) => LayerKernel::SparseI8,
            Weight::DenseI8 { .. } => LayerKernel::DenseI8,
            Weight::PackedI4(..) => LayerKernel::PackedI4,
            Weight::PackedBlocks(_) => LayerKernel::PackedBlocks,
        }
    }
}

/// The codes, if they are the weights themselves, and if there are few, or few that are not zero.
fn whole(tensor: &Tensor, (n, k): (usize, usize), kept: usize) -> Result<Option<Weight>> {
    let form = Form::of(n, k, kept);
    if form.stored(n, k, kept) > SMALL && !prefers_sparse(n, k, kept, 1) {
        return Ok(None);
    }
    let Some(codes) = whole_codes(tensor) else {
        return Ok(None);
    };
    // For blocks of rows: single ones have a layout of their own.
    let layout = match prefers_sparse(n, k, kept, BATCH) {
        true => Layout::Csr,
        false => Layout::Blocks,
    };
    let weight = Sparse::from_dense(layout, n, k, Values::Whole(&codes))?;
    Ok(Some(Weight::SparseI8(weight)))
}

/// The codes of a tensor, where they are its values and fit into 8 bits.
pub(super) fn whole_codes(tensor: &Tensor) -> Option<Vec<i8>> {
    let Tensor::Quantized(QuantizedTensor {
        grid: Grid::Linear {
            scales,
            zero_points,
            ..
        },
        codes,
        ..
    }) = tensor
    else {
        return None;
    };
    let whole = scales.iter().all(|&s| s == 1.0) && zero_points.iter().all(|&z| z == 0);
    let codes = codes.iter().map(|code| i8::try_from(code).ok());
    whole.then(|| codes.collect()).flatten()
}

/// The weights as integers, where a kernel can multiply them.
fn of_codes(tensor: &QuantizedTensor, (n, k): (usize, usize)) -> Result<Option<Weight>> {
    if n == 0 || k == 0 {
        return Ok(None);
    }
    match &tensor.grid {
        Grid::Linear {
            bits,
            granularity: granularity @ Granularity::Group(group),
            scales,
            zero_points,
        } if *bits <= 4 && (*group as usize).is_multiple_of(GROUP) => {
            packed(tensor, *granularity, scales, zero_points, (n, k))
        }
        Grid::Linear {
            bits,
            granularity: granularity @ (Granularity::Tensor | Granularity::Channel),
            scales,
            zero_points,
        } => {
            if *bits <= 4 && n.saturating_mul(k) > CACHED {
                return packed(tensor, *granularity, scales, zero_points, (n, k));
            }
            dense(tensor, spread(scales, n), &spread(zero_points, n), (n, k))
        }
        Grid::Codebook { values } if n.saturating_mul(4 * k) > CACHED => {
            let group = k.next_multiple_of(GROUP);
            codebook(tensor, values, &vec![1.0; n], (n, k), group)
        }
        Grid::ScaledCodebook {
            values,
            granularity: Granularity::Group(group),
            scales,
        } if (*group as usize).is_multiple_of(GROUP) => {
            codebook(tensor, values, scales, (n, k), *group as usize)
        }
        Grid::ScaledCodebook {
            values,
            granularity: Granularity::Tensor | Granularity::Channel,
            scales,
        } => {
            let group = k.next_multiple_of(GROUP);
            codebook(tensor, values, &spread(scales, n), (n, k), group)
        }
        _ => Ok(None),
    }
}

/// Codes of a codebook, with scales for each group of a row; none where it has over 16 values.
fn codebook(
    tensor: &QuantizedTensor,
    values: &[f32],
    scales: &[f32],
    (n, k): (usize, usize),
    group: usize,
) -> Result<Option<Weight>> {
    let codes = narrow(tensor, |code, _| u8::try_from(code).ok(), k);
    let (Some(codes), 0..=16) = (codes, values.len()) else {
        return Ok(None);
    };
    let mut book = [0.0; 16];
    book[..values.len()].copy_from_slice(values);
    let factor = tamed(&book, scales);
    book.iter_mut().for_each(|value| *value /= factor);
    let scales: Vec<f32> = scales.iter().map(|scale| scale * factor).collect();
    let weight = PackedI4::codebook(&codes, &scales, &book, n, k, group)?;
    Ok(Some(Weight::PackedI4(weight, Activations::F32)))
}

/// What to divide a codebook by, and to multiply its scales with, so that sums of its values neither
/// leave f32 nor lose bits as subnormals before they are scaled. A power of two; 1 where the largest
/// value is neither huge nor tiny, or a scale would leave f32 instead.
fn tamed(book: &[f32], scales: &[f32]) -> f32 {
    let largest = book
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let power = f32::from_bits(largest.to_bits() & 0x7f80_0000).max(f32::MIN_POSITIVE);
    let usual = largest == 0.0 || (1e-9..=1e9).contains(&largest);
    match usual || scales.iter().any(|scale| !(scale * power).is_normal()) {
        true => 1.0,
        false => power,
    }
}

/// Codes of at most 4 bits on a linear grid, `n` rows of `k`; none where a multiple of a scale that
/// only the kernel has codes for is beyond f32.
fn packed(
    tensor: &QuantizedTensor,
    granularity: Granularity,
    scales: &[f32],
    zero_points: &[i32],
    (n, k): (usize, usize),
) -> Result<Option<Weight>> {
    let most = if zero_points.is_empty() { 8.0 } else { 15.0 };
    if scales.iter().any(|scale| !(most * scale).is_finite()) {
        return Ok(None);
    }
    let shape = [n, k];
    let packed = match tensor.codes.as_slice() {
        CodeSlice::I8(c) => PackedI4::from_quantized(c, shape, granularity, scales, zero_points),
        CodeSlice::U8(c) => PackedI4::from_quantized(c, shape, granularity, scales, zero_points),
        // No grid of so few bits has wider codes.
        CodeSlice::I16(_) | CodeSlice::U16(_) => return Ok(None),
    };
    Ok(Some(Weight::PackedI4(packed?, Activations::I8)))
}

/// Codes that fit into 8 bits once zero is at zero, with a scale for each output; none where a sum of
/// products could overflow.
fn dense(
    tensor: &QuantizedTensor,
    scales: Vec<f32>,
    zero_points: &[i32],
    shape: (usize, usize),
) -> Result<Option<Weight>> {
    if shape.1 > MOST_INPUTS {
        return Ok(None);
    }
    let zero = |row: usize| zero_points.get(row).copied().unwrap_or(0);
    let code = |code: i32, row| i8::try_from(code - zero(row)).ok();
    let Some(codes) = narrow(tensor, code, shape.1) else {
        return Ok(None);
    };
    let codes = Array2::from_shape_vec(shape, codes).map_err(Error::other)?;
    let codes = PackedI8::pack(codes.t())?;
    Ok(Some(Weight::DenseI8 { codes, scales }))
}

/// The codes in a narrower type, by code and row; none where one does not fit.
fn narrow<T>(
    tensor: &QuantizedTensor,
    code: impl Fn(i32, usize) -> Option<T>,
    k: usize,
) -> Option<Vec<T>> {
    let codes = tensor.codes.iter().enumerate();
    codes.map(|(i, c)| code(c, i / k)).collect()
}

/// One value for each of `n` rows: the given ones, or the only one repeated.
fn spread<T: Copy>(values: &[T], n: usize) -> Vec<T> {
    match values {
        [value] => vec![*value; n],
        values => values.to_vec(),
    }
}
