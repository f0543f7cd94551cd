//! The specification, output by output. See the module for what it computes.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::activations::{lane_sum, scale_of};
use super::panels::{BLOCK, Kind, Panels, SUPER};

/// The product with f32 activations.
pub(super) fn floats(
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    mut y: ArrayViewMut2<'_, f32>,
) {
    for ((i, j), y) in y.indexed_iter_mut() {
        let mut sum = bias.map_or(0.0, |bias| bias[j]);
        for group in 0..weights.groups() {
            let ks = group * weights.group..weights.k.min((group + 1) * weights.group);
            let value = |k| weights.value(weights.code(j, k));
            let chain = ks
                .clone()
                .fold(0.0f32, |sum, k| value(k).mul_add(x[(i, k)], sum));
            let (scale, minimum) = weights.scale(j, group);
            sum = scale.mul_add(chain, sum);
            if weights.kind.has_minimum() {
                let row: Vec<f32> = ks.map(|k| x[(i, k)]).collect();
                sum = minimum.mul_add(lane_sum(&row), sum);
            }
        }
        *y = sum;
    }
}

/// The product with activations of 8 bits.
pub(super) fn integers(
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    mut y: ArrayViewMut2<'_, f32>,
) {
    let unit = weights.kind.unit();
    for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
        let x = x.to_vec();
        let units: Vec<_> = x.chunks(unit).map(quantize).collect();
        for (j, y) in y.iter_mut().enumerate() {
            *y = bias.map_or(0.0, |bias| bias[j]);
            for (at, (scale, codes)) in units.iter().enumerate() {
                *y = match weights.kind {
                    Kind::K4 | Kind::K6 => superblock(weights, j, at, *scale, codes, *y),
                    _ => block(weights, j, at, *scale, codes, *y),
                };
            }
        }
    }
}

/// The scale and the codes of a unit of activations.
fn quantize(x: &[f32]) -> (f32, Vec<i32>) {
    let (scale, inverse) = scale_of(x);
    let codes = x.iter().map(|x| (x * inverse).round_ties_even() as i32);
    (scale, codes.collect())
}

/// The exact sum of products over some k, which begin at `start`.
fn dot(weights: &Panels, j: usize, start: usize, codes: &[i32]) -> i32 {
    let products = codes.iter().enumerate();
    products
        .map(|(i, code)| code * weights.integer(weights.code(j, start + i)))
        .sum()
}

fn block(weights: &Panels, j: usize, at: usize, scale_x: f32, codes: &[i32], sum: f32) -> f32 {
    let (scale, minimum) = weights.scale(j, at * BLOCK / weights.group);
    let dot = dot(weights, j, at * BLOCK, codes) as f32;
    let sum = dot.mul_add(scale * weights.step * scale_x, sum);
    if weights.kind.has_minimum() {
        let x = codes.iter().sum::<i32>() as f32 * scale_x;
        return minimum.mul_add(x, sum);
    }
    sum
}

fn superblock(weights: &Panels, j: usize, at: usize, scale_x: f32, codes: &[i32], sum: f32) -> f32 {
    let (d, dmin) = weights.super_scale(j, at);
    let (mut dots, mut least) = (0.0f32, 0);
    for (group, codes) in codes.chunks(weights.group).enumerate() {
        let (scale, minimum) = weights.super_codes(j, at, group);
        let dot = dot(weights, j, at * SUPER + group * weights.group, codes);
        dots = (dot as f32).mul_add(scale as f32, dots);
        least += minimum * codes.iter().sum::<i32>();
    }
    let sum = d.mul_add(dots * scale_x, sum);
    if weights.kind.has_minimum() {
        return (-dmin).mul_add(least as f32 * scale_x, sum);
    }
    sum
}
