//! Places labels beside points so that they cover neither each other nor a point.

use super::canvas::{TEXT, text_width};

/// A rectangle of pixels: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Box {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
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

/// For each point the box of its label inside of `bounds`, or `None` where no place is free.
/// The labels of earlier points are placed first.
pub(super) fn place(points: &[(i32, i32)], labels: &[&str], bounds: Box) -> Vec<Option<Box>> {
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
