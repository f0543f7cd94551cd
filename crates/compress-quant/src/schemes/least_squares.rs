//! The squared error of a linear grid, and the search for the clipping that makes it small.
//!
//! The error as a function of the scale has many local minima: it is quadratic between any two
//! scales at which a weight changes its code. So the search has three parts: a sweep over scales, a
//! finer sweep around the best one, and then alternation between the exact minimum for fixed codes
//! and rounding again.
//!
//! # References
//! Shin, Hwang, Sung 2015 (1512.01322), for the turns of rounding and refitting the step size.

use compress_core::kernels::quantize::Steps;
use rayon::prelude::*;

/// Scales of the sweep, evenly spaced.
const SWEEP: usize = 64;

/// Scales of the finer sweep, over two spacings of the first.
const FINE: usize = 16;

/// Rounds of refitting and rounding again. They stop at the first that does not help.
const TURNS: usize = 8;

/// Weights from which on the candidates are evaluated in parallel.
const PARALLEL: usize = 1 << 14;

/// Partial sums, so that additions do not wait for each other. This number is part of the
/// definition of the result: it fixes the order of summation, together with the length.
const LANES: usize = 8;

/// The sum of squared errors of rounding `weights` to `steps`.
pub(super) fn squared_error(weights: &[f32], steps: &Steps) -> f64 {
    let mut sums = [0.0; LANES];
    let chunks = weights.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &w) in sums.iter_mut().zip(chunk) {
            let error = f64::from(w - steps.round(w));
            *sum += error * error;
        }
    }
    for (sum, &w) in sums.iter_mut().zip(rest) {
        let error = f64::from(w - steps.round(w));
        *sum += error * error;
    }
    sums.iter().sum()
}

/// Finds steps like `whole` with a scale of at most that of `whole` and a small squared error.
pub(super) fn search(weights: &[f32], whole: Steps) -> Steps {
    let spacing = whole.scale / SWEEP as f32;
    let mut best = (whole, squared_error(weights, &whole));
    sweep(weights, &mut best, |i| part(whole.scale, i + 1), SWEEP - 1);
    let from = best.0.scale - spacing;
    let fine = 2.0 * spacing / FINE as f32;
    sweep(
        weights,
        &mut best,
        |i| (from + i as f32 * fine).min(whole.scale),
        FINE,
    );
    refit(weights, &mut best, whole.scale);
    best.0
}

/// `count` of the [`SWEEP`] parts of `whole`.
fn part(whole: f32, count: usize) -> f32 {
    let product = whole * count as f32;
    if product.is_finite() {
        return product / SWEEP as f32;
    }
    // The product of f32 overflows although the part does not.
    (f64::from(whole) * count as f64 / SWEEP as f64) as f32
}

/// Replaces `best` by the first best of `count` scales, if that is better.
pub(super) fn sweep(
    weights: &[f32],
    best: &mut (Steps, f64),
    scale: impl Fn(usize) -> f32,
    count: usize,
) {
    let like = best.0;
    let candidates = (0..count)
        .map(|i| Steps {
            scale: scale(i),
            ..like
        })
        .filter(|steps| steps.scale >= f32::MIN_POSITIVE)
        .collect::<Vec<_>>();
    take_best(weights, best, &candidates);
}

/// Replaces `best` by the first best of the candidates, if that is better.
pub(super) fn take_best(weights: &[f32], best: &mut (Steps, f64), candidates: &[Steps]) {
    let errors: Vec<f64> = if weights.len() >= PARALLEL {
        let errors = candidates.par_iter().map(|s| squared_error(weights, s));
        errors.collect()
    } else {
        candidates
            .iter()
            .map(|s| squared_error(weights, s))
            .collect()
    };
    for (steps, error) in candidates.iter().zip(errors) {
        if error < best.1 {
            *best = (*steps, error);
        }
    }
}

/// Alternates between the best scale for the present steps, Σ w·step / Σ step², and rounding
/// anew, as long as the error falls.
pub(super) fn refit(weights: &[f32], best: &mut (Steps, f64), largest: f32) {
    for _ in 0..TURNS {
        let (mut product, mut square) = (0.0, 0.0);
        for &w in weights {
            let step = f64::from(best.0.step(w));
            product += f64::from(w) * step;
            square += step * step;
        }
        let scale = (product / square) as f32;
        // NaN where every step is zero.
        if !(scale >= f32::MIN_POSITIVE && scale <= largest) {
            return;
        }
        let steps = Steps { scale, ..best.0 };
        let error = squared_error(weights, &steps);
        if error >= best.1 {
            return;
        }
        *best = (steps, error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weights_are_searched_as_any_others() {
        // One outlier, so that the best scale is about half of the whole one.
        let mut weights: Vec<f32> = (0..100).map(|i| (0.4 + i as f32 * 1e-3) * 1.5).collect();
        weights.push(1.5);
        let found = |exponent: i32| {
            let unit = 2f32.powi(exponent);
            let weights: Vec<f32> = weights.iter().map(|w| w * unit).collect();
            search(&weights, Steps::new(1.5 * unit, (-1, 1), 0)).scale / unit
        };
        assert!(found(0) < 0.8);
        assert_eq!(found(127), found(0));
    }
}
