//! The block formats of ggml: how many weights make a block, and how many bytes it takes.
//!
//! A row of weights is cut into blocks of consecutive elements, each with its own scale, and the
//! bytes of a block follow each other in the order of the fields below. All numbers are
//! little-endian; `d` and `dmin` are IEEE 754 half precision.
//!
//! | format | weights | fields | a weight is |
//! | --- | --- | --- | --- |
//! | `Q8_0` | 32 | `d: f16`, `q: [i8; 32]` | `d·q` |
//! | `Q4_0` | 32 | `d: f16`, `q: [u8; 16]` | `d·(q − 8)` |
//! | `Q4_K` | 256 | `d: f16`, `dmin: f16`, `scales: [u8; 12]`, `q: [u8; 128]` | `d·s·q − dmin·m` |
//! | `Q6_K` | 256 | `ql: [u8; 128]`, `qh: [u8; 64]`, `scales: [i8; 16]`, `d: f16` | `d·s·(q − 32)` |
//!
//! # References
//! ggml's quantization formats, as its `ggml-common.h` declares them.

/// A block format of ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(non_camel_case_types, reason = "these are the formats' own names")]
pub enum BlockFormat {
    /// 8 bits, a scale for each 32 weights: 8.5 bits a weight.
    Q8_0,
    /// 4 bits, a scale for each 32 weights: 4.5 bits a weight.
    Q4_0,
    /// 4 bits, 8 groups of 32 with a scale and a minimum of 6 bits each: 4.5 bits a weight.
    Q4_K,
    /// 6 bits, 16 groups of 16 with a scale of 8 bits each: 6.5625 bits a weight.
    Q6_K,
}

impl BlockFormat {
    /// All formats.
    pub const ALL: [BlockFormat; 4] = [
        BlockFormat::Q8_0,
        BlockFormat::Q4_0,
        BlockFormat::Q4_K,
        BlockFormat::Q6_K,
    ];

    /// Its name in ggml, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            BlockFormat::Q8_0 => "q8_0",
            BlockFormat::Q4_0 => "q4_0",
            BlockFormat::Q4_K => "q4_k",
            BlockFormat::Q6_K => "q6_k",
        }
    }

    /// Weights in a block. A row has a multiple of these.
    pub fn block_len(self) -> usize {
        match self {
            BlockFormat::Q8_0 | BlockFormat::Q4_0 => 32,
            BlockFormat::Q4_K | BlockFormat::Q6_K => 256,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            BlockFormat::Q8_0 => 2 + 32,
            BlockFormat::Q4_0 => 2 + 16,
            BlockFormat::Q4_K => 2 + 2 + 12 + 128,
            BlockFormat::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// Bytes of a row of `weights` weights; none where that is not a multiple of
    /// [`BlockFormat::block_len`], or more than a `usize` holds.
    pub fn row_bytes(self, weights: usize) -> Option<usize> {
        if !weights.is_multiple_of(self.block_len()) {
            return None;
        }
        (weights / self.block_len()).checked_mul(self.block_bytes())
    }
}
