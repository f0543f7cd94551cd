//! The codec of [`Grid::Codebook`]: the code of the nearest value.

use compress_core::codec::{Grid, WeightCodec};
use compress_core::{Error, Result};

use crate::rounding::{check_volume, reject_nan};

/// Up to this many values it is faster to compare with every threshold, many weights at once,
/// than to search.
const COMPARED: usize = 32;

/// Weights that are compared together.
const LANES: usize = 16;

/// Rounds to the nearest of a list of values; halfway, to the lower one.
#[derive(Clone, Debug, PartialEq)]
pub struct CodebookCodec {
    name: String,
    grid: Grid,
    values: Vec<f32>,
    /// A weight above `thresholds[i]` is nearer to `values[i + 1]` than to `values[i]`.
    thresholds: Vec<f32>,
}

impl CodebookCodec {
    /// The codec of the `values`, ascending and without repetition, for the tensor `name`.
    ///
    /// # Errors
    /// Where there are no values or more than 65,536, one is not finite, or they do not ascend.
    pub fn new(name: &str, values: Vec<f32>) -> Result<Self> {
        let grid = Grid::Codebook {
            values: values.clone(),
        };
        grid.validate(name, &[])?;
        if let Some(pair) = values.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Error::invalid(
                format!("codebook of {name}"),
                format!("{} before {}", pair[0], pair[1]),
                "ascending",
            ));
        }
        Ok(CodebookCodec {
            name: name.to_owned(),
            grid,
            thresholds: values.windows(2).map(|v| threshold(v[0], v[1])).collect(),
            values,
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        reject_nan(&self.name, weights)
    }

    /// Calls `each` with the index of every weight and its code.
    #[inline(always)]
    fn codes(&self, weights: &mut [f32], mut each: impl FnMut(&mut f32, usize, i32)) {
        let compared = if self.values.len() <= COMPARED {
            weights.len() / LANES * LANES
        } else {
            0
        };
        let (blocks, rest) = weights.split_at_mut(compared);
        for (block, lanes) in blocks.chunks_exact_mut(LANES).enumerate() {
            let mut codes = [0i32; LANES];
            for &t in &self.thresholds {
                for (code, &weight) in codes.iter_mut().zip(lanes.iter()) {
                    *code += i32::from(weight > t);
                }
            }
            for (lane, (weight, code)) in lanes.iter_mut().zip(codes).enumerate() {
                each(weight, block * LANES + lane, code);
            }
        }
        for (i, weight) in rest.iter_mut().enumerate() {
            let code = self.thresholds.partition_point(|t| *weight > *t);
            each(weight, compared + i, code as i32);
        }
    }
}

impl WeightCodec for CodebookCodec {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn encode_into(&self, weights: &[f32], shape: &[usize], codes: &mut [i32]) -> Result<()> {
        self.check(weights, shape)?;
        Error::check_shape(&self.name, &[weights.len()], &[codes.len()])?;
        for (code, weight) in codes.iter_mut().zip(weights) {
            *code = self.thresholds.partition_point(|t| *weight > *t) as i32;
        }
        Ok(())
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        self.codes(weights, |weight, _, code| {
            *weight = self.values[code as usize]
        });
        Ok(())
    }
}

/// The largest f32 that is not above the middle between `a` and `b`, exactly.
fn threshold(a: f32, b: f32) -> f32 {
    let (a, b) = (f64::from(a), f64::from(b));
    // The sum and what it lost by rounding (Knuth's two-sum).
    let sum = a + b;
    let b_part = sum - a;
    let lost = (a - (sum - b_part)) + (b - b_part);
    let middle = sum / 2.0;
    let nearest = middle as f32;
    let above = match f64::from(nearest).total_cmp(&middle) {
        std::cmp::Ordering::Equal => lost < 0.0,
        order => order.is_gt(),
    };
    if above { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact() {
        assert_eq!(threshold(1.0, 2.0), 1.5);
        assert_eq!(threshold(-1e-30, 1.0), 0.5f32.next_down());
        assert_eq!(threshold(1e-30, 1.0), 0.5);
        assert_eq!(threshold(-3.0, 3.0), 0.0);
        assert_eq!(threshold(f32::MIN, f32::MAX), 0.0);
        // Between neighbours the middle is no f32: the lower one stays below it.
        assert_eq!(threshold(1.0, 1.0f32.next_up()), 1.0);
        assert_eq!(threshold(-1.0f32.next_up(), -1.0), -1.0f32.next_up());
    }

    #[test]
    fn refuses_what_is_no_codebook() {
        for values in [vec![], vec![1.0, 1.0], vec![1.0, 0.0], vec![f32::NAN]] {
            assert!(CodebookCodec::new("w", values).is_err());
        }
    }
}
