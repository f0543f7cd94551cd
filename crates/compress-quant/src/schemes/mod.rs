//! Quantization schemes: each fits a grid to the weights of a tensor and freezes it in a codec.
//!
//! Linear: [`LinearSymmetric`], [`LinearAffine`] (asymmetric, with a zero point). Non-linear:
//! [`Codebook`] (k-means), [`PowerOfTwo`], [`Nf4`]. ggml's: [`Blocks`].
//!
//! A new scheme is one new file and one line in [`REGISTRY`].

mod blocks;
mod codebook;
mod least_squares; // tidy: allow(a helper of the linear schemes)
mod linear_affine;
mod linear_symmetric;
mod nf4;
mod power_of_two;

use compress_core::codec::Granularity;
use compress_core::kernels::block_format::BlockFormat;
use compress_core::registry::{Named, look_up};
use compress_core::{Error as CoreError, Result};

pub use blocks::Blocks;
pub use codebook::{Codebook, ZeroLevel};
pub use linear_affine::LinearAffine;
pub use linear_symmetric::LinearSymmetric;
pub use nf4::Nf4;
pub use power_of_two::PowerOfTwo;

pub use crate::scheme::{Range, Scheme};

/// The settings of a scheme that is made by name. What is not set is the scheme's own choice; what a
/// scheme has no use for is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// Bits of a code; 4 where it is not set. A codebook has 2^bits levels.
    pub bits: Option<u8>,
    /// Which weights share a scale: per tensor, per channel or per group. Per tensor where it is not
    /// set, but for schemes of groups.
    pub granularity: Option<Granularity>,
    /// How the range of a linear grid is chosen; by least squares where it is not set.
    pub range: Option<Range>,
}

impl Settings {
    fn bits(&self) -> u8 {
        self.bits.unwrap_or(4)
    }

    fn granularity(&self) -> Granularity {
        self.granularity.unwrap_or(Granularity::Tensor)
    }

    fn range(&self) -> Range {
        self.range.unwrap_or(Range::LeastSquares)
    }

    /// Refuses settings that `scheme` would have to ignore.
    fn check_unused(&self, scheme: &str, unused: &[Setting]) -> Result<()> {
        for setting in unused {
            let (field, found) = match setting {
                Setting::Bits => ("bits", self.bits.map(|bits| bits.to_string())),
                Setting::Granularity => ("granularity", self.granularity.map(|g| format!("{g:?}"))),
                Setting::Range => ("range", self.range.map(|range| format!("{range:?}"))),
            };
            if let Some(found) = found {
                let what = format!("{field} of {scheme}");
                return Err(CoreError::invalid(what, found, "not set: it has its own"));
            }
        }
        Ok(())
    }
}

/// A field of [`Settings`].
enum Setting {
    Bits,
    Granularity,
    Range,
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

impl Named for Entry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// Every scheme.
pub const REGISTRY: &[Entry] = &[
    Entry {
        name: "linear_symmetric",
        about: "multiples of a scale, as many below zero as above",
        make: |s| boxed(LinearSymmetric::new(s.bits(), s.granularity(), s.range())?),
    },
    Entry {
        name: "linear_affine",
        about: "multiples of a scale, from a zero point",
        make: |s| boxed(LinearAffine::new(s.bits(), s.granularity(), s.range())?),
    },
    Entry {
        name: "codebook",
        about: "the levels that minimize the squared error; zeros stay zeros",
        make: |s| {
            s.check_unused("codebook", &[Setting::Granularity, Setting::Range])?;
            let levels = 1usize.checked_shl(s.bits().into()).unwrap_or(usize::MAX);
            boxed(Codebook::new(levels, ZeroLevel::Pinned)?)
        },
    },
    Entry {
        name: "power_of_two",
        about: "zero and signed powers of two",
        make: |s| {
            s.check_unused("power_of_two", &[Setting::Granularity, Setting::Range])?;
            boxed(PowerOfTwo::new(s.bits())?)
        },
    },
    Entry {
        name: "nf4",
        about: "16 quantiles of a normal distribution, scaled for each group of 64",
        make: |s| {
            s.check_unused("nf4", &[Setting::Bits, Setting::Range])?;
            boxed(s.granularity.map_or(Ok(Nf4::default()), Nf4::new)?)
        },
    },
    Entry {
        name: "q8_0",
        about: "ggml's blocks of 32 with a scale, 8.5 bits a weight",
        make: |s| blocks(BlockFormat::Q8_0, s),
    },
    Entry {
        name: "q4_0",
        about: "ggml's blocks of 32 with a scale, 4.5 bits a weight",
        make: |s| blocks(BlockFormat::Q4_0, s),
    },
    Entry {
        name: "q4_1",
        about: "ggml's blocks of 32 with a scale and a minimum, 5 bits a weight",
        make: |s| blocks(BlockFormat::Q4_1, s),
    },
    Entry {
        name: "q5_0",
        about: "ggml's blocks of 32 with a scale, 5.5 bits a weight",
        make: |s| blocks(BlockFormat::Q5_0, s),
    },
    Entry {
        name: "q5_1",
        about: "ggml's blocks of 32 with a scale and a minimum, 6 bits a weight",
        make: |s| blocks(BlockFormat::Q5_1, s),
    },
    Entry {
        name: "q2_k",
        about: "ggml's blocks of 16 groups of 16 with a scale and a minimum, 2.625 bits a weight",
        make: |s| blocks(BlockFormat::Q2_K, s),
    },
    Entry {
        name: "q3_k",
        about: "ggml's blocks of 16 groups of 16 with a scale, 3.4375 bits a weight",
        make: |s| blocks(BlockFormat::Q3_K, s),
    },
    Entry {
        name: "q4_k",
        about: "ggml's blocks of 8 groups of 32 with a scale and a minimum, 4.5 bits a weight",
        make: |s| blocks(BlockFormat::Q4_K, s),
    },
    Entry {
        name: "q5_k",
        about: "ggml's blocks of 8 groups of 32 with a scale and a minimum, 5.5 bits a weight",
        make: |s| blocks(BlockFormat::Q5_K, s),
    },
    Entry {
        name: "q6_k",
        about: "ggml's blocks of 16 groups of 16 with a scale, 6.5625 bits a weight",
        make: |s| blocks(BlockFormat::Q6_K, s),
    },
    Entry {
        name: "iq4_nl",
        about: "ggml's blocks of 32 with a scale, 16 levels denser near zero, 4.5 bits a weight",
        make: |s| blocks(BlockFormat::IQ4_NL, s),
    },
    Entry {
        name: "iq4_xs",
        about: "ggml's blocks of 8 groups of 32 with a scale, levels of iq4_nl, 4.25 bits a weight",
        make: |s| blocks(BlockFormat::IQ4_XS, s),
    },
    Entry {
        name: "mxfp4",
        about: "floats of 4 bits, a power of two for each 32, 4.25 bits a weight",
        make: |s| blocks(BlockFormat::MXFP4, s),
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
    (look_up("quantization scheme", REGISTRY, name)?.make)(settings)
}

fn boxed(scheme: impl Scheme + 'static) -> Result<Box<dyn Scheme>> {
    Ok(Box::new(scheme))
}

fn blocks(format: BlockFormat, settings: &Settings) -> Result<Box<dyn Scheme>> {
    let unused = [Setting::Bits, Setting::Granularity, Setting::Range];
    settings.check_unused(format.name(), &unused)?;
    boxed(Blocks::new(format))
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
                let settings = Settings {
                    bits: Some(bits),
                    ..base
                };
                let one_bit_codebook = entry.name == "codebook" && bits == 1;
                let refused = (entry.make)(&settings).is_err();
                assert_eq!(refused, !one_bit_codebook, "{} {bits}", entry.name);
            }
            let granularity = Some(Granularity::Group(0));
            let settings = Settings {
                granularity,
                ..base
            };
            assert!((entry.make)(&settings).is_err(), "{}", entry.name);
        }
        let settings = Settings {
            range: Some(Range::AbsMax),
            ..base
        };
        for name in ["codebook", "power_of_two", "nf4", "q8_0", "q4_k"] {
            let refused = by_name(name, &settings).err().unwrap().to_string();
            assert!(refused.contains(&format!("range of {name}")), "{refused}");
        }
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let range = Range::Fixed(scale);
            assert!(LinearSymmetric::new(4, Granularity::Tensor, range).is_err());
            assert!(LinearAffine::new(4, Granularity::Tensor, range).is_err());
        }
    }
}
