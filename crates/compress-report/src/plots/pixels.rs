//! Which pixels of the input image the network still reads, as a heat map.

use super::Svg;
use super::sheet::{MOST_SQUARES, Sheet};
use crate::number::thousands;
use crate::palette::{Colour, RAMP, UNUSED};

/// Width of the whole image on the page.
const IMAGE: i32 = 392;

/// The plot of an image whose rows are `width` pixels: for each pixel, row-major, how many non-zero
/// weights read it, where 0 means unused. `None` without pixels, and above 2²¹ of them.
pub fn pixels(width: usize, counts: &[f32]) -> Option<Svg> {
    let mut sheet = Sheet::default();
    draw(&mut sheet, width, counts, (0, 0))?;
    Some(sheet.finish())
}

/// Draws it from a corner on.
pub(super) fn draw(
    sheet: &mut Sheet,
    width: usize,
    counts: &[f32],
    (left, top): (i32, i32),
) -> Option<()> {
    if width == 0 || counts.is_empty() || width.max(counts.len()) > MOST_SQUARES {
        return None;
    }
    let cell = (IMAGE / width as i32).max(1);
    let gap = if cell > 4 { 1 } else { 0 };
    let counts = whole(counts);
    let bands = bands(counts.iter().copied().max().unwrap_or(0));
    for (i, &count) in counts.iter().enumerate() {
        let (x, y) = ((i % width) as i32 * cell, (i / width) as i32 * cell);
        sheet.square((left + x, top + y), cell - gap, colour(&bands, count));
    }
    draw_key(sheet, &bands, (left + width as i32 * cell + 24, top));
    Some(())
}

/// Whole numbers of weights; what is not a number of anything counts as none.
fn whole(counts: &[f32]) -> Vec<u64> {
    counts.iter().map(|&n| n.round() as u64).collect()
}

fn draw_key(sheet: &mut Sheet, bands: &[(u64, u64)], (x, top): (i32, i32)) {
    sheet.reach(x + 176, top);
    sheet.text((x, top + 10), "weights per pixel");
    let unused = std::iter::once((UNUSED, "unused".to_owned()));
    let used = bands.iter().map(|&(low, high)| {
        let text = match low == high {
            true => thousands(low),
            false => format!("{} to {}", thousands(low), thousands(high)),
        };
        (colour(bands, low), text)
    });
    for (row, (colour, text)) in unused.chain(used).enumerate() {
        let y = top + 34 + row as i32 * 22;
        sheet.square((x, y - 7), 14, colour);
        sheet.text((x + 24, y), &text);
    }
}

/// Cuts 1 to `max` into at most as many bands as there are colours, first and last included.
fn bands(max: u64) -> Vec<(u64, u64)> {
    let count = max.min(RAMP.len() as u64);
    let edge = |i: u64| (u128::from(max) * u128::from(i) / u128::from(count.max(1))) as u64;
    (0..count).map(|i| (edge(i) + 1, edge(i + 1))).collect()
}

/// Few bands take the dark end of the ramp, which stands out most from what is unused.
fn colour(bands: &[(u64, u64)], count: u64) -> Colour {
    let band = bands
        .iter()
        .position(|&(low, high)| (low..=high).contains(&count));
    band.map_or(UNUSED, |i| RAMP[RAMP.len() - bands.len() + i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_every_count_once() {
        assert!(bands(0).is_empty());
        assert_eq!(bands(2), [(1, 1), (2, 2)]);
        for max in [1, 5, 6, 7, 13, 100, u64::MAX] {
            let bands = bands(max);
            assert_eq!(bands[0].0, 1);
            assert_eq!(bands.last().map(|b| b.1), Some(max));
            assert!(bands.windows(2).all(|w| w[0].1 + 1 == w[1].0), "{bands:?}");
            assert!(bands.iter().all(|b| b.0 <= b.1), "{bands:?}");
        }
        assert_eq!(colour(&bands(3), 0), UNUSED);
        assert_eq!(colour(&bands(3), 3), RAMP[5]);
    }
}
