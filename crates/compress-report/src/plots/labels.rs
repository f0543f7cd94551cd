//! Places labels beside points so that they cover neither each other nor a point.

use plotters::prelude::{Color, PathElement};
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, Chart, Drawn, TEXT, text_width};
use crate::palette::{Colour, MUTED};

/// A rectangle of pixels: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Box {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Box {
    fn around((x, y): (i32, i32), radius: i32) -> Self {
        Box {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        }
    }

    fn overlaps(&self, other: &Box) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn contains(&self, other: &Box) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }
}

/// Half the size of a point's mark, and some air.
const RADIUS: i32 = 8;

/// How far from its point a label may be without a line that leads to it.
const LEAD: i32 = 14;

/// Draws the labels, with their colours, of the first of `points`, all inside of the frame. Those
/// of earlier points are placed first, and one without room is left out.
pub(super) fn draw(
    area: &Area<'_>,
    chart: &Chart<'_>,
    points: &[(i32, i32)],
    labels: &[(&str, Colour)],
) -> Drawn {
    let (columns, rows) = chart.plotting_area().get_pixel_range();
    let bounds = Box {
        left: columns.start,
        top: rows.start,
        right: columns.end,
        bottom: rows.end,
    };
    let texts: Vec<&str> = labels.iter().map(|(text, _)| *text).collect();
    let places = place(points, &texts, bounds);
    for ((place, &(text, colour)), &point) in places.iter().zip(labels).zip(points) {
        if let Some(place) = place {
            draw_label(area, place, point, text, colour)?;
        }
    }
    Ok(())
}

fn draw_label(
    area: &Area<'_>,
    place: &Box,
    point: (i32, i32),
    text: &str,
    colour: Colour,
) -> Drawn {
    let middle = (place.top + place.bottom) / 2;
    let near_x = point.0.clamp(place.left, place.right);
    let near_y = point.1.clamp(place.top, place.bottom);
    let distance = (near_x - point.0).abs() + (near_y - point.1).abs();
    if distance > LEAD {
        let line = vec![point, (near_x, near_y)];
        area.draw(&PathElement::new(line, MUTED.rgb().mix(0.6)))?;
    }
    let (at, anchor) = if place.left >= point.0 {
        (place.left, HPos::Left)
    } else if place.right <= point.0 {
        (place.right, HPos::Right)
    } else {
        ((place.left + place.right) / 2, HPos::Center)
    };
    canvas::text(area, (at, middle), text, colour, (anchor, VPos::Center))
}

/// For each point the box of its label inside of `bounds`, or `None` where no place is free.
/// The labels of earlier points are placed first.
fn place(points: &[(i32, i32)], labels: &[&str], bounds: Box) -> Vec<Option<Box>> {
    let marks: Vec<Box> = points.iter().map(|&p| Box::around(p, RADIUS - 1)).collect();
    let mut placed: Vec<Option<Box>> = Vec::with_capacity(points.len());
    for (&point, label) in points.iter().zip(labels) {
        let size = (text_width(label), TEXT + 2);
        let place = candidates(point, size).find(|candidate| {
            let taken = placed.iter().flatten().chain(&marks);
            bounds.contains(candidate) && !taken.into_iter().any(|b| b.overlaps(candidate))
        });
        placed.push(place);
    }
    placed
}

/// Boxes of a label around its point, the best first: right, left, above, below, then the same
/// from farther and farther away.
fn candidates((x, y): (i32, i32), (width, height): (i32, i32)) -> impl Iterator<Item = Box> {
    let at = move |left: i32, top: i32| Box {
        left,
        top,
        right: left + width,
        bottom: top + height,
    };
    (0..10).flat_map(move |ring| {
        let away = RADIUS + ring * 8;
        let rise = ring * 12;
        let (right, left) = (x + RADIUS, x - RADIUS - width);
        let (centre, middle) = (x - width / 2, y - height / 2);
        [
            at(right, middle - rise),
            at(right, middle + rise),
            at(left, middle - rise),
            at(left, middle + rise),
            at(centre, y - away - height),
            at(centre, y + away),
            at(right, y - away - height),
            at(left, y - away - height),
            at(right, y + away),
            at(left, y + away),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Box = Box {
        left: 0,
        top: 0,
        right: 800,
        bottom: 400,
    };

    #[test]
    fn labels_of_a_crowd_do_not_overlap() {
        let points: Vec<_> = (0..20)
            .map(|i| (780 - i * 13, 200 + (i * 37) % 60))
            .collect();
        let names: Vec<_> = (0..20).map(|i| format!("method number {i}")).collect();
        let labels: Vec<_> = names.iter().map(String::as_str).collect();
        let placed = place(&points, &labels, BOUNDS);
        let boxes: Vec<Box> = placed.iter().flatten().copied().collect();
        assert!(boxes.len() >= 18, "only {} labels found room", boxes.len());
        for (i, a) in boxes.iter().enumerate() {
            assert!(BOUNDS.contains(a), "{a:?} leaves the plot");
            assert!(!boxes[i + 1..].iter().any(|b| a.overlaps(b)), "{a:?}");
            let covered = points.iter().any(|&p| Box::around(p, 3).overlaps(a));
            assert!(!covered, "{a:?} covers a point");
        }
    }

    #[test]
    fn a_lone_label_stands_on_the_right() {
        let placed = place(&[(100, 100)], &["ours"], BOUNDS);
        assert_eq!(placed[0].map(|b| b.left), Some(100 + RADIUS));
    }

    #[test]
    fn a_label_without_room_is_left_out() {
        let narrow = Box {
            right: 20,
            ..BOUNDS
        };
        assert_eq!(place(&[(10, 10)], &["much too long"], narrow), [None]);
    }
}
