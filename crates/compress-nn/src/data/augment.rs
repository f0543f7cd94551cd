//! Data augmentation: how far an image may be distorted, and the draw of one distortion.

use compress_core::ops::trigonometry::{cos, sin};
use compress_core::rng::{Stream, uniform};
use compress_core::{Result, ops};
use serde::{Deserialize, Serialize};

use super::elastic::{self, Displacements};
use crate::ranges::{check, not_negative};

/// Random affine and elastic distortion of images. One strength is drawn for each image,
/// uniform from `min_strength` to `max_strength`; it scales everything else.
///
/// # References
/// Simard, Steinkraus, Platt, *Best Practices for Convolutional Neural Networks*, 2003 (elastic
/// distortion); Cireşan et al., 1003.0358, section 2 (affine and elastic together, on MNIST).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// The smallest strength, not above the largest.
    pub min_strength: f32,
    /// The largest strength; 1 reaches the limits below, 0 changes nothing.
    pub max_strength: f32,
    /// Rotation about the centre, in degrees in either direction.
    pub rotation: f32,
    /// The natural logarithm of the scale along each axis, to either side.
    pub log_scale: f32,
    /// Shear, in columns per row in either direction.
    pub shear: f32,
    /// Shift along each axis, in pixels in either direction.
    pub shift: f32,
    /// The standard deviation of the displacement of each point of the elastic grid along each
    /// axis, in pixels.
    pub elastic: f32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation {
            min_strength: 0.0,
            max_strength: 1.0,
            rotation: 12.0,
            log_scale: 0.12,
            shear: 0.15,
            shift: 1.6,
            elastic: 0.7,
        }
    }
}

impl Augmentation {
    /// Sets another largest strength.
    #[must_use]
    pub fn with_max_strength(self, max_strength: f32) -> Self {
        Augmentation {
            max_strength,
            ..self
        }
    }

    /// Fails where a field is negative, not finite, or so large that an image would be turned by
    /// more than a quarter or scaled by more than e³.
    pub fn validate(&self) -> Result<()> {
        not_negative("max_strength", self.max_strength)?;
        not_negative("min_strength", self.min_strength)?;
        let most = format!("at most {}", self.max_strength);
        let fine = self.min_strength <= self.max_strength;
        check(fine, "min_strength", self.min_strength, &most)?;
        for (what, value, most) in [
            ("rotation", self.rotation, 90.0),
            ("log_scale", self.log_scale, 3.0),
            ("shear", self.shear, 100.0),
            ("shift", self.shift, 1e4),
            ("elastic", self.elastic, 1e4),
        ] {
            not_negative(what, value)?;
            let reached = value * self.max_strength;
            let fine = reached <= most;
            check(
                fine,
                &format!("{what} times max_strength"),
                reached,
                &format!("at most {most}"),
            )?;
        }
        Ok(())
    }

    /// Draws a distortion: at most 106 words of the stream.
    pub(super) fn draw(&self, stream: &mut Stream) -> Result<Distortion> {
        let range = self.max_strength - self.min_strength;
        let strength = range.mul_add(uniform(stream), self.min_strength);
        let mut either = |limit: f32| strength * limit * (2.0 * uniform(stream) - 1.0);
        let angle = f64::from(either(self.rotation)).to_radians();
        let (shear, shift) = (either(self.shear), [either(self.shift), either(self.shift)]);
        let mut scale = [either(self.log_scale), either(self.log_scale)];
        ops::elementwise::exp(&mut scale)?;
        let (sine, cosine) = (sin(angle) as f32, cos(angle) as f32);
        let [y_scale, x_scale] = scale;
        Ok(Distortion {
            // Rotation · shear · scale.
            y: [cosine * y_scale + sine * (shear * y_scale), sine * x_scale],
            x: [
                cosine * (shear * y_scale) - sine * y_scale,
                cosine * x_scale,
            ],
            shift,
            elastic: elastic::draw(stream, strength * self.elastic),
        })
    }
}

/// Where each pixel of a distorted image comes from: relative to the centre,
/// `source = matrix · (row, column) + shift + elastic displacement`.
#[derive(Clone, Debug)]
pub(super) struct Distortion {
    /// The source row per row and per column.
    pub(super) y: [f32; 2],
    /// The source column per row and per column.
    pub(super) x: [f32; 2],
    /// Rows, then columns.
    pub(super) shift: [f32; 2],
    /// The displacements at the points of the grid.
    pub(super) elastic: Displacements,
}
