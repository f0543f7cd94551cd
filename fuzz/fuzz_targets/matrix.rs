//! Any bytes decode to a matrix within its range, which is written back and read the same.
#![no_main]

use compress_format::coding::matrix::code_integers;
use compress_format::coding::matrix::geometry::{Geometry, Images};
use compress_format::coding::range_coder::{Decoder, Encoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u8, u8, u8, u16, u16)| {
    let (bytes, columns, width, levels, low, high) = input;
    let columns = usize::from(columns).max(1);
    // Levels of small images, or one of as many columns.
    let images = Images {
        height: columns % 16,
        width: usize::from(width) % 16,
        levels: levels % 4,
    };
    let geometry = Geometry::images(images, None)
        .or_else(|| Geometry::image(columns, None, width.into()))
        .unwrap_or(Geometry::line(columns));
    let columns = geometry.columns();
    let range = |_| (u32::from(low), u32::from(high));
    let mut values = vec![0; 20 * columns];
    code_integers(&mut Decoder::new(bytes), &geometry, &mut values, range);
    assert!(
        values
            .iter()
            .all(|v| (-i32::from(low)..=i32::from(high)).contains(v))
    );
    let mut encoder = Encoder::default();
    code_integers(&mut encoder, &geometry, &mut values, range);
    let mut again = vec![0; values.len()];
    code_integers(
        &mut Decoder::new(&encoder.finish()),
        &geometry,
        &mut again,
        range,
    );
    assert_eq!(again, values);
});
