//! The tent filter against its definition, at every level.

use super::assert_same;
use crate::isa::Isa;
use crate::ops::tent_pool::{pooled, tent_pool, tent_pool_at};

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
        tent_pool(&images, height, width, &mut out).unwrap();
        let expected: Vec<f64> = images
            .chunks(height * width)
            .flat_map(|image| by_definition(image, height, width))
            .collect();
        let found: Vec<f64> = out.iter().map(|&x| f64::from(x)).collect();
        assert_eq!(expected, found, "{height} x {width}");
    }
}

#[test]
fn all_levels_agree() {
    for (height, width) in SIZES {
        let images: Vec<f32> = (0..2 * height * width)
            .map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.3)
            .collect();
        let pool = |isa| {
            let mut out = vec![f32::NAN; 2 * pooled(height) * pooled(width)];
            tent_pool_at(isa, &images, height, width, &mut out);
            out
        };
        let expected = pool(Isa::Scalar);
        for isa in Isa::available() {
            assert_same(
                &format!("{isa:?} {height} x {width}"),
                &expected,
                &pool(isa),
            );
        }
    }
}

#[test]
fn lengths_that_are_no_images_are_refused() {
    let mut out = [0.0; 4];
    for (pixels, height, width, pooled) in [
        (16, 0, 4, 4),
        (16, usize::MAX, 4, 4),
        (15, 4, 4, 4),
        (16, 4, 4, 3),
        (32, 4, 4, 4),
    ] {
        let images = vec![1.0; pixels];
        let done = tent_pool(&images, height, width, &mut out[..pooled]);
        assert!(done.is_err(), "{pixels} {height} {width} {pooled}");
    }
    assert!(tent_pool(&[], 4, 4, &mut []).is_ok());
}
