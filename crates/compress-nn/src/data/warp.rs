//! Draws one distorted image: finds the place in the source for each pixel, then samples
//! bilinearly.

use super::augment::Distortion;
use super::elastic::{POINTS, Weights};

/// A border of zeros around the source, so that no pixel asks whether it is outside: a place
/// beyond the border is moved onto it, where all four neighbours are zero.
const BORDER: usize = 2;

/// What is the same for all images of one size.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    height: usize,
    width: usize,
    /// Columns of the source with its border.
    stride: usize,
    rows: Weights,
    columns: Weights,
}

/// Buffers of one task.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    /// The source with its border, `[height + 2·BORDER, stride]`.
    source: Vec<f32>,
    /// For rows and columns: the displacement at each row of the grid and each column of the
    /// image, `[POINTS, width]`.
    across: [Vec<f32>; 2],
    /// For each pixel of a row its source row and column, counted from the border's corner.
    place: [Vec<f32>; 2],
    /// For each pixel of a row the upper left of its four neighbours, and how far it lies below
    /// and to the right of it.
    corner: Vec<u32>,
    inside: [Vec<f32>; 2],
}

impl Geometry {
    pub(super) fn new(height: usize, width: usize) -> Self {
        Geometry {
            height,
            width,
            stride: width + 2 * BORDER,
            rows: Weights::new(height),
            columns: Weights::new(width),
        }
    }

    pub(super) fn scratch(&self) -> Scratch {
        let row = || vec![0.0; self.width];
        let across = || vec![0.0; POINTS * self.width];
        Scratch {
            source: vec![0.0; (self.height + 2 * BORDER) * self.stride],
            across: [across(), across()],
            place: [row(), row()],
            corner: vec![0; self.width],
            inside: [row(), row()],
        }
    }

    /// Writes the distorted `image` into `out`, both `[height, width]`; `out` in units of pixels,
    /// from 0 to 255.
    pub(super) fn warp(
        &self,
        image: &[u8],
        distortion: &Distortion,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        self.load(image, scratch);
        self.spread_across(distortion, scratch);
        for (y, out) in out.chunks_exact_mut(self.width).enumerate() {
            self.place_row(y, distortion, scratch);
            self.find_corners(scratch);
            self.sample_row(scratch, out);
        }
    }

    fn load(&self, image: &[u8], scratch: &mut Scratch) {
        let rows = scratch.source.chunks_exact_mut(self.stride).skip(BORDER);
        for (to, from) in rows.zip(image.chunks_exact(self.width)) {
            let to = &mut to[BORDER..BORDER + self.width];
            to.iter_mut()
                .zip(from)
                .for_each(|(to, &from)| *to = f32::from(from));
        }
    }

    /// Interpolates each row of the grid over the columns of the image.
    fn spread_across(&self, distortion: &Distortion, scratch: &mut Scratch) {
        for (across, grid) in scratch.across.iter_mut().zip(&distortion.elastic) {
            for (out, points) in across.chunks_exact_mut(self.width).zip(grid) {
                out.fill(0.0);
                for (&point, weights) in points.iter().zip(&self.columns.by_point) {
                    let pairs = out.iter_mut().zip(weights);
                    pairs.for_each(|(out, weight)| *out += point * weight);
                }
            }
        }
    }

    /// Where the pixels of row `y` come from, kept to the source and its border.
    fn place_row(&self, y: usize, distortion: &Distortion, scratch: &mut Scratch) {
        let centre = [self.height, self.width].map(|size| 0.5 * (size as f32 - 1.0));
        let (first, weights) = self.rows.by_pixel[y];
        let row = y as f32 - centre[0];
        let axes = [distortion.y, distortion.x];
        for (axis, [per_row, per_column]) in axes.into_iter().enumerate() {
            let begin = per_row * row + distortion.shift[axis] + centre[axis] + BORDER as f32;
            let size = [self.height, self.width][axis];
            let last = (size + BORDER) as f32;
            let across = &scratch.across[axis][first * self.width..];
            let (a, across) = across.split_at(self.width);
            let (b, across) = across.split_at(self.width);
            let (c, across) = across.split_at(self.width);
            let place = &mut scratch.place[axis];
            let four = a.iter().zip(b).zip(c).zip(across);
            for (x, (place, (((a, b), c), d))) in place.iter_mut().zip(four).enumerate() {
                let elastic = weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d;
                let column = x as f32 - centre[1];
                let wanted = begin + per_column * column + elastic;
                // Not `clamp`: these two become one instruction each.
                let wanted = if wanted > 1.0 { wanted } else { 1.0 };
                *place = if wanted < last { wanted } else { last };
            }
        }
    }

    fn find_corners(&self, scratch: &mut Scratch) {
        let [below, right] = &mut scratch.inside;
        let [y, x] = &scratch.place;
        let places = y.iter().zip(x);
        let inside = below.iter_mut().zip(right);
        for ((corner, (below, right)), (&y, &x)) in
            scratch.corner.iter_mut().zip(inside).zip(places)
        {
            let (row, column) = (y as i32, x as i32);
            *below = y - row as f32;
            *right = x - column as f32;
            *corner = (row * self.stride as i32 + column) as u32;
        }
    }

    fn sample_row(&self, scratch: &Scratch, out: &mut [f32]) {
        let [below, right] = &scratch.inside;
        let inside = below.iter().zip(right);
        for ((out, &corner), (&below, &right)) in out.iter_mut().zip(&scratch.corner).zip(inside) {
            let corner = corner as usize;
            // One check of bounds, which cannot fail because of the border (see `BORDER`).
            let near = &scratch.source[corner..corner + self.stride + 2];
            let top = near[0] + right * (near[1] - near[0]);
            let bottom = near[self.stride] + right * (near[self.stride + 1] - near[self.stride]);
            *out = top + below * (bottom - top);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::elastic::Displacements;

    const HEIGHT: usize = 9;
    const WIDTH: usize = 12;

    /// The value at a place of `image`, zero outside; in f64, and as plain as possible.
    fn bilinear(image: &[u8], y: f64, x: f64) -> f64 {
        let pixel = |row: f64, column: f64| {
            let inside =
                row >= 0.0 && column >= 0.0 && row < HEIGHT as f64 && column < WIDTH as f64;
            if inside {
                f64::from(image[row as usize * WIDTH + column as usize])
            } else {
                0.0
            }
        };
        let (row, column) = (y.floor(), x.floor());
        let (below, right) = (y - row, x - column);
        let line = |row| (1.0 - right) * pixel(row, column) + right * pixel(row, column + 1.0);
        (1.0 - below) * line(row) + below * line(row + 1.0)
    }

    fn image() -> Vec<u8> {
        (0..HEIGHT * WIDTH).map(|i| (i * 37 % 256) as u8).collect()
    }

    fn warp(distortion: &Distortion) -> Vec<f32> {
        let geometry = Geometry::new(HEIGHT, WIDTH);
        let mut scratch = geometry.scratch();
        let mut out = vec![f32::NAN; HEIGHT * WIDTH];
        geometry.warp(&image(), distortion, &mut scratch, &mut out);
        out
    }

    /// A displacement that is the same at all points of the grid is a shift, whatever the
    /// interpolation.
    #[test]
    fn samples_where_the_matrix_says() {
        for (y, x, shift, elastic) in [
            ([1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]),
            ([0.9, 0.2], [-0.3, 1.1], [0.7, -1.4], [0.0, 0.0]),
            ([1.3, -0.4], [0.1, 0.6], [-2.0, 3.5], [0.25, -0.75]),
            ([1.0, 0.0], [0.0, 1.0], [100.0, -100.0], [0.0, 0.0]),
            ([9.0, 5.0], [-7.0, 4.0], [0.1, 0.1], [1.5, 0.5]),
        ] {
            let mut grid = Displacements::default();
            grid[0].as_flattened_mut().fill(elastic[0]);
            grid[1].as_flattened_mut().fill(elastic[1]);
            let found = warp(&Distortion {
                y,
                x,
                shift,
                elastic: grid,
            });
            for (i, &found) in found.iter().enumerate() {
                let row = (i / WIDTH) as f64 - (HEIGHT - 1) as f64 / 2.0;
                let column = (i % WIDTH) as f64 - (WIDTH - 1) as f64 / 2.0;
                let place = |[a, b]: [f32; 2], axis: usize, size: usize| {
                    f64::from(a) * row
                        + f64::from(b) * column
                        + f64::from(shift[axis])
                        + f64::from(elastic[axis])
                        + (size - 1) as f64 / 2.0
                };
                let expected = bilinear(&image(), place(y, 0, HEIGHT), place(x, 1, WIDTH));
                // Places carry an error of a few 1e-6, and neighbours differ by up to 255.
                assert!(
                    (f64::from(found) - expected).abs() < 0.01,
                    "{i}: {found}, {expected}"
                );
            }
        }
    }

    #[test]
    fn nothing_moved_is_the_image_itself() {
        let distortion = Distortion {
            y: [1.0, 0.0],
            x: [0.0, 1.0],
            shift: [0.0; 2],
            elastic: Displacements::default(),
        };
        let expected: Vec<f32> = image().into_iter().map(f32::from).collect();
        assert_eq!(warp(&distortion), expected);
    }

    #[test]
    fn images_of_one_pixel_have_a_grid_too() {
        let geometry = Geometry::new(1, 1);
        let mut out = [0.0];
        let distortion = Distortion {
            y: [1.0, 0.0],
            x: [0.0, 1.0],
            shift: [0.5, 0.0],
            elastic: Displacements::default(),
        };
        geometry.warp(&[200], &distortion, &mut geometry.scratch(), &mut out);
        assert_eq!(out, [100.0]);
    }
}
