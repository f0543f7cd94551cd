//! Neighbours of columns in a line and in an image.

use super::*;

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
