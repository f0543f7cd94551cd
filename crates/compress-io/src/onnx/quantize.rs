//! Codes of weights: what a receiver multiplies by scales.

use compress_core::tensor::volume;
use compress_core::{Error, Result};

use super::uses::Axes;

/// A weight that is to be quantized.
#[derive(Clone, Debug)]
pub struct Weight<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its values, row-major.
    pub values: &'a [f32],
    /// What its axes are.
    pub axes: Axes,
    /// Which values share a scale, and which codes there are.
    pub layout: &'a Layout,
}

/// Which values of a tensor share a scale, and which codes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Vec<usize>,
    axis: usize,
    block: Option<usize>,
    largest: i8,
}

/// Codes and scales: a value is code · scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Codes {
    /// A code for each value, in their order.
    pub codes: Vec<i8>,
    /// Scales, row-major in [`Layout::scales_shape`]. Positive and finite.
    pub scales: Vec<f32>,
}

/// Makes codes of weights.
pub trait Quantizer: Send + Sync {
    /// The codes of a weight. The same weight always has the same, since it may be asked for twice.
    ///
    /// # Errors
    /// Those of the algorithm. Name the weight.
    fn quantize(&self, weight: &Weight<'_>) -> Result<Codes>;
}

/// Rounds each value to the nearest code, ties to even.
///
/// # References
/// Jacob et al. 2018, *Quantization and training of neural networks for efficient
/// integer-arithmetic-only inference* (1712.05877), with ranges that are symmetric about zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundToNearest {
    /// The scales, as [`Codes::scales`] has them. Without them each is the largest magnitude that it
    /// is for, divided by the largest code.
    pub scales: Option<Vec<f32>>,
}

impl Layout {
    /// One scale for each position of an axis, and codes of 8 bits.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn channels(shape: &[usize], axis: usize) -> Result<Self> {
        Layout::new(shape, axis, None, 127)
    }

    /// One scale for `block` values along an axis, for each position of the others, and codes of 4
    /// bits.
    ///
    /// # Errors
    /// Where there is no such axis, or a block has no values.
    pub fn blocks(shape: &[usize], axis: usize, block: usize) -> Result<Self> {
        match block {
            0 => Err(Error::invalid("the length of a block", 0, "at least 1")),
            _ => Layout::new(shape, axis, Some(block), 7),
        }
    }

    fn new(shape: &[usize], axis: usize, block: Option<usize>, largest: i8) -> Result<Self> {
        if axis >= shape.len() {
            let expected = format!("less than {}, the number of axes", shape.len());
            return Err(Error::invalid("the axis of scales", axis, expected));
        }
        Ok(Layout {
            shape: shape.to_vec(),
            axis,
            block,
            largest,
        })
    }

    /// The shape of the tensor.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The axis along which scales differ. All other axes share them, unless there are blocks.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// How many values along the axis share a scale. With blocks, each position of the other axes has
    /// scales of its own.
    pub fn block(&self) -> Option<usize> {
        self.block
    }

    /// The largest code: 127 or 7. The least is one below its negative.
    pub fn largest(&self) -> i8 {
        self.largest
    }

    /// Positions along the axis, and the number of values between two of them.
    fn along(&self) -> (usize, usize) {
        (self.shape[self.axis], volume(&self.shape[self.axis + 1..]))
    }

    /// The shape of the scales: one axis, or as many as the tensor has.
    pub fn scales_shape(&self) -> Vec<usize> {
        let Some(block) = self.block else {
            return vec![self.shape[self.axis]];
        };
        let mut shape = self.shape.clone();
        shape[self.axis] = shape[self.axis].div_ceil(block);
        shape
    }

    /// Which scale the value at a position has, which is less than the number of values.
    pub fn scale_of(&self, position: usize) -> usize {
        let (length, stride) = self.along();
        let along = position / stride % length;
        match self.block {
            None => along,
            Some(block) => {
                let before = position / (length * stride);
                let blocks = length.div_ceil(block);
                (before * blocks + along / block) * stride + position % stride
            }
        }
    }

    /// Checks codes that somebody made.
    ///
    /// # Errors
    /// Names the tensor: where there are too few or too many, or one is out of range.
    pub fn check(&self, name: &str, codes: &Codes) -> Result<()> {
        let count = |what: &str, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(Error::invalid(
                format!("the number of {what} of {name}"),
                found,
                expected.to_string(),
            )),
        };
        count("codes", codes.codes.len(), volume(&self.shape))?;
        count("scales", codes.scales.len(), volume(&self.scales_shape()))?;
        let range = -self.largest - 1..=self.largest;
        if let Some(code) = codes.codes.iter().find(|code| !range.contains(code)) {
            let expected = format!("{} to {}", range.start(), range.end());
            return Err(Error::invalid(format!("a code of {name}"), code, expected));
        }
        let is_scale = |scale: &f32| scale.is_finite() && *scale > 0.0;
        match codes.scales.iter().find(|scale| !is_scale(scale)) {
            Some(scale) => {
                let what = format!("a scale of {name}");
                Err(Error::invalid(what, scale, "positive and finite"))
            }
            None => Ok(()),
        }
    }
}

impl Quantizer for RoundToNearest {
    fn quantize(&self, weight: &Weight<'_>) -> Result<Codes> {
        let layout = weight.layout;
        Error::check_shape(
            weight.name,
            &[volume(&layout.shape)],
            &[weight.values.len()],
        )?;
        for (index, &value) in weight.values.iter().enumerate() {
            if !value.is_finite() {
                let what = weight.name.to_owned();
                return Err(Error::NonFinite { what, index, value });
            }
        }
        let scales = match &self.scales {
            Some(scales) => scales.clone(),
            None => largest(weight),
        };
        let mut codes = Codes {
            codes: vec![0; weight.values.len()],
            scales,
        };
        layout.check(weight.name, &codes)?;
        let most = f32::from(layout.largest);
        for (position, (code, value)) in codes.codes.iter_mut().zip(weight.values).enumerate() {
            let scaled = value / codes.scales[layout.scale_of(position)];
            *code = scaled.round_ties_even().clamp(-most, most) as i8;
        }
        Ok(codes)
    }
}

/// The scales by which the largest magnitudes have the largest code. Where all values are zero, or so
/// small that a scale would not be a normal number, it is 1.
fn largest(weight: &Weight<'_>) -> Vec<f32> {
    let layout = weight.layout;
    let mut scales = vec![0.0_f32; volume(&layout.scales_shape())];
    for (position, value) in weight.values.iter().enumerate() {
        let scale = &mut scales[layout.scale_of(position)];
        *scale = scale.max(value.abs());
    }
    for scale in &mut scales {
        *scale /= f32::from(layout.largest);
        if !scale.is_normal() {
            *scale = 1.0;
        }
    }
    scales
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(shape: &[usize], axis: usize, block: Option<usize>, values: &[f32]) -> Codes {
        let layout = Layout::new(shape, axis, block, 7).unwrap();
        let axes = Axes {
            outputs: 0,
            inputs: 1,
        };
        let name = "w";
        let weight = Weight {
            name,
            values,
            axes,
            layout: &layout,
        };
        RoundToNearest::default().quantize(&weight).unwrap()
    }

    #[test]
    fn scales_run_along_their_axis() {
        let values = [7.0, -14.0, 1.0, 0.0, 2.0, 3.0];
        let made = codes(&[2, 3], 0, None, &values);
        assert_eq!(made.scales, [2.0, 3.0 / 7.0]);
        assert_eq!(
            made.codes,
            [4, -7, 0, 0, 5, 7],
            "3.5 and 0.5 go to the even"
        );
        let made = codes(&[2, 3], 1, None, &values);
        assert_eq!(made.scales, [1.0, 2.0, 3.0 / 7.0]);
        let made = codes(&[2, 3], 1, Some(2), &values);
        assert_eq!(made.scales, [2.0, 1.0 / 7.0, 2.0 / 7.0, 3.0 / 7.0]);
        let made = codes(&[3, 2], 0, Some(2), &values);
        assert_eq!(made.scales, [1.0, 2.0, 2.0 / 7.0, 3.0 / 7.0]);
        assert_eq!(codes(&[2], 0, None, &[0.0, 1e-44]).scales, [1.0, 1.0]);
    }
}
