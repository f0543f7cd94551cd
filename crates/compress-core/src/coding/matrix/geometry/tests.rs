//! Neighbours of columns in a line and in an image.

use super::*;

#[test]
fn a_line_has_neighbours_on_both_sides() {
    let line = Geometry::line(3);
    assert_eq!(line.neighbours(0).before, [3; 6]);
    assert_eq!(line.neighbours(2).before, [1, 3, 3, 3, 0, 3]);
    assert_eq!(line.neighbours(1).after, [2, 3, 3, 3]);
    assert_eq!(line.neighbours(2).after, [3; 4]);
}

#[test]
fn an_image_wraps_at_its_width() {
    // 0 1 2
    // 3 4 5
    // 6 7 8
    let image = Geometry::image(9, None, 3).unwrap();
    assert_eq!(image.neighbours(4).before, [3, 1, 0, 2, 9, 9]);
    assert_eq!(image.neighbours(4).after, [5, 7, 6, 8]);
    assert_eq!(image.neighbours(3).before, [9, 0, 9, 1, 9, 9]);
    assert_eq!(image.neighbours(8).before, [7, 5, 4, 9, 6, 2]);
}

#[test]
fn unselected_pixels_are_nobodys_neighbours() {
    let image = Geometry::image(9, Some(&[1, 3, 4, 8]), 3).unwrap();
    assert_eq!(image.columns(), 4);
    assert_eq!(image.neighbours(2).before, [1, 0, 4, 4, 4, 4]);
    assert_eq!(image.neighbours(2).after, [4, 4, 4, 3]);
}

#[test]
fn what_is_no_image_is_none() {
    assert!(Geometry::image(9, None, 0).is_none());
    assert!(Geometry::image(9, None, 10).is_none());
    assert!(Geometry::image(MOST_PIXELS + 1, None, 3).is_none());
    assert!(Geometry::image(9, Some(&[9]), 3).is_none());
}
