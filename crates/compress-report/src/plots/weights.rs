//! The weights that are left: those of the first layer as an image for each neuron, where the
//! network reads images, and each other layer as one image of its matrix.

use super::sheet::{MOST_SQUARES, Sheet};
use super::{Svg, pixels};
use crate::number::thousands;
use crate::palette::{Colour, NEGATIVE, POSITIVE};

/// The weights of one layer.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// The layer's name.
    pub layer: String,
    /// How many values it reads; the first layer counts those too that nothing reads.
    pub inputs: usize,
    /// `[outputs, inputs]`, row-major.
    pub values: Vec<f32>,
}

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

/// The weights of a model that reads images whose rows are `width` pixels; 0 where it reads none.
/// `None` without layers, and where they have more than 2²¹ weights.
pub fn weights(layers: &[LayerWeights], width: usize) -> Option<Svg> {
    if !can_be_drawn(layers) {
        return None;
    }
    let mut sheet = Sheet::default();
    draw(&mut sheet, layers, width, (1, 0));
    Some(sheet.finish())
}

/// The same below how many of them read each pixel, as [`pixels`](super::pixels) shows it, for a
/// file of its own.
pub fn picture(layers: &[LayerWeights], width: usize, pixel_use: &[f32]) -> Option<Svg> {
    if !can_be_drawn(layers) {
        return None;
    }
    let mut sheet = Sheet::default();
    let mut top = MARGIN;
    if pixels::draw(&mut sheet, width, pixel_use, (MARGIN, top)).is_some() {
        top = sheet.height() + MARGIN;
    }
    draw(&mut sheet, layers, width, (MARGIN, top));
    let (width, height) = (sheet.width(), sheet.height());
    sheet.reach(width + MARGIN, height + MARGIN);
    Some(sheet.finish())
}

fn can_be_drawn(layers: &[LayerWeights]) -> bool {
    let squares = layers
        .iter()
        .map(|layer| layer.inputs.max(layer.values.len()));
    let squares = squares.fold(0, usize::saturating_add);
    !layers.is_empty() && squares <= MOST_SQUARES
}

/// All layers from a corner on, below a key.
fn draw(sheet: &mut Sheet, layers: &[LayerWeights], width: usize, (left, mut top): (i32, i32)) {
    draw_key(sheet, (left, top + LINE / 2));
    top += LINE;
    for (i, layer) in layers.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs, rows(layer).len());
        let of = format!(
            "{} × {}",
            thousands(outputs as u64),
            thousands(inputs as u64)
        );
        let heading = (left, top + LINE / 2);
        let corner = (left, top + LINE);
        if i == 0 && is_image(layer, width) {
            let about = "an image for each neuron, in the order of the file";
            sheet.heading(heading, &format!("{}: {of}, {about}", layer.layer));
            draw_fields(sheet, layer, width, corner);
        } else {
            let about = "a row for each output";
            sheet.heading(heading, &format!("{}: {of}, {about}", layer.layer));
            draw_matrix(sheet, layer, corner);
        }
        top = sheet.height() + SPACE;
    }
}

fn is_image(layer: &LayerWeights, width: usize) -> bool {
    (1..=layer.inputs).contains(&width) && layer.inputs.is_multiple_of(width)
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

    /// One neuron with one weight at row 1, column 2 of an image of 4 columns, then a matrix of 2 × 2.
    fn small() -> [LayerWeights; 2] {
        let layer = |name: &str, inputs, values| LayerWeights {
            layer: name.into(),
            inputs,
            values,
        };
        [
            layer("layers.<0>", 12, pixel_use()),
            layer("layers.1", 2, vec![0.0, -2.0, 1.0, 0.0]),
        ]
    }

    /// Of the same image.
    fn pixel_use() -> Vec<f32> {
        let mut counts = vec![0.0; 12];
        counts[6] = 1.0;
        counts
    }

    #[test]
    fn each_weight_is_one_square_where_it_belongs() {
        let Svg(svg) = weights(&small(), 4).expect("weights");
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
        let svg = picture(&small(), 4, &pixel_use()).expect("weights");
        assert!(svg.as_str().contains("weights per pixel"));
        assert!(svg.as_str().contains("layers.1"));
        assert_eq!(picture(&small(), 4, &pixel_use()), Some(svg));
    }

    #[test]
    fn odd_weights_are_drawn_all_the_same() {
        let mut layers = small();
        layers[0].values = vec![f32::NAN, f32::INFINITY, -1.0];
        layers[1].inputs = 0;
        for width in [0, 1, 5, 12, usize::MAX] {
            assert!(weights(&layers, width).is_some());
            assert!(weights(&layers[1..], width).is_some());
            assert!(picture(&layers, width, &pixel_use()).is_some());
        }
        assert_eq!(weights(&[], 4), None);
    }

    #[test]
    fn what_is_too_large_is_not_drawn() {
        let mut layers = small();
        for inputs in [MOST_SQUARES + 1, usize::MAX] {
            layers[1].inputs = inputs;
            assert_eq!(weights(&layers, 4), None);
            assert_eq!(picture(&layers, 4, &pixel_use()), None);
        }
        for width in [MOST_SQUARES + 1, usize::MAX] {
            assert_eq!(pixels::pixels(width, &[1.0]), None);
        }
    }

    #[test]
    fn the_largest_that_is_drawn_fits_its_coordinates() {
        let mut layers = small();
        // Two squares are those of the second layer.
        layers[0].inputs = MOST_SQUARES - 4;
        layers[0].values = vec![0.0; layers[0].inputs];
        let counts = vec![0.0; MOST_SQUARES];
        for width in [0, 1, layers[0].inputs] {
            assert!(picture(&layers, width, &counts[..layers[0].inputs]).is_some());
        }
        layers[0].inputs = 1;
        assert!(weights(&layers, 1).is_some());
    }
}
