//! The elastic grid: random displacements at 7 × 7 points, and their smooth interpolation.

use compress_core::rng::Stream;
use rand::Rng;

/// Points of the grid along each axis.
pub(super) const POINTS: usize = 7;

/// Displacements of rows, then of columns, at each point of the grid, in pixels.
pub(super) type Displacements = [[[f32; POINTS]; POINTS]; 2];

/// Draws displacements of the given deviation.
/// Draws displacements of the given standard deviation.
///
/// Each is the sum of four uniform bytes, centred. This looks normal (Irwin–Hall, n = 4), never
/// exceeds 3.5 standard deviations, and is exact arithmetic on every machine.
pub(super) fn draw(stream: &mut Stream, deviation: f32) -> Displacements {
    /// √(4 · (256² − 1) / 12), the deviation of the sum.
    const DEVIATION: f32 = 147.800_1;
    const MEAN: f32 = 510.0;
    let factor = deviation / DEVIATION;
    let mut bytes = [0; 4 * 2 * POINTS * POINTS];
    stream.fill_bytes(&mut bytes);
    let mut sums = bytes
        .chunks_exact(4)
        .map(|four| four.iter().map(|&b| u32::from(b)).sum::<u32>());
    let mut displacements = Displacements::default();
    for value in displacements.as_flattened_mut().as_flattened_mut() {
        *value = factor * (sums.next().unwrap_or(MEAN as u32) as f32 - MEAN);
    }
    displacements
}

/// For each of some pixels along an axis, the weights of the grid's points.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// `[POINTS][pixels]`.
    pub(super) by_point: Vec<Vec<f32>>,
    /// For each pixel the first of the four points whose weights are not all zero, and these.
    pub(super) by_pixel: Vec<(usize, [f32; 4])>,
}

impl Weights {
    /// The grid's outer points lie on the first and the last of `pixels`. Between points the
    /// displacement is a cubic through them (Catmull–Rom), beyond the outer ones constant.
    pub(super) fn new(pixels: usize) -> Self {
        let step = (POINTS - 1) as f32 / pixels.saturating_sub(1).max(1) as f32;
        let by_pixel: Vec<_> = (0..pixels)
            .map(|pixel| weights_at(pixel as f32 * step))
            .collect();
        let mut by_point = vec![vec![0.0; pixels]; POINTS];
        for (pixel, (first, weights)) in by_pixel.iter().enumerate() {
            for (offset, weight) in weights.iter().enumerate() {
                by_point[first + offset][pixel] += weight;
            }
        }
        Weights { by_point, by_pixel }
    }
}

/// The weights of four neighbouring points at `position`, in units of the grid.
///
/// # References
/// Keys, *Cubic convolution interpolation for digital image processing*, 1981, equation 15.
fn weights_at(position: f32) -> (usize, [f32; 4]) {
    let before = (position as usize).min(POINTS - 2);
    let t = position - before as f32;
    let cubic = [
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    ];
    // Points outside of the grid repeat its outermost.
    let first = before.saturating_sub(1).min(POINTS - 4);
    let mut weights = [0.0; 4];
    for (offset, weight) in cubic.into_iter().enumerate() {
        let point = (before + offset).saturating_sub(1).min(POINTS - 1);
        weights[point - first] += weight;
    }
    (first, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use compress_core::rng;

    #[test]
    fn displacements_have_the_deviation_asked_for() {
        let mut stream = rng::stream(1, "test");
        let values: Vec<f32> = (0..1000)
            .flat_map(|_| draw(&mut stream, 0.7))
            .flatten()
            .flatten()
            .collect();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let second = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 5.0 * 0.7 / n.sqrt());
        assert!((second.sqrt() / 0.7 - 1.0).abs() < 5.0 / n.sqrt());
    }

    #[test]
    fn weights_add_up_to_one_and_pass_through_the_points() {
        for pixels in [1, 2, 5, 7, 28, 31] {
            let weights = Weights::new(pixels);
            assert_eq!(weights.by_pixel.len(), pixels);
            for pixel in 0..pixels {
                let sum: f32 = weights.by_point.iter().map(|w| w[pixel]).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{pixels} {pixel} {sum}");
            }
        }
        let weights = Weights::new(7);
        for point in 0..7 {
            for pixel in 0..7 {
                let expected = f32::from(u8::from(pixel == point));
                assert!((weights.by_point[point][pixel] - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_straight_displacement_stays_straight_inside() {
        let weights = Weights::new(25);
        // Point p is displaced by p; pixel 4p lies on it.
        for pixel in 4..=20 {
            let value: f32 = (0..7).map(|p| p as f32 * weights.by_point[p][pixel]).sum();
            assert!((value - pixel as f32 / 4.0).abs() < 1e-5, "{pixel} {value}");
        }
    }
}
