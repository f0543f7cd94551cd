//! The tent filter against its definition, at every level.

use super::assert_same;
use crate::isa::Isa;
use crate::ops::tent_pool::{pooled, tent_pool_at};

/// Each value of the result by its definition, in f64.
fn by_definition(image: &[f32], height: usize, width: usize) -> Vec<f64> {
    let pixel = |y: i64, x: i64| {
        let inside = y >= 0 && x >= 0 && y < height as i64 && x < width as i64;
        if inside {
            f64::from(image[y as usize * width + x as usize])
        } else {
            0.0
        }
    };
    let taps = [(-1, 1.0), (0, 3.0), (1, 3.0), (2, 1.0)];
    let mut out = Vec::new();
    for y in 0..pooled(height) as i64 {
        for x in 0..pooled(width) as i64 {
            let mut sum = 0.0;
            for (dy, by_row) in taps {
                for (dx, by_column) in taps {
                    sum += by_row * by_column * pixel(2 * y + dy, 2 * x + dx);
                }
            }
            out.push(sum / 64.0);
        }
    }
    out
}

const SIZES: [(usize, usize); 16] = [
    (1, 1),
    (1, 2),
    (2, 1),
    (3, 5),
    (4, 4),
    (14, 14),
    (28, 28),
    (27, 29),
    (5, 31),
    (5, 32),
    (5, 33),
    (6, 34),
    (3, 131),
    (29, 28),
    (57, 14),
    (61, 70),
];

#[test]
fn integers_are_pooled_exactly() {
    for (height, width) in SIZES {
        let images: Vec<f32> = (0..3 * height * width)
            .map(|i| (i * 37 % 256) as f32)
            .collect();
        let mut out = vec![f32::NAN; 3 * pooled(height) * pooled(width)];
        tent_pool_at(Isa::Scalar, &images, height, width, &mut out);
        let expected: Vec<f64> = images
            .chunks(height * width)
            .flat_map(|image| by_definition(image, height, width))
            .collect();
        let found: Vec<f64> = out.iter().map(|&x| f64::from(x)).collect();
        assert_eq!(expected, found, "{height} x {width}");
    }
}

/// Each value by the arithmetic that is used, in f32: of rows first the outer two, but one after
/// the other where some lie outside; of columns always the outer two.
fn written_out(image: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for y in (0..height).step_by(2) {
        let row = |tap: usize| (y + tap).checked_sub(1).filter(|&y| y < height);
        let sum = |x: Option<usize>| {
            let Some(x) = x.filter(|&x| x < width) else {
                return 0.0;
            };
            let pixel = |y: usize| image[y * width + x];
            match [0, 1, 2, 3].map(row) {
                [Some(a), Some(b), Some(c), Some(d)] => {
                    (pixel(a) + pixel(d)) + 3.0 * (pixel(b) + pixel(c))
                }
                rows => {
                    let taps = rows.into_iter().zip([1.0, 3.0, 3.0, 1.0]);
                    let inside = taps.filter_map(|(y, by)| Some(by * pixel(y?)));
                    inside.fold(0.0, |sum, term| sum + term)
                }
            }
        };
        for x in (0..width).step_by(2) {
            let outer = sum(x.checked_sub(1)) + sum(Some(x + 2));
            let inner = sum(Some(x)) + sum(Some(x + 1));
            out.push((outer + 3.0 * inner) / 64.0);
        }
    }
    out
}

#[test]
fn every_level_has_the_bits_of_the_arithmetic_written_out() {
    for (height, width) in SIZES {
        let images: Vec<f32> = (0..2 * height * width)
            .map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.3)
            .collect();
        let expected: Vec<f32> = images
            .chunks(height * width)
            .flat_map(|image| written_out(image, height, width))
            .collect();
        for isa in Isa::available() {
            let mut out = vec![f32::NAN; expected.len()];
            tent_pool_at(isa, &images, height, width, &mut out);
            assert_same(&format!("{isa:?} {height} x {width}"), &expected, &out);
        }
    }
}
