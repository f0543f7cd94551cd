//! What a tensor's bytes hold beside its kind and its coding: the grid, and values, codes or blocks.

use compress_core::codec::{BlockTensor, QuantizedTensor, Tensor, check_rows};
use compress_core::kernels::block_format::BlockFormat;
use compress_core::{Error, Result};

use super::codes::{self, Zeros};
use super::coding::Coding;
use super::floats;
use super::grid;
use super::stream::Arrangements;
use crate::coding::reader::Reader;

/// A tensor's kind, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// [`FLOAT`], one of [`grid`]'s, or [`BLOCKS`].
    pub(crate) number: u8,
    /// The bits of a code, where the grid does not say them itself.
    pub(crate) bits: Option<u8>,
}

/// Values in full precision.
pub(crate) const FLOAT: u8 = 0;
/// Blocks of ggml's.
pub(crate) const BLOCKS: u8 = 5;
/// Elements as a file of another format has them. They are no [`Tensor`], but bytes.
pub(crate) const ELEMENTS: u8 = 6;
/// The name of their coding in reports.
pub(crate) const PLANES: &str = "planes";

impl Kind {
    pub(crate) fn of(tensor: &Tensor) -> Self {
        let (number, bits) = match tensor {
            Tensor::Float { .. } => (FLOAT, None),
            Tensor::Quantized(tensor) => grid::kind(&tensor.grid),
            Tensor::Blocks(_) => (BLOCKS, None),
        };
        Kind { number, bits }
    }

    /// Whether tensors of this kind say the bits of a code beside it.
    pub(crate) fn has_bits(number: u8) -> bool {
        matches!(number, grid::LINEAR | grid::POWER_OF_TWO)
    }
}

/// The smallest of a tensor's codings, of equals the plainest, and its bytes.
pub(crate) fn smallest(tensor: &Tensor, arrangements: &Arrangements) -> (Coding, Vec<u8>) {
    let [plainest, others @ ..] = Coding::ALL;
    let mut smallest = (plainest, write(tensor, plainest, arrangements));
    let others = match tensor {
        Tensor::Blocks(_) => &[][..],
        // Positions in sparse and coded tensors have 28 bits.
        _ if value_count(tensor) > codes::MOST => &others[..1],
        _ => &others[..],
    };
    for &other in others {
        let candidate = write(tensor, other, arrangements);
        if candidate.len() < smallest.1.len() {
            smallest = (other, candidate);
        }
    }
    smallest
}

fn value_count(tensor: &Tensor) -> usize {
    tensor.shape().iter().product()
}

/// The tensor in a given coding.
pub(crate) fn write(tensor: &Tensor, coding: Coding, arrangements: &Arrangements) -> Vec<u8> {
    match tensor {
        Tensor::Float { values, .. } => write_float(values, coding, arrangements),
        Tensor::Quantized(tensor) => write_quantized(tensor, coding, arrangements),
        Tensor::Blocks(tensor) => {
            let mut bytes = vec![tensor.format.ggml_type()];
            bytes.extend_from_slice(&tensor.bytes);
            bytes
        }
    }
}

fn write_float(values: &[f32], coding: Coding, arrangements: &Arrangements) -> Vec<u8> {
    let mut bytes = Vec::new();
    let zeros = floats::common_zeros(values);
    if coding != Coding::Dense {
        bytes.push(zeros as u8);
    }
    match coding {
        Coding::Dense => bytes.extend(floats::pack(values, 0)),
        Coding::Packed => bytes.extend(floats::pack(values, zeros)),
        Coding::Sparse => bytes.extend(floats::write_sparse(values, zeros)),
        Coding::Entropy => arrangements.write(&mut bytes, |geometry| {
            floats::write_entropy(values, zeros, geometry)
        }),
    }
    bytes
}

fn write_quantized(
    tensor: &QuantizedTensor,
    coding: Coding,
    arrangements: &Arrangements,
) -> Vec<u8> {
    let QuantizedTensor {
        shape, grid, codes, ..
    } = tensor;
    let mut bytes = Vec::new();
    grid::write(&mut bytes, grid);
    match coding {
        Coding::Dense => bytes.extend(codes::write_dense(grid, codes)),
        Coding::Packed => bytes.extend(codes::write_packed(grid, codes)),
        Coding::Sparse => {
            let zeros = Zeros::write(&mut bytes, grid, shape, codes);
            bytes.extend(codes::write_sparse(grid, &zeros, codes));
        }
        Coding::Entropy => {
            let zeros = Zeros::write(&mut bytes, grid, shape, codes);
            codes::write_entropy(&mut bytes, grid, &zeros, codes, arrangements);
        }
    }
    bytes
}

/// Reads the tensor of this name and shape, whose number of values can be counted.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    kind: Kind,
    coding: Coding,
    name: String,
    shape: Vec<usize>,
    arrangements: &Arrangements,
) -> Result<Tensor> {
    let start = reader.clone();
    let count: usize = shape.iter().product();
    if matches!(coding, Coding::Sparse | Coding::Entropy) && count > codes::MOST {
        return Err(start.error(format!("{name} is too large for its coding")));
    }
    let tensor = match kind.number {
        FLOAT => read_float(reader, coding, count, arrangements).map(|values| Tensor::Float {
            name,
            shape,
            values,
        }),
        BLOCKS => read_blocks(reader, coding, name, shape).map(Tensor::Blocks),
        _ => read_quantized(reader, kind, coding, name, shape, arrangements).map(Tensor::Quantized),
    };
    let checked = tensor.and_then(|tensor| tensor.validate().map(|()| tensor));
    checked.map_err(|error| match error {
        Error::Format { .. } => error,
        other => start.error(other.to_string()),
    })
}

fn read_quantized(
    reader: &mut Reader<'_>,
    kind: Kind,
    coding: Coding,
    name: String,
    shape: Vec<usize>,
    arrangements: &Arrangements,
) -> Result<QuantizedTensor> {
    let grid = grid::read(reader, kind.number, kind.bits.unwrap_or(0), &shape)?;
    // Before the codes are read, since how they are read depends on the grid.
    grid.validate(&name, &shape)?;
    let count = shape.iter().product();
    let codes = match coding {
        Coding::Dense => codes::read_dense(reader, &grid, count)?,
        Coding::Packed => codes::read_packed(reader, &grid, count)?,
        Coding::Sparse => {
            let zeros = Zeros::read(reader, &grid, &shape)?;
            codes::read_sparse(reader, &grid, &zeros, count)?
        }
        Coding::Entropy => {
            let zeros = Zeros::read(reader, &grid, &shape)?;
            codes::read_entropy(reader, &grid, &zeros, count, arrangements)?
        }
    };
    Ok(QuantizedTensor {
        name,
        shape,
        grid,
        codes,
    })
}

fn read_float(
    reader: &mut Reader<'_>,
    coding: Coding,
    count: usize,
    arrangements: &Arrangements,
) -> Result<Vec<f32>> {
    if coding == Coding::Dense {
        return floats::unpack(reader, count, 0);
    }
    let zeros = floats::read_zeros(reader)?;
    match coding {
        Coding::Dense | Coding::Packed => floats::unpack(reader, count, zeros),
        Coding::Sparse => floats::read_sparse(reader, count, zeros),
        Coding::Entropy => {
            let (coded, geometry) = arrangements.read(reader)?;
            Ok(floats::read_entropy(coded, count, zeros, geometry))
        }
    }
}

fn read_blocks(
    reader: &mut Reader<'_>,
    coding: Coding,
    name: String,
    shape: Vec<usize>,
) -> Result<BlockTensor> {
    if coding != Coding::Dense {
        return Err(reader.error(format!("blocks of {name} in another coding than dense")));
    }
    let start = reader.clone();
    let number = reader.byte("the type of blocks")?;
    let format = BlockFormat::of_ggml_type(number.into())
        .ok_or_else(|| start.error(format!("{name} has blocks of type {number}, not known")))?;
    check_rows(format, &name, &shape)?;
    let length = format.row_bytes(shape.iter().product());
    let bytes = reader.take(length.unwrap_or(usize::MAX), "blocks")?;
    Ok(BlockTensor {
        name,
        shape,
        format,
        bytes: bytes.to_vec(),
    })
}
