//! The bytes of whole numbers, plane by plane: plane k has byte k of each number, the lowest first.
//!
//! Numbers are little-endian, of 2, 4 or 8 bytes. Their bits may be rotated before they are split: by
//! one to the left, the sign of a float comes to the bottom and its exponent fills the last plane.
//!
//! # References
//! - M. Hershcovitch et al. (2025), "ZipNN: Lossless Compression for AI Models".

#[cfg(test)]
mod tests;

use super::levels::by_level;
use crate::Result;
use crate::isa::Isa;

/// Puts plane `k` of numbers of `size` bytes, rotated to the left by `rotated` bits, into `to`.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
///
/// # Panics
/// Where `size` is not 2, 4 or 8, there is no plane `k`, or `to` is not as long as there are numbers.
pub fn split(numbers: &[u8], size: usize, rotated: u32, k: usize, to: &mut [u8]) -> Result<()> {
    split_at(Isa::active()?, numbers, size, rotated, k, to);
    Ok(())
}

/// Makes numbers of as many bytes as there are planes, and rotates them to the right by `rotated`
/// bits: what [`split`] split.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
///
/// # Panics
/// Where there are not 2, 4 or 8 planes, or one has not as many bytes as `to` has numbers.
pub fn join(planes: &[&[u8]], rotated: u32, to: &mut [u8]) -> Result<()> {
    join_at(Isa::active()?, planes, rotated, to);
    Ok(())
}

by_level! {
    /// [`split`] at a level.
    pub fn split_at(numbers: &[u8], size: usize, rotated: u32, k: usize, to: &mut [u8]) = split_body;
    /// [`join`] at a level.
    pub fn join_at(planes: &[&[u8]], rotated: u32, to: &mut [u8]) = join_body;
}

#[inline(always)]
fn split_body(numbers: &[u8], size: usize, rotated: u32, k: usize, to: &mut [u8]) {
    assert!(k < size && numbers.len() == size * to.len());
    let shift = 8 * k as u32;
    macro_rules! split {
        ($number:ty) => {
            for (to, number) in to.iter_mut().zip(numbers.as_chunks().0) {
                *to = (<$number>::from_le_bytes(*number).rotate_left(rotated) >> shift) as u8;
            }
        };
    }
    match size {
        2 => split!(u16),
        4 => split!(u32),
        8 => split!(u64),
        other => panic!("numbers of {other} bytes"),
    }
}

#[inline(always)]
fn join_body(planes: &[&[u8]], rotated: u32, to: &mut [u8]) {
    macro_rules! join {
        ($number:ty, [$($plane:ident)*]) => {{
            let (numbers, _) = to.as_chunks_mut();
            // Of one length, so that the loop has no checks.
            $(let $plane = &$plane[..numbers.len()];)*
            for (i, number) in numbers.iter_mut().enumerate() {
                let joined = <$number>::from_le_bytes([$($plane[i]),*]);
                *number = joined.rotate_right(rotated).to_le_bytes();
            }
        }};
    }
    let of_each = to.len() / planes.len().max(1);
    assert!(planes.iter().all(|plane| plane.len() == of_each));
    assert!(to.len() == of_each * planes.len());
    match *planes {
        [a, b] => join!(u16, [a b]),
        [a, b, c, d] => join!(u32, [a b c d]),
        [a, b, c, d, e, f, g, h] => join!(u64, [a b c d e f g h]),
        _ => panic!("numbers of {} bytes", planes.len()),
    }
}
