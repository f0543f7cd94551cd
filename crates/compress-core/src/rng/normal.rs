//! The normal distribution, by Marsaglia's polar method.
//!
//! A point of the unit disc, of squared radius s, gives two independent values: its coordinates
//! times √(−2 ln s / s). The logarithm is our own and the square root is IEEE's, so the bits do
//! not depend on the machine.
//!
//! # References
//! Marsaglia, Bray 1964, *A convenient method for generating normal variables*.

use rand::Rng;

use super::stream::Stream;
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::ops::scalar::ln_body;
use crate::{Error, Result};

/// Points whose logarithms are computed together.
const POINTS: usize = 64;

/// Points of the unit disc: coordinates and squared radius.
struct Points {
    x: [f32; POINTS],
    y: [f32; POINTS],
    s: [f32; POINTS],
}

/// A standard normal value: that which [`fill_normal`] writes first.
pub fn normal(stream: &mut Stream) -> f32 {
    let mut points = Points::new();
    points.draw(stream, 1);
    let mut pair = [0.0; 2];
    transform_at(Isa::Scalar, &points, 0.0, 1.0, &mut pair);
    pair[0]
}

/// Fills `out` with normal values of this mean and standard deviation. The second value of the
/// last point is dropped where the length is odd.
///
/// # Errors
/// Where `mean` is not finite or `deviation` is negative or not finite.
pub fn fill_normal(stream: &mut Stream, mean: f32, deviation: f32, out: &mut [f32]) -> Result<()> {
    if !mean.is_finite() {
        return Err(Error::invalid("a mean", mean, "finite"));
    }
    if !(deviation.is_finite() && deviation >= 0.0) {
        let expected = "finite and not negative";
        return Err(Error::invalid("a standard deviation", deviation, expected));
    }
    let isa = Isa::active()?;
    let mut points = Points::new();
    let mut values = [0.0; 2 * POINTS];
    for out in out.chunks_mut(2 * POINTS) {
        points.draw(stream, out.len().div_ceil(2));
        transform_at(isa, &points, mean, deviation, &mut values);
        out.copy_from_slice(&values[..out.len()]);
    }
    Ok(())
}

impl Points {
    /// Points that the transform can take.
    fn new() -> Self {
        Points {
            x: [0.0; POINTS],
            y: [0.0; POINTS],
            s: [0.5; POINTS],
        }
    }

    /// Draws the first `count` points.
    fn draw(&mut self, stream: &mut Stream, count: usize) {
        let mut coordinate = || (stream.next_u32() >> 8) as f32 * (1.0 / 8_388_608.0) - 1.0;
        let points = self.x.iter_mut().zip(&mut self.y).zip(&mut self.s);
        for ((x, y), s) in points.take(count) {
            loop {
                (*x, *y) = (coordinate(), coordinate());
                *s = *x * *x + *y * *y;
                if *s > 0.0 && *s < 1.0 {
                    break;
                }
            }
        }
    }
}

by_level! {
    /// Writes two values for each point, or as many as `out` takes.
    fn transform_at(points: &Points, mean: f32, deviation: f32, out: &mut [f32]) = transform;
}

#[inline(always)]
fn transform(points: &Points, mean: f32, deviation: f32, out: &mut [f32]) {
    let points = points.x.iter().zip(&points.y).zip(&points.s);
    for (pair, ((x, y), &s)) in out.chunks_exact_mut(2).zip(points) {
        let factor = (-2.0 * ln_body(s) / s).sqrt();
        pair[0] = deviation.mul_add(x * factor, mean);
        pair[1] = deviation.mul_add(y * factor, mean);
    }
}
