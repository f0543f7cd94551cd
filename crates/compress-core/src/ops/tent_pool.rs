//! Pooling of images by a tent filter: half the rows, half the columns.

use crate::kernels::levels::by_level;

/// Rows or columns of the pooled image for `size` of them: half as many, rounded up.
pub const fn pooled(size: usize) -> usize {
    size.div_ceil(2)
}

by_level! {
    /// Pools images `[images, height, width]`, row-major, into `out`
    /// `[images, pooled(height), pooled(width)]`; lengths must be those of as many images.
    ///
    /// Along each axis, value i is (x₂ᵢ₋₁ + 3·x₂ᵢ + 3·x₂ᵢ₊₁ + x₂ᵢ₊₂) / 8, with zeros outside of the
    /// image. Rows are summed first, and everything is divided by 64 at the end, so nothing is
    /// rounded where the values are integers below 2¹⁸. An image that is constant stays so in its
    /// interior.
    pub fn tent_pool_at(images: &[f32], height: usize, width: usize, out: &mut [f32])
        = tent_pool_body;
}

#[inline(always)]
fn tent_pool_body(images: &[f32], height: usize, width: usize, out: &mut [f32]) {
    // MNIST's images, and what they are pooled to: the same loops, of lengths that the compiler
    // knows; at 28 they are of whole vectors too.
    match (height, width) {
        (28, 28) => pool::<16, 14>(images, 28, 28, out),
        (14, 14) => pool::<9, 7>(images, 14, 14, out),
        _ => pool::<18, 14>(images, height, width, out),
    }
}

/// Works on `STRIP` rows of the result at once. A pass finishes before the next one reads what it
/// stored, so that no load waits for a store. A row is cut into tiles of `PAIRS` − 2 columns. A
/// tile reads that many pairs of columns of the image, and one more on either side.
#[inline(always)]
fn pool<const PAIRS: usize, const STRIP: usize>(
    images: &[f32],
    height: usize,
    width: usize,
    out: &mut [f32],
) {
    let tile = PAIRS - 2;
    let (rows, columns) = (pooled(height), pooled(width));
    let images = images.chunks_exact(height * width);
    for (image, out) in images.zip(out.chunks_exact_mut(rows * columns)) {
        for (strip, out) in out.chunks_mut(STRIP * columns).enumerate() {
            for first in (0..columns).step_by(tile) {
                let mut sums = [[[0.0; 2]; PAIRS]; STRIP];
                for (row, sums) in sums.iter_mut().enumerate().take(out.len() / columns) {
                    add_rows(image, height, width, strip * STRIP + row, first, sums);
                }
                for (values, out) in add_columns(&sums).iter().zip(out.chunks_exact_mut(columns)) {
                    let out = &mut out[first..columns.min(first + tile)];
                    out.copy_from_slice(&values[..out.len()]);
                }
            }
        }
    }
}

/// The weighted sums of four rows at the columns that the tile reads which begins at column `first`
/// of the result, onto zeros.
#[inline(always)]
fn add_rows<const PAIRS: usize>(
    image: &[f32],
    height: usize,
    width: usize,
    row: usize,
    first: usize,
    sums: &mut [[f32; 2]; PAIRS],
) {
    // The first tile has nothing to its left.
    let (left, at) = if first == 0 {
        (0, 2)
    } else {
        (2 * first - 2, 0)
    };
    let right = width.min(2 * first + 2 * PAIRS - 2);
    let pixels = |y: usize| &image[y * width + left..y * width + right];
    let inside = &mut sums.as_flattened_mut()[at..at + right - left];
    // Rows 2·row − 1 to 2·row + 2, of which the first and the last rows of the result miss some.
    let y = 2 * row;
    if y > 0 && y + 2 < height {
        let outer = pixels(y - 1).iter().zip(pixels(y + 2));
        let inner = pixels(y).iter().zip(pixels(y + 1));
        for (sum, ((a, d), (b, c))) in inside.iter_mut().zip(outer.zip(inner)) {
            *sum = (a + d) + 3.0 * (b + c);
        }
        return;
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
}

/// The weighted sums of four columns, `PAIRS` for each row: a tile, and two that mean nothing. All
/// rows as one, since those two are what would reach from one row into the next.
#[inline(always)]
fn add_columns<const PAIRS: usize, const STRIP: usize>(
    sums: &[[[f32; 2]; PAIRS]; STRIP],
) -> [[f32; PAIRS]; STRIP] {
    let (mut even, mut odd) = ([[0.0; PAIRS]; STRIP], [[0.0; PAIRS]; STRIP]);
    let halves = even
        .as_flattened_mut()
        .iter_mut()
        .zip(odd.as_flattened_mut());
    for ((even, odd), &[first, second]) in halves.zip(sums.as_flattened()) {
        (*even, *odd) = (first, second);
    }
    let mut values = [[0.0; PAIRS]; STRIP];
    let (even, odd) = (even.as_flattened(), odd.as_flattened());
    let taps = odd.iter().zip(&even[1..]).zip(&odd[1..]).zip(&even[2..]);
    for (value, (((a, b), c), d)) in values.as_flattened_mut().iter_mut().zip(taps) {
        *value = ((a + d) + 3.0 * (b + c)) * (1.0 / 64.0);
    }
    values
}
