//! Quantization schemes: each fits a grid to the weights of a tensor and freezes it in a codec.
//!
//! Linear: [`LinearSymmetric`], [`LinearAffine`] (asymmetric, with a zero point). Non-linear:
//! [`Codebook`] (k-means), [`PowerOfTwo`].
//!
//! A new scheme is one new file and one line in [`REGISTRY`].

mod codebook;
mod least_squares; // tidy: allow(a helper of the linear schemes)
mod linear_affine;
mod linear_symmetric;
mod power_of_two;

use compress_core::codec::{Granularity, WeightCodec};
use compress_core::{Error as CoreError, Result};
use rayon::prelude::*;

pub use codebook::{Codebook, ZeroLevel};
pub use linear_affine::LinearAffine;
pub use linear_symmetric::LinearSymmetric;
pub use power_of_two::PowerOfTwo;

use crate::Error;
use crate::rounding::check_volume;

/// A way to represent weights with fewer bits.
pub trait Scheme: Send + Sync {
    /// Its name in the registry, in reports and on the command line.
    fn name(&self) -> &'static str;

    /// Fits a codec to the `weights` of the tensor `name`, row-major and of `shape`
    /// (`[out, in]`, or `[out]` for a bias).
    ///
    /// A tensor without values gets a valid codec too.
    ///
    /// # Errors
    /// Where the weights do not fill the shape, or one is NaN or infinite: the error names the
    /// tensor and the position.
    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>>;
}

/// How the range of a linear grid is chosen from the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// The whole range (min-max): no weight is clipped.
    AbsMax,
    /// The clipping with the least sum of squared errors, as far as a search finds it. Never worse
    /// than [`Range::AbsMax`].
    LeastSquares,
    /// This scale for every set of values; positive and finite.
    Fixed(f32),
}

/// The settings of a scheme that is made by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Bits of a code. A codebook has 2^bits levels.
    pub bits: u8,
    /// Which weights share a scale: per tensor, per channel or per group.
    pub granularity: Granularity,
    /// How the range of a linear grid is chosen.
    pub range: Range,
}

impl Default for Settings {
    /// Four bits, one scale per tensor, least squares.
    fn default() -> Self {
        Settings {
            bits: 4,
            granularity: Granularity::Tensor,
            range: Range::LeastSquares,
        }
    }
}

/// One line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The scheme's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes the scheme.
    pub make: fn(&Settings) -> Result<Box<dyn Scheme>>,
}

/// Every scheme.
pub const REGISTRY: &[Entry] = &[
    Entry {
        name: "linear_symmetric",
        about: "multiples of a scale, as many below zero as above",
        make: |s| boxed(LinearSymmetric::new(s.bits, s.granularity, s.range)?),
    },
    Entry {
        name: "linear_affine",
        about: "multiples of a scale, from a zero point",
        make: |s| boxed(LinearAffine::new(s.bits, s.granularity, s.range)?),
    },
    Entry {
        name: "codebook",
        about: "the levels that minimize the squared error; zeros stay zeros",
        make: |s| {
            whole_tensor("codebook", s)?;
            let levels = 1usize.checked_shl(s.bits.into()).unwrap_or(usize::MAX);
            boxed(Codebook::new(levels, ZeroLevel::Pinned)?)
        },
    },
    Entry {
        name: "power_of_two",
        about: "zero and signed powers of two",
        make: |s| {
            whole_tensor("power_of_two", s)?;
            boxed(PowerOfTwo::new(s.bits)?)
        },
    },
];

/// Makes the scheme of this name.
///
/// # Errors
/// Where there is no such scheme, or the settings are not allowed for it.
///
/// ```
/// use compress_quant::schemes::{Settings, by_name};
/// let scheme = by_name("codebook", &Settings::default())?;
/// let codec = scheme.fit("w", &[0.0, 0.5, -0.25, 0.5], &[2, 2])?;
/// assert_eq!(codec.encode("w", &[0.5, 0.0], &[1, 2])?.values()?, [0.5, 0.0]);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn by_name(name: &str, settings: &Settings) -> Result<Box<dyn Scheme>> {
    match REGISTRY.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.make)(settings),
        None => Err(Error::UnknownScheme {
            name: name.to_owned(),
            known: REGISTRY
                .iter()
                .map(|e| e.name)
                .collect::<Vec<_>>()
                .join(", "),
        }
        .into()),
    }
}

fn boxed(scheme: impl Scheme + 'static) -> Result<Box<dyn Scheme>> {
    Ok(Box::new(scheme))
}

/// Refuses settings that a grid for whole tensors would have to ignore.
fn whole_tensor(scheme: &str, settings: &Settings) -> Result<()> {
    if settings.granularity == Granularity::Tensor {
        return Ok(());
    }
    Err(CoreError::invalid(
        format!("granularity of {scheme}"),
        format!("{:?}", settings.granularity),
        "Tensor",
    ))
}

/// Checks what both linear schemes are given.
fn check_linear(scheme: &str, bits: u8, granularity: Granularity, range: Range) -> Result<()> {
    let what = |field: &str| format!("{field} of {scheme}");
    if !(2..=16).contains(&bits) {
        return Err(CoreError::invalid(what("bits"), bits, "2 to 16"));
    }
    if granularity == Granularity::Group(0) {
        return Err(CoreError::invalid(what("group size"), 0, "positive"));
    }
    match range {
        Range::Fixed(scale) if !(scale.is_finite() && scale > 0.0) => Err(CoreError::invalid(
            what("fixed scale"),
            scale,
            "positive and finite",
        )),
        _ => Ok(()),
    }
}

/// Applies `fit` to the weights of each set that shares a scale, in order. A tensor without values
/// gets `unused` for each set. If `fit` fails and a weight is not finite, the error names that
/// weight.
fn fit_sets<T: Clone + Send>(
    name: &str,
    weights: &[f32],
    shape: &[usize],
    granularity: Granularity,
    unused: T,
    fit: impl Fn(&[f32]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    check_volume(name, shape, weights.len())?;
    let ranges: Vec<_> = granularity.ranges(shape).collect();
    let fitted = ranges.into_par_iter().map(|range| fit(&weights[range]));
    let fitted: Result<Vec<T>> = fitted.collect();
    let in_place = |e| CoreError::check_finite(name, weights).err().unwrap_or(e);
    let mut sets = fitted.map_err(in_place)?;
    sets.resize(granularity.sets(shape), unused);
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_schemes_own() {
        for entry in REGISTRY {
            let scheme = (entry.make)(&Settings::default()).unwrap();
            assert_eq!(scheme.name(), entry.name);
            assert!(by_name(entry.name, &Settings::default()).is_ok());
        }
        let error = by_name("linear", &Settings::default()).err().unwrap();
        assert!(error.to_string().contains("linear_affine"), "{error}");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let base = Settings::default();
        for entry in REGISTRY {
            for bits in [0, 1, 17, 64, 255] {
                let settings = Settings { bits, ..base };
                let one_bit_codebook = entry.name == "codebook" && bits == 1;
                let refused = (entry.make)(&settings).is_err();
                assert_eq!(refused, !one_bit_codebook, "{} {bits}", entry.name);
            }
            let granularity = Granularity::Group(0);
            let settings = Settings {
                granularity,
                ..base
            };
            assert!((entry.make)(&settings).is_err(), "{}", entry.name);
        }
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let range = Range::Fixed(scale);
            assert!(LinearSymmetric::new(4, Granularity::Tensor, range).is_err());
            assert!(LinearAffine::new(4, Granularity::Tensor, range).is_err());
        }
    }
}
