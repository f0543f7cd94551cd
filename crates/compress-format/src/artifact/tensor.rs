//! One tensor as bytes, in the coding that makes it smallest.
//!
//! The first byte: the kind in bits 0 and 1, the coding in bits 2 and 3, a grid's width of a code
//! less one in bits 4 to 7. Names and shapes are the architecture's.

use crate::coding::reader::Reader;
use compress_core::codec::QuantizedTensor;
use compress_core::{Error, Result};

use super::codes::{self, Zeros};
use super::floats;
use super::grid;
use super::stream::Arrangements;
use super::{StoredTensor, Tensor};

/// How a tensor's values or codes are stored. A coding's number is its position here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Dense,
    Packed,
    Sparse,
    Entropy,
}

impl Coding {
    pub(super) const ALL: [Coding; 4] = [
        Coding::Dense,
        Coding::Packed,
        Coding::Sparse,
        Coding::Entropy,
    ];

    fn name(self) -> &'static str {
        match self {
            Coding::Dense => "dense",
            Coding::Packed => "packed",
            Coding::Sparse => "sparse",
            Coding::Entropy => "entropy",
        }
    }
}

/// Appends the tensor in its smallest coding; of equals, the plainest.
pub(super) fn write(
    bytes: &mut Vec<u8>,
    tensor: &Tensor,
    arrangements: &Arrangements,
) -> StoredTensor {
    let [plainest, others @ ..] = Coding::ALL;
    let mut coding = plainest;
    let mut smallest = write_as(tensor, plainest, arrangements);
    for other in others {
        let candidate = write_as(tensor, other, arrangements);
        if candidate.len() < smallest.len() {
            (coding, smallest) = (other, candidate);
        }
    }
    bytes.extend_from_slice(&smallest);
    StoredTensor {
        name: tensor.name().to_owned(),
        coding: coding.name(),
        bytes: smallest.len(),
    }
}

/// The tensor in a given coding.
pub(super) fn write_as(tensor: &Tensor, coding: Coding, arrangements: &Arrangements) -> Vec<u8> {
    match tensor {
        Tensor::Float { values, .. } => write_float(values, coding, arrangements),
        Tensor::Quantized(tensor) => write_quantized(tensor, coding, arrangements),
    }
}

fn write_float(values: &[f32], coding: Coding, arrangements: &Arrangements) -> Vec<u8> {
    let mut bytes = vec![grid::FLOAT | (coding as u8) << 2];
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
    let (kind, four) = grid::kind(grid);
    let mut bytes = vec![kind | (coding as u8) << 2 | four << 4];
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

/// Reads the tensor of this name and shape.
pub(super) fn read(
    reader: &mut Reader<'_>,
    name: String,
    shape: Vec<usize>,
    arrangements: &Arrangements,
) -> Result<Tensor> {
    let start = reader.clone();
    let first = reader.byte(&name)?;
    let (kind, four) = (first & 3, first >> 4);
    let coding = Coding::ALL[usize::from((first >> 2) & 3)];
    let checked = if kind == grid::FLOAT {
        let values = read_float(reader, coding, shape.iter().product(), arrangements)?;
        Error::check_finite(&name, &values).map(|()| Tensor::Float {
            name,
            shape,
            values,
        })
    } else {
        let grid = grid::read(reader, kind, four, &shape)?;
        // Before the codes are read, since how they are read depends on the grid.
        grid.validate(&name, &shape)
            .map_err(|error| start.error(error.to_string()))?;
        let count = shape.iter().product();
        let codes = match coding {
            Coding::Dense => codes::read_dense(reader, &grid, count),
            Coding::Packed => codes::read_packed(reader, &grid, count),
            Coding::Sparse => {
                let zeros = Zeros::read(reader, &grid, &shape)?;
                codes::read_sparse(reader, &grid, &zeros, count)
            }
            Coding::Entropy => {
                let zeros = Zeros::read(reader, &grid, &shape)?;
                codes::read_entropy(reader, &grid, &zeros, count, arrangements)
            }
        };
        let codes = codes.map_err(|error| match error {
            Error::Format { .. } => error,
            other => start.error(format!("{other} in {name}")),
        })?;
        let tensor = QuantizedTensor {
            name,
            shape,
            grid,
            codes,
        };
        tensor.validate().map(|()| Tensor::Quantized(tensor))
    };
    checked.map_err(|error| start.error(error.to_string()))
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
