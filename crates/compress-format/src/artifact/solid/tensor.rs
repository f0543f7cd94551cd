//! One tensor, in either direction.

use crate::coding::matrix::code_integers;
use crate::coding::matrix::geometry::Geometry;
use crate::coding::meter::Part;
use crate::coding::range_coder::BitCoder;
use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor, sqrt2_power};

/// Codes a tensor of this name and shape: an encoder the one it is `given`. `None` where the
/// grid is not symmetric, linear and of one scale.
pub(super) fn code(
    coder: &mut impl BitCoder,
    (name, shape): (String, Vec<usize>),
    geometry: &Geometry,
    given: Option<&QuantizedTensor>,
) -> Option<QuantizedTensor> {
    let (given_bits, given_scale) = match given {
        None => (2, 1.0),
        Some(tensor) => linear(&tensor.grid)?,
    };
    coder.begin(Part::Header);
    let bits = coder.code_bits(u32::from(given_bits) - 1, 4) as u8 + 1;
    let scale = code_scale(coder, given_scale);
    let grid = Grid::Linear {
        bits,
        granularity: Granularity::Tensor,
        scales: vec![scale],
        zero_points: Vec::new(),
    };
    // The reader refuses a grid that is too narrow.
    let (low, high) = if bits < 2 { (0, 0) } else { grid.code_range() };
    let mut codes = match given {
        None => vec![0; shape.iter().product()],
        Some(tensor) => tensor.codes.to_vec(),
    };
    let range = (low.unsigned_abs(), high.unsigned_abs());
    if shape.len() == 1 {
        coder.begin(Part::Biases);
    }
    code_integers(coder, geometry, &mut codes, |_| range);
    Some(QuantizedTensor {
        name,
        shape,
        codes: Codes::saturating(grid.code_range(), codes),
        grid,
    })
}

/// Width and scale of a grid of the kind that can be coded.
pub(super) fn linear(grid: &Grid) -> Option<(u8, f32)> {
    match grid {
        Grid::Linear {
            bits,
            granularity: Granularity::Tensor,
            scales,
            zero_points,
        } if zero_points.is_empty() => Some((*bits, *scales.first()?)),
        _ => None,
    }
}

/// Codes a scale: 1, a power of √2, or any other.
fn code_scale(coder: &mut impl BitCoder, scale: f32) -> f32 {
    if coder.code(scale == 1.0, 1 << 15) {
        return 1.0;
    }
    let exponent = (-128..128).find(|&e| sqrt2_power(e) == scale);
    if coder.code(exponent.is_some(), 1 << 15) {
        let exponent = exponent.unwrap_or(0) + 128;
        return sqrt2_power(coder.code_bits(exponent as u32, 8) as i32 - 128);
    }
    f32::from_bits(coder.code_bits(scale.to_bits(), 32))
}
