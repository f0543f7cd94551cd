//! Pooling of images by a tent filter: half the rows, half the columns.

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// Columns of the result that are worked on at once.
const TILE: usize = 16;

/// Rows or columns of the pooled image for `size` of them: half as many, rounded up.
pub const fn pooled(size: usize) -> usize {
    size.div_ceil(2)
}

/// Pools images `[images, height, width]`, row-major, into `out`
/// `[images, pooled(height), pooled(width)]`.
///
/// Along each axis, value i is (x₂ᵢ₋₁ + 3·x₂ᵢ + 3·x₂ᵢ₊₁ + x₂ᵢ₊₂) / 8, what lies outside of the
/// image being zero. Rows are summed first and all is divided by 64 at the end, so that nothing
/// is rounded where the values are integers below 2¹⁸. In its interior an image that is constant
/// stays so.
///
/// # Errors
/// Where an image has no pixel, or the lengths are not those of as many images.
pub fn tent_pool(images: &[f32], height: usize, width: usize, out: &mut [f32]) -> Result<()> {
    let sizes = height
        .checked_mul(width)
        .filter(|&size| size > 0)
        .map(|size| (size, pooled(height) * pooled(width)));
    let Some((size, pooled)) = sizes else {
        let found = format!("{height} x {width}");
        return Err(Error::invalid("the size of an image", found, "positive"));
    };
    let count = images.len() / size;
    Error::check_shape("images to pool", &[count * size], &[images.len()])?;
    Error::check_shape("pooled images", &[count * pooled], &[out.len()])?;
    tent_pool_at(Isa::active()?, images, height, width, out);
    Ok(())
}

by_level! {
    /// As [`tent_pool`], for lengths that are as it wants them.
    pub(crate) fn tent_pool_at(images: &[f32], height: usize, width: usize, out: &mut [f32])
        = tent_pool_body;
}

#[inline(always)]
fn tent_pool_body(images: &[f32], height: usize, width: usize, out: &mut [f32]) {
    // MNIST's images: the same loops, of lengths that the compiler knows.
    match (height, width) {
        (28, 28) => pool(images, 28, 28, out),
        _ => pool(images, height, width, out),
    }
}

#[inline(always)]
fn pool(images: &[f32], height: usize, width: usize, out: &mut [f32]) {
    let (rows, columns) = (pooled(height), pooled(width));
    let images = images.chunks_exact(height * width);
    for (image, out) in images.zip(out.chunks_exact_mut(rows * columns)) {
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            for (tile, out) in out.chunks_mut(TILE).enumerate() {
                let sums = column_sums(image, height, width, row, tile);
                let mut values = [0.0; TILE];
                for (i, value) in values.iter_mut().enumerate() {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|tap| sums[2 * i + tap]);
                    *value = ((a + d) + 3.0 * (b + c)) * (1.0 / 64.0);
                }
                out.copy_from_slice(&values[..out.len()]);
            }
        }
    }
}

/// The weighted sums of four rows at the columns that a tile reads, from the one before its first
/// pixel on.
#[inline(always)]
fn column_sums(
    image: &[f32],
    height: usize,
    width: usize,
    row: usize,
    tile: usize,
) -> [f32; 2 * TILE + 2] {
    let first = 2 * TILE * tile;
    // The first tile has nothing to its left.
    let (left, at) = if first == 0 { (0, 1) } else { (first - 1, 0) };
    let right = width.min(first + 2 * TILE + 1);
    let pixels = |y: usize| &image[y * width + left..y * width + right];
    let mut sums = [0.0; 2 * TILE + 2];
    let inside = &mut sums[at..at + right - left];
    // Rows 2·row − 1 to 2·row + 2, of which the first and the last rows of the result miss some.
    let y = 2 * row;
    if y > 0 && y + 2 < height {
        let outer = pixels(y - 1).iter().zip(pixels(y + 2));
        let inner = pixels(y).iter().zip(pixels(y + 1));
        for (sum, ((a, d), (b, c))) in inside.iter_mut().zip(outer.zip(inner)) {
            *sum = (a + d) + 3.0 * (b + c);
        }
        return sums;
    }
    for tap in 0..4 {
        let factor = if tap % 3 == 0 { 1.0 } else { 3.0 };
        let y = (y + tap).wrapping_sub(1);
        if y < height {
            for (sum, pixel) in inside.iter_mut().zip(pixels(y)) {
                *sum += factor * pixel;
            }
        }
    }
    sums
}
