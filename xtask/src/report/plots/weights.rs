//! The weights that are left: those of the first layer as an image for each neuron, where the
//! network reads images, and each other layer as one image of its matrix.

use super::pixels;
use super::sheet::Sheet;
use crate::report::model::{LayerWeights, Report};
use crate::report::number::thousands;
use crate::report::palette::{Colour, NEGATIVE, POSITIVE};

/// Width of the page.
const WIDTH: i32 = 880;
/// Room around everything on a page of its own.
const MARGIN: i32 = 12;
/// About how wide the image of one neuron is.
const FIELD: i32 = 84;
/// Room between two of them.
const SPACE: i32 = 6;
/// The side of a weight of a later layer, where the page is wide enough.
const CELL: i32 = 10;
/// Height of a line of text.
const LINE: i32 = 24;
/// Side of a square of the key.
const KEY: i32 = 14;

/// The weights; `None` where the report holds none.
pub(in crate::report) fn weights(report: &Report) -> Option<String> {
    if report.weights.is_empty() {
        return None;
    }
    let mut sheet = Sheet::default();
    draw(&mut sheet, report, (1, 0));
    Some(sheet.finish())
}

/// The same below the pixels in use, as a file of its own.
pub(in crate::report) fn picture(report: &Report) -> Option<String> {
    if report.weights.is_empty() {
        return None;
    }
    let mut sheet = Sheet::default();
    let mut top = MARGIN;
    if pixels::draw(&mut sheet, report, (MARGIN, top)).is_some() {
        top = sheet.height() + MARGIN;
    }
    draw(&mut sheet, report, (MARGIN, top));
    let (width, height) = (sheet.width(), sheet.height());
    sheet.reach(width + MARGIN, height + MARGIN);
    Some(sheet.finish())
}

/// All layers from a corner on, below a key.
fn draw(sheet: &mut Sheet, report: &Report, (left, mut top): (i32, i32)) {
    draw_key(sheet, (left, top + LINE / 2));
    top += LINE;
    for (i, layer) in report.weights.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs, rows(layer).len());
        let of = format!(
            "{} × {}",
            thousands(outputs as u64),
            thousands(inputs as u64)
        );
        let heading = (left, top + LINE / 2);
        let corner = (left, top + LINE);
        if i == 0 && is_image(layer, report.image_width) {
            let about = "an image for each neuron, in the order of the file";
            sheet.heading(heading, &format!("{}: {of}, {about}", layer.layer));
            draw_fields(sheet, layer, report.image_width, corner);
        } else {
            let about = "a row for each output";
            sheet.heading(heading, &format!("{}: {of}, {about}", layer.layer));
            draw_matrix(sheet, layer, corner);
        }
        top = sheet.height() + SPACE;
    }
}

fn is_image(layer: &LayerWeights, width: usize) -> bool {
    width > 0 && layer.inputs.is_multiple_of(width)
}

/// The weights of each output; what does not fill a row is left out.
fn rows(layer: &LayerWeights) -> std::slice::ChunksExact<'_, f32> {
    layer.values.chunks_exact(layer.inputs.max(1))
}

fn draw_key(sheet: &mut Sheet, (left, y): (i32, i32)) {
    sheet.note((left, y), "negative");
    let ramp = NEGATIVE.iter().rev().chain(&POSITIVE);
    let mut x = left + 60;
    for &colour in ramp {
        sheet.square((x, y - KEY / 2), KEY, colour);
        x += KEY + 2;
    }
    let about = "positive, in fifths of the largest weight of the layer; zero is blank";
    sheet.note((x + 8, y), about);
    sheet.reach(left + WIDTH, y);
}

/// The image of each neuron's weights, as many in a row as there is room for.
fn draw_fields(sheet: &mut Sheet, layer: &LayerWeights, width: usize, (left, top): (i32, i32)) {
    let cell = (FIELD / width as i32).max(1);
    let size = (width as i32 * cell, (layer.inputs / width) as i32 * cell);
    let columns = ((WIDTH + SPACE) / (size.0 + SPACE)).max(1);
    let largest = largest(layer);
    for (i, weights) in (0..).zip(rows(layer)) {
        let (column, row) = (i % columns, i / columns);
        let corner = (
            left + column * (size.0 + SPACE),
            top + row * (size.1 + SPACE),
        );
        sheet.outline(corner, size);
        draw_row_major(sheet, weights, width, cell, largest, corner);
    }
}

fn draw_matrix(sheet: &mut Sheet, layer: &LayerWeights, corner: (i32, i32)) {
    let inputs = layer.inputs.max(1);
    let cell = (WIDTH / inputs as i32).clamp(1, CELL);
    let size = (inputs as i32 * cell, rows(layer).len() as i32 * cell);
    sheet.outline(corner, size);
    draw_row_major(sheet, &layer.values, inputs, cell, largest(layer), corner);
}

/// Weights that are not zero, in rows of `width`.
fn draw_row_major(
    sheet: &mut Sheet,
    weights: &[f32],
    width: usize,
    cell: i32,
    largest: f32,
    (left, top): (i32, i32),
) {
    for (i, &weight) in weights.iter().enumerate() {
        if let Some(colour) = colour(weight, largest) {
            let (x, y) = ((i % width) as i32 * cell, (i / width) as i32 * cell);
            sheet.square((left + x, top + y), cell, colour);
        }
    }
}

/// The largest magnitude that is a number.
fn largest(layer: &LayerWeights) -> f32 {
    let finite = layer.values.iter().filter(|w| w.is_finite());
    finite.fold(0.0, |largest, w| largest.max(w.abs()))
}

/// By sign, and by the fifth of the largest magnitude; none of what is zero or no number.
fn colour(weight: f32, largest: f32) -> Option<Colour> {
    if weight == 0.0 || !weight.is_finite() {
        return None;
    }
    let ramp = if weight > 0.0 { &POSITIVE } else { &NEGATIVE };
    let edges = [0.2, 0.4, 0.6, 0.8];
    let share = weight.abs() / largest;
    Some(ramp[edges.iter().filter(|&&edge| share > edge).count()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn colours_are_those_of_sign_and_magnitude() {
        for (weight, expected) in [
            (0.0, None),
            (f32::NAN, None),
            (15.0, Some(POSITIVE[4])),
            (12.0, Some(POSITIVE[3])),
            (-13.0, Some(NEGATIVE[4])),
            (-3.0, Some(NEGATIVE[0])),
            (-4.0, Some(NEGATIVE[1])),
            (1e-30, Some(POSITIVE[0])),
        ] {
            assert_eq!(colour(weight, 15.0), expected, "{weight}");
        }
    }

    /// One neuron with one weight at row 1, column 2 of an image, then a matrix of 2 × 2.
    fn small() -> Report {
        let mut first = vec![0.0; 12];
        first[6] = 1.0;
        let layer = |name: &str, inputs, values| LayerWeights {
            layer: name.into(),
            inputs,
            values,
        };
        Report {
            image_width: 4,
            pixel_use: first.clone(),
            weights: vec![
                layer("layers.<0>", 12, first),
                layer("layers.1", 2, vec![0.0, -2.0, 1.0, 0.0]),
            ],
            ..fixture::report()
        }
    }

    #[test]
    fn each_weight_is_one_square_where_it_belongs() {
        let svg = weights(&small()).expect("weights");
        // Cells of 84 / 4 pixels from (1, 48) on, behind the key's square.
        let first = "h14v14h-14zM43 69h21v21h-21z";
        assert!(svg.contains(first), "{svg}");
        // The second layer's corner is below: 3 × 21 pixels, a line of the frame, space, a heading.
        let top = 48 + 3 * 21 + 1 + 6 + 24;
        let largest = format!("M11 {top}h10v10h-10z");
        assert!(svg.contains(&largest), "{svg}");
        let half = format!("M1 {}h10v10h-10z", top + 10);
        assert!(svg.contains(&half), "{svg}");
        let key = 10;
        assert_eq!(svg.matches("h-").count(), key + 3 + 2, "with two outlines");
        assert!(svg.contains("layers.&lt;0&gt;: 1 × 12"), "{svg}");
    }

    #[test]
    fn the_file_has_the_pixels_too_and_is_the_same_each_time() {
        let report = small();
        let svg = picture(&report).expect("weights");
        assert!(svg.contains("weights per pixel"));
        assert!(svg.contains("layers.1"));
        assert_eq!(picture(&report), Some(svg));
    }

    #[test]
    fn odd_weights_are_drawn_all_the_same() {
        let mut report = small();
        report.image_width = 5;
        report.weights[0].values = vec![f32::NAN, f32::INFINITY, -1.0];
        report.weights[1].inputs = 0;
        assert!(weights(&report).is_some());
        assert!(picture(&report).is_some());
        report.weights.clear();
        assert_eq!(weights(&report), None);
    }
}
