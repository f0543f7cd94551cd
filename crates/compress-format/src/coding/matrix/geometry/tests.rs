//! Neighbours of columns in a line and in an image.

use super::*;
use compress_core::network::Activation;

/// The first six of those before.
fn six(geometry: &Geometry, column: usize) -> [u32; 6] {
    std::array::from_fn(|i| geometry.before(column)[i])
}

#[test]
fn a_line_has_neighbours_on_both_sides() {
    let line = Geometry::line(3);
    assert_eq!(line.before(0), [3; BEFORE]);
    assert_eq!(six(&line, 2), [1, 3, 3, 3, 0, 3]);
    assert_eq!(line.around(1), [0, 3, 2, 3, 3, 3, 3, 3]);
    assert_eq!(line.around(2), [1, 3, 3, 3, 3, 3, 3, 3]);
}

#[test]
fn an_image_wraps_at_its_width() {
    // 0 1 2
    // 3 4 5
    // 6 7 8
    let image = Geometry::image(9, None, 3).unwrap();
    assert_eq!(six(&image, 4), [3, 1, 0, 2, 9, 9]);
    assert_eq!(image.around(4), [3, 1, 5, 7, 0, 2, 6, 8]);
    assert_eq!(six(&image, 3), [9, 0, 9, 1, 9, 9]);
    assert_eq!(six(&image, 8), [7, 5, 4, 9, 6, 2]);
}

#[test]
fn those_before_come_before_and_none_twice() {
    let image = Geometry::image(100, None, 10).unwrap();
    let before = image.before(66);
    assert!(before.iter().all(|&column| column < 66));
    let distinct: std::collections::BTreeSet<u32> = before.into_iter().collect();
    assert_eq!(distinct.len(), BEFORE);
}

#[test]
fn unselected_pixels_are_nobodys_neighbours() {
    let image = Geometry::image(9, Some(&[1, 3, 4, 8]), 3).unwrap();
    assert_eq!(image.columns(), 4);
    assert_eq!(six(&image, 2), [1, 0, 4, 4, 4, 4]);
    assert_eq!(image.around(2), [1, 0, 4, 4, 4, 4, 4, 3]);
}

#[test]
fn what_is_no_image_is_none() {
    assert!(Geometry::image(9, None, 0).is_none());
    assert!(Geometry::image(9, None, 10).is_none());
    assert!(Geometry::image(MOST_PIXELS + 1, None, 3).is_none());
    assert!(Geometry::image(9, Some(&[9]), 3).is_none());
}

#[test]
fn the_images_of_a_pyramid_are_each_by_themselves() {
    //  0  1  2  3  4        15 16 17
    //  5  6  7  8  9        18 19 20
    // 10 11 12 13 14
    let images = Images {
        height: 3,
        width: 5,
        levels: 2,
    };
    assert_eq!(images.pixels(), 21);
    assert_eq!(images.sizes().collect::<Vec<_>>(), [(3, 5), (2, 3)]);
    let pyramid = Geometry::images(images, None).unwrap();
    let fine = Geometry::image(15, None, 5).unwrap();
    let coarse = Geometry::image(6, None, 3).unwrap();
    assert_eq!(pyramid.columns(), 21);
    for (column, (of, first)) in (0..21).zip([(&fine, 0); 15].into_iter().chain([(&coarse, 15); 6]))
    {
        let moved = |near: u32| match near as usize == of.columns() {
            true => 21,
            false => near + first,
        };
        let alone = column - first as usize;
        assert_eq!(pyramid.before(column), of.before(alone).map(moved));
        assert_eq!(pyramid.around(column), of.around(alone).map(moved));
    }
    let one = Geometry::images(Images::one(3, 5), None).unwrap();
    assert!((0..15).all(|c| one.before(c) == fine.before(c) && one.around(c) == fine.around(c)));
}

#[test]
fn selected_pixels_of_a_pyramid_keep_their_images() {
    let images = Images {
        height: 2,
        width: 2,
        levels: 3,
    };
    // 0 1   4   5
    // 2 3
    let pyramid = Geometry::images(images, Some(&[1, 3, 4, 5])).unwrap();
    assert_eq!(six(&pyramid, 1), [4, 0, 4, 4, 4, 4]);
    assert_eq!(six(&pyramid, 2), [4; 6]);
    assert_eq!(pyramid.around(3), [4; AROUND]);
    assert!(Geometry::images(images, Some(&[6])).is_none());
}

#[test]
fn no_or_too_many_pixels_are_none() {
    let of = |height, width, levels| {
        let images = Images {
            height,
            width,
            levels,
        };
        Geometry::images(images, None)
    };
    assert!(of(0, 4, 1).is_none() && of(4, 4, 0).is_none());
    assert!(of(64, 128, 1).is_some() && of(64, 128, 2).is_none());
    assert!(of(usize::MAX, usize::MAX, u8::MAX).is_none());
}

#[test]
fn the_images_of_a_first_layer_have_its_pixels() {
    let mut chain = Architecture::mlp(&[21, 4], Activation::Relu).unwrap();
    let images = Images {
        height: 3,
        width: 5,
        levels: 2,
    };
    let of = |chain: &Architecture, images| Geometry::of_first_layer(chain, images);
    assert_eq!(of(&chain, images).unwrap().columns(), 21);
    let said = of(&chain, Images::one(3, 5)).unwrap_err().to_string();
    assert!(said.contains("of 21 pixels"), "{said}");
    let keep: Vec<bool> = (0..21).map(|i| i % 2 == 0).collect();
    chain = chain.without_inputs(&keep).unwrap();
    let geometry = of(&chain, images).unwrap();
    assert_eq!(geometry.columns(), 11);
    // Pixels 12 and 18, which lie below others that are read.
    assert_eq!(six(&geometry, 6), [11, 11, 3, 4, 5, 1]);
    let wide = Architecture::mlp(&[100 * 100, 1], Activation::Relu).unwrap();
    let said = of(&wide, Images::one(100, 100)).unwrap_err().to_string();
    assert!(said.contains("at most 8192"), "{said}");
}

#[test]
fn images_of_other_pixels_than_the_features_are_refused() {
    let chain = Architecture::mlp(&[20, 2, 3], Activation::Relu).unwrap();
    for (height, width) in [(0, 5), (4, 4), (5, 5), (20, 0)] {
        let narrow = Geometry::of_first_layer(&chain, Images::one(height, width));
        let text = narrow.unwrap_err().to_string();
        assert!(
            text.contains("the images") && text.contains("of 20 pixels"),
            "{text}"
        );
    }
    let wide = Architecture::mlp(&[8_194, 1, 2], Activation::Relu).unwrap();
    let wide = Geometry::of_first_layer(&wide, Images::one(4_097, 2));
    let text = wide.unwrap_err().to_string();
    assert!(text.contains("pixels of the images"), "{text}");
}
