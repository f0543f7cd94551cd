//! How a file stores the values of a tensor.

use std::fmt;

use compress_core::kernels::block_format::BlockFormat;
use compress_core::tensor::volume;
use compress_core::{Error, Result};

/// The type of a tensor's elements. Multi-byte values are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// A byte that is 0 or 1.
    Bool,
    /// 8 bits, unsigned.
    U8,
    /// 8 bits, signed.
    I8,
    /// 16 bits, unsigned.
    U16,
    /// 16 bits, signed.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, signed.
    I32,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, signed.
    I64,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    BF16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Two f32: a real and an imaginary part.
    C64,
    /// Two f64: a real and an imaginary part.
    C128,
    /// 4 bits of exponent, 3 of mantissa, no infinities (OFP8).
    F8E4M3,
    /// 5 bits of exponent, 2 of mantissa (OFP8).
    F8E5M2,
    /// As [`Dtype::F8E4M3`], with an exponent bias of 8 and one zero.
    F8E4M3Fnuz,
    /// As [`Dtype::F8E5M2`], with an exponent bias of 16 and one zero.
    F8E5M2Fnuz,
    /// A power of two, as scales of the MX formats have it.
    F8E8M0,
    /// 6 bits: 2 of exponent, 3 of mantissa.
    F6E2M3,
    /// 6 bits: 3 of exponent, 2 of mantissa.
    F6E3M2,
    /// 4 bits: 2 of exponent, 1 of mantissa; two in a byte.
    F4E2M1,
    /// 4 bits, unsigned; two in a byte.
    U4,
    /// 4 bits, signed; two in a byte.
    I4,
    /// Blocks of ggml.
    Block(BlockFormat),
    /// Blocks of ggml that are copied and never read.
    Opaque(OpaqueBlock),
}

/// Blocks of ggml whose values nothing here reads: those that a program computes with and no file
/// should hold, and those that are newer than their readers. Their sizes are known, so that a file
/// which has them can be copied.
#[expect(non_camel_case_types, reason = "the names are ggml's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpaqueBlock {
    /// `Q8_0` with the sum of each block, as products read it.
    Q8_1,
    /// 8 bits with the sums of groups of 16, as products read it.
    Q8_K,
    /// 1 bit, a scale for each 128 weights.
    Q1_0,
    /// 2 bits, a scale for each 64 weights.
    Q2_0,
}

impl OpaqueBlock {
    /// All of them.
    pub const ALL: [OpaqueBlock; 4] = [Self::Q8_1, Self::Q8_K, Self::Q1_0, Self::Q2_0];

    /// Its name, ggml's number, values and bytes of a block.
    const fn facts(self) -> (&'static str, u32, usize, usize) {
        match self {
            Self::Q8_1 => ("q8_1", 9, 32, 2 + 2 + 32),
            Self::Q8_K => ("q8_k", 15, 256, 4 + 256 + 2 * 16),
            Self::Q1_0 => ("q1_0", 41, 128, 2 + 16),
            Self::Q2_0 => ("q2_0", 42, 64, 2 + 16),
        }
    }

    /// Its number among ggml's types.
    pub const fn ggml_type(self) -> u32 {
        self.facts().1
    }
}

impl Dtype {
    /// All types but those in blocks.
    const PLAIN: [(Dtype, &'static str, u64); 25] = [
        (Dtype::Bool, "bool", 8),
        (Dtype::U8, "u8", 8),
        (Dtype::I8, "i8", 8),
        (Dtype::U16, "u16", 16),
        (Dtype::I16, "i16", 16),
        (Dtype::U32, "u32", 32),
        (Dtype::I32, "i32", 32),
        (Dtype::U64, "u64", 64),
        (Dtype::I64, "i64", 64),
        (Dtype::F16, "f16", 16),
        (Dtype::BF16, "bf16", 16),
        (Dtype::F32, "f32", 32),
        (Dtype::F64, "f64", 64),
        (Dtype::C64, "c64", 64),
        (Dtype::C128, "c128", 128),
        (Dtype::F8E4M3, "f8_e4m3", 8),
        (Dtype::F8E5M2, "f8_e5m2", 8),
        (Dtype::F8E4M3Fnuz, "f8_e4m3fnuz", 8),
        (Dtype::F8E5M2Fnuz, "f8_e5m2fnuz", 8),
        (Dtype::F8E8M0, "f8_e8m0", 8),
        (Dtype::F6E2M3, "f6_e2m3", 6),
        (Dtype::F6E3M2, "f6_e3m2", 6),
        (Dtype::F4E2M1, "f4_e2m1", 4),
        (Dtype::U4, "u4", 4),
        (Dtype::I4, "i4", 4),
    ];

    /// All types but [`Dtype::Opaque`].
    pub fn all() -> impl Iterator<Item = Dtype> {
        let plain = Self::PLAIN.iter().map(|(dtype, ..)| *dtype);
        plain.chain(BlockFormat::ALL.into_iter().map(Dtype::Block))
    }

    /// The type of this name, in any case.
    ///
    /// # Errors
    /// [`Error::UnknownName`], which names all.
    pub fn by_name(name: &str) -> Result<Self> {
        let found = Self::all().find(|dtype| dtype.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::UnknownName {
            what: "type",
            name: name.to_owned(),
            known: Self::all().map(Dtype::name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Its name, in lower case: `bf16`, `q4_k`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Block(format) => format.name(),
            Dtype::Opaque(format) => format.facts().0,
            _ => self.plain().0,
        }
    }

    fn plain(self) -> (&'static str, u64) {
        let found = Self::PLAIN.iter().find(|(dtype, ..)| *dtype == self);
        // Blocks are not in the list, and never come here.
        found.map_or(("", 0), |&(_, name, bits)| (name, bits))
    }

    /// Values that are stored together: 1, or those of a block.
    pub fn block_len(self) -> usize {
        self.block().map_or(1, |(values, _)| values)
    }

    /// Values and bytes of a block; none of a type that has no blocks.
    pub fn block(self) -> Option<(usize, usize)> {
        match self {
            Dtype::Block(format) => Some((format.block_len(), format.block_bytes())),
            Dtype::Opaque(format) => {
                let (_, _, values, bytes) = format.facts();
                Some((values, bytes))
            }
            _ => None,
        }
    }

    /// Bits for each value, the scales of blocks included.
    pub fn bits_per_weight(self) -> f64 {
        match self.block() {
            Some((values, bytes)) => 8.0 * bytes as f64 / values as f64,
            None => self.plain().1 as f64,
        }
    }

    /// Bytes of `values` values that follow one another; none where blocks do not divide them, or
    /// they are more than a `u64` counts. Types of less than a byte fill the last byte.
    pub fn bytes(self, values: usize) -> Option<u64> {
        let values = values as u64;
        match self.block() {
            Some((len, bytes)) if values.is_multiple_of(len as u64) => {
                (values / len as u64).checked_mul(bytes as u64)
            }
            Some(_) => None,
            None => Some(values.checked_mul(self.plain().1)?.div_ceil(8)),
        }
    }

    /// Whether it stands for real numbers, so that [`widen_into`](crate::values::widen_into) reads
    /// it.
    pub fn is_float(self) -> bool {
        use Dtype::{BF16, Block, F8E4M3, F8E5M2, F16, F32, F64};
        matches!(self, BF16 | Block(_) | F8E4M3 | F8E5M2 | F16 | F32 | F64)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a tensor without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its dimensions, outermost first. A row is everything but the first.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// A tensor.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<usize>>) -> Self {
        TensorInfo {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }

    /// How many values it has; `usize::MAX` where they are more.
    pub fn values(&self) -> usize {
        volume(&self.shape)
    }

    /// The length of the last axis, along which blocks lie; 1 of a single number.
    pub fn innermost(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// How many bytes its values take.
    ///
    /// # Errors
    /// Names the tensor: where blocks do not divide its last axis, or the bytes are more than a `u64`
    /// counts.
    pub fn bytes(&self) -> Result<u64> {
        let (innermost, block) = (self.innermost(), self.dtype.block_len());
        if !innermost.is_multiple_of(block) {
            return Err(Error::invalid(
                format!("the last axis of {}", self.name),
                innermost,
                format!("a multiple of {block}, the block of {}", self.dtype),
            ));
        }
        let values = self.values();
        let bytes = (values != usize::MAX).then(|| self.dtype.bytes(values));
        bytes.flatten().ok_or_else(|| {
            let what = format!("the number of bytes of {}", self.name);
            Error::invalid(what, "more than 2⁶⁴", "less")
        })
    }
}
