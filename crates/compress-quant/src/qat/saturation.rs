//! Where a grid saturates: all weights beyond these bounds get its outermost level.

use std::ops::Range;

use compress_core::codec::Grid;

/// For each set of values that share a scale: its positions, and the weights below and above which
/// the grid saturates. The bounds lie half a step outside of the outermost levels.
#[derive(Debug)]
pub(super) struct Saturation {
    sets: Vec<(Range<usize>, f32, f32)>,
}

impl Saturation {
    /// The bounds of a valid grid for a tensor of `shape`. Blocks have no grid, and never saturate.
    pub(super) fn of(grid: Option<&Grid>, shape: &[usize]) -> Self {
        let Some(grid) = grid else {
            return Saturation { sets: Vec::new() };
        };
        let count = shape.iter().product();
        let whole = |low, high| vec![(0..count, low, high)];
        let sets = match grid {
            Grid::Linear {
                granularity,
                scales,
                zero_points,
                ..
            } => {
                let (low, high) = grid.code_range();
                let ranges = granularity.ranges(shape).zip(scales).enumerate();
                let ends = ranges.map(|(set, (range, scale))| {
                    let zero = zero_points.get(set).copied().unwrap_or(0);
                    let end = |code: i32, half: f32| scale * ((code - zero) as f32 + half);
                    (range, end(low, -0.5), end(high, 0.5))
                });
                ends.collect()
            }
            Grid::Codebook { values } => {
                let (low, high) = outside(values);
                whole(low, high)
            }
            Grid::ScaledCodebook {
                values,
                granularity,
                scales,
            } => {
                let (low, high) = outside(values);
                let ranges = granularity.ranges(shape).zip(scales);
                let ends = ranges.map(|(range, scale)| (range, scale * low, scale * high));
                ends.collect()
            }
            Grid::PowerOfTwo { max_exponent, .. } => {
                let exponent = u64::try_from(i64::from(*max_exponent) + 1023).unwrap_or(0);
                let end = (1.5 * f64::from_bits(exponent << 52)) as f32;
                whole(-end, end)
            }
        };
        Saturation { sets }
    }

    /// Sets to zero the gradient of each weight for which the grid saturates.
    pub(super) fn clip(&self, weights: &[f32], gradient: &mut [f32]) {
        for (range, low, high) in &self.sets {
            let weights = &weights[range.clone()];
            for (gradient, weight) in gradient[range.clone()].iter_mut().zip(weights) {
                let inside = (*weight >= *low) & (*weight <= *high);
                *gradient = if inside { *gradient } else { 0.0 };
            }
        }
    }
}

/// Half the distance from `a` up to `b`, even where the distance is beyond f32.
fn half_gap(a: f32, b: f32) -> f32 {
    match b - a {
        f32::INFINITY => 0.5 * b - 0.5 * a,
        gap => 0.5 * gap,
    }
}

/// Half a step outside of the ends of a codebook.
fn outside(values: &[f32]) -> (f32, f32) {
    match (values, values.last_chunk()) {
        ([a, b, ..], Some([y, z])) => (a - half_gap(*a, *b), z + half_gap(*y, *z)),
        _ => (f32::NEG_INFINITY, f32::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use compress_core::codec::Granularity;

    fn clipped(grid: &Grid, shape: &[usize], weights: &[f32]) -> Vec<bool> {
        let mut gradient = vec![1.0; weights.len()];
        Saturation::of(Some(grid), shape).clip(weights, &mut gradient);
        gradient.iter().map(|g| *g == 0.0).collect()
    }

    #[test]
    fn half_a_step_outside_of_each_rows_levels() {
        let grid = Grid::Linear {
            bits: 3,
            granularity: Granularity::Channel,
            scales: vec![1.0, 2.0],
            zero_points: vec![],
        };
        let weights = [3.5, 3.6, -3.6, 7.0, 7.1, -3.6];
        let expected = [false, true, true, false, true, false];
        assert_eq!(clipped(&grid, &[2, 3], &weights), expected);
    }

    #[test]
    fn counts_from_the_zero_point() {
        let grid = Grid::Linear {
            bits: 2,
            granularity: Granularity::Tensor,
            scales: vec![1.0],
            zero_points: vec![1],
        };
        let weights = [-1.5, -1.6, 2.5, 2.6];
        assert_eq!(clipped(&grid, &[4], &weights), [false, true, false, true]);
    }

    #[test]
    fn codebooks_and_powers_of_two() {
        let values = vec![-1.0, 0.0, 4.0];
        let book = Grid::Codebook { values };
        let weights = [-1.5, -1.6, 6.0, 6.1];
        assert_eq!(clipped(&book, &[4], &weights), [false, true, false, true]);
        // The gap between these levels is beyond f32, half of it is not.
        let values = vec![-1e37, 3.4e38];
        let wide = Grid::Codebook { values };
        let weights = [-1.8e38, -1.9e38, f32::MAX];
        assert_eq!(clipped(&wide, &[3], &weights), [false, true, false]);
        let single = Grid::Codebook { values: vec![1.0] };
        assert_eq!(clipped(&single, &[2], &[-1e30, 1e30]), [false, false]);
        let scaled = Grid::ScaledCodebook {
            values: vec![-1.0, 0.0, 4.0],
            granularity: Granularity::Group(2),
            scales: vec![1.0, 10.0],
        };
        let weights = [-1.6, 6.1, -1.6, 61.0];
        assert_eq!(clipped(&scaled, &[4], &weights), [true, true, false, true]);
        let max_exponent = -1;
        let powers = Grid::PowerOfTwo {
            bits: 4,
            max_exponent,
        };
        assert_eq!(
            clipped(&powers, &[3], &[0.75, 0.76, -0.76]),
            [false, true, true]
        );
    }
}
