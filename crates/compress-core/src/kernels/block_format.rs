//! The block formats of ggml: how many weights make a block, and how many bytes it takes.
//!
//! A row of weights is cut into blocks of consecutive elements, each with its own scale, and the
//! bytes of a block follow each other in the order of the fields below. All numbers are
//! little-endian; `d`, `dmin` and `m` are IEEE 754 half precision.
//!
//! | format | weights | fields | a weight is |
//! | --- | --- | --- | --- |
//! | `Q8_0` | 32 | `d: f16`, `q: [i8; 32]` | `d·q` |
//! | `Q4_0` | 32 | `d: f16`, `q: [u8; 16]` | `d·(q − 8)` |
//! | `Q4_1` | 32 | `d: f16`, `m: f16`, `q: [u8; 16]` | `d·q + m` |
//! | `Q5_0` | 32 | `d: f16`, `qh: [u8; 4]`, `ql: [u8; 16]` | `d·(q − 16)` |
//! | `Q5_1` | 32 | `d: f16`, `m: f16`, `qh: [u8; 4]`, `ql: [u8; 16]` | `d·q + m` |
//! | `Q2_K` | 256 | `scales: [u8; 16]`, `q: [u8; 64]`, `d: f16`, `dmin: f16` | `d·s·q − dmin·m` |
//! | `Q3_K` | 256 | `qh: [u8; 32]`, `ql: [u8; 64]`, `scales: [u8; 12]`, `d: f16` | `d·(s − 32)·(q − 4)` |
//! | `Q4_K` | 256 | `d: f16`, `dmin: f16`, `scales: [u8; 12]`, `q: [u8; 128]` | `d·s·q − dmin·m` |
//! | `Q5_K` | 256 | `d: f16`, `dmin: f16`, `scales: [u8; 12]`, `qh: [u8; 32]`, `ql: [u8; 128]` | `d·s·q − dmin·m` |
//! | `Q6_K` | 256 | `ql: [u8; 128]`, `qh: [u8; 64]`, `scales: [i8; 16]`, `d: f16` | `d·s·(q − 32)` |
//! | `IQ4_NL` | 32 | `d: f16`, `q: [u8; 16]` | `d·t[q]` |
//! | `IQ4_XS` | 256 | `d: f16`, `sh: u16`, `sl: [u8; 4]`, `q: [u8; 128]` | `d·(s − 32)·t[q]` |
//! | `MXFP4` | 32 | `e: u8`, `q: [u8; 16]` | `2^(e − 128)·f[q]` |
//! | `NVFP4` | 64 | `d: [u8; 4]`, `q: [u8; 32]` | `d·f[q] / 2` |
//! | `TQ1_0` | 256 | `q: [u8; 48]`, `qh: [u8; 4]`, `d: f16` | `d·(q − 1)` |
//! | `TQ2_0` | 256 | `q: [u8; 64]`, `d: f16` | `d·(q − 1)` |
//! | `IQ2_XXS` | 256 | `d: f16`, 8 × (`grid: [u8; 4]`, `signs and scale: u32`) | `d·(s + ½)/4·±grid` |
//! | `IQ2_XS` | 256 | `d: f16`, `grid and signs: [u16; 32]`, `scales: [u8; 8]` | `d·(s + ½)/4·±grid` |
//! | `IQ2_S` | 256 | `d: f16`, `grid: [u8; 32]`, `signs: [u8; 32]`, `gh: [u8; 8]`, `scales: [u8; 8]` | `d·(s + ½)/4·±grid` |
//! | `IQ3_XXS` | 256 | `d: f16`, `grid: [u8; 64]`, `signs and scale: [u32; 8]` | `d·(s + ½)/2·±grid` |
//! | `IQ3_S` | 256 | `d: f16`, `grid: [u8; 64]`, `gh: [u8; 8]`, `signs: [u8; 32]`, `scales: [u8; 4]` | `d·(2s + 1)·±grid` |
//! | `IQ1_S` | 256 | `d: f16`, `grid: [u8; 32]`, `gh, scale and shift: [u16; 8]` | `d·(2s + 1)·(grid ± ⅛)` |
//! | `IQ1_M` | 256 | `grid: [u8; 32]`, `gh and shifts: [u8; 16]`, `d and scales: [u16; 4]` | `d·(2s + 1)·(grid ± ⅛)` |
//!
//! `t` are the 16 levels of `IQ4_NL`, `f` those of E2M1 floats, doubled, and `grid` entries of
//! codebooks. All can be read; [`BlockFormat::ENCODED`] can be written.
//!
//! # References
//! ggml's quantization formats, as its `ggml-common.h` declares them. `MXFP4`: OCP Microscaling
//! Formats (MX) v1.0.

/// A block format of ggml.
// A file of serde's holds a format by its place here, so new ones come last.
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
    /// 4 bits, a scale and a minimum for each 32 weights: 5 bits a weight.
    Q4_1,
    /// 5 bits, a scale for each 32 weights: 5.5 bits a weight.
    Q5_0,
    /// 5 bits, a scale and a minimum for each 32 weights: 6 bits a weight.
    Q5_1,
    /// 2 bits, 16 groups of 16 with a scale and a minimum of 4 bits each: 2.625 bits a weight.
    Q2_K,
    /// 3 bits, 16 groups of 16 with a scale of 6 bits each: 3.4375 bits a weight.
    Q3_K,
    /// 5 bits, 8 groups of 32 with a scale and a minimum of 6 bits each: 5.5 bits a weight.
    Q5_K,
    /// 16 levels that lie denser near zero, a scale for each 32 weights: 4.5 bits a weight.
    IQ4_NL,
    /// The levels of `IQ4_NL`, 8 groups of 32 with a scale of 6 bits each: 4.25 bits a weight.
    IQ4_XS,
    /// Floats of 4 bits, a power of two for each 32 weights: 4.25 bits a weight.
    MXFP4,
    /// Floats of 4 bits, a float of 8 bits for each 16 weights: 4.5 bits a weight.
    NVFP4,
    /// −1, 0 and 1, five to a byte, a scale for each 256 weights: 1.6875 bits a weight.
    TQ1_0,
    /// −1, 0, 1 and 2, four to a byte, a scale for each 256 weights: 2.0625 bits a weight.
    TQ2_0,
    /// 256 patterns of 8 magnitudes, a scale of 4 bits for each 32: 2.0625 bits a weight.
    IQ2_XXS,
    /// 512 patterns of 8 magnitudes, a scale of 4 bits for each 16: 2.3125 bits a weight.
    IQ2_XS,
    /// 1024 patterns of 8 magnitudes, a scale of 4 bits for each 16: 2.5625 bits a weight.
    IQ2_S,
    /// 256 patterns of 4 magnitudes, a scale of 4 bits for each 32: 3.0625 bits a weight.
    IQ3_XXS,
    /// 512 patterns of 4 magnitudes, a scale of 4 bits for each 32: 3.4375 bits a weight.
    IQ3_S,
    /// 2048 patterns of 8 values of −1, 0 and 1, shifted, a scale of 3 bits for each 32: 1.5625
    /// bits a weight.
    IQ1_S,
    /// The patterns of `IQ1_S`, a scale of 3 bits for each 16: 1.75 bits a weight.
    IQ1_M,
}

use BlockFormat::*;

/// What there is to know of a format: its name, ggml's number, weights and bytes of a block.
type Facts = (&'static str, u8, usize, usize);

impl BlockFormat {
    /// All formats. All can be read.
    pub const ALL: [BlockFormat; 23] = [
        Q8_0, Q4_0, Q4_K, Q6_K, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, IQ4_NL, IQ4_XS, MXFP4, NVFP4,
        TQ1_0, TQ2_0, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ1_S, IQ1_M,
    ];

    /// The formats that can be written.
    pub const ENCODED: [BlockFormat; 13] = [
        Q8_0, Q4_0, Q4_K, Q6_K, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, IQ4_NL, IQ4_XS, MXFP4,
    ];

    const fn facts(self) -> Facts {
        match self {
            Q8_0 => ("q8_0", 8, 32, 2 + 32),
            Q4_0 => ("q4_0", 2, 32, 2 + 16),
            Q4_K => ("q4_k", 12, 256, 2 + 2 + 12 + 128),
            Q6_K => ("q6_k", 14, 256, 128 + 64 + 16 + 2),
            Q4_1 => ("q4_1", 3, 32, 2 + 2 + 16),
            Q5_0 => ("q5_0", 6, 32, 2 + 4 + 16),
            Q5_1 => ("q5_1", 7, 32, 2 + 2 + 4 + 16),
            Q2_K => ("q2_k", 10, 256, 16 + 64 + 2 + 2),
            Q3_K => ("q3_k", 11, 256, 32 + 64 + 12 + 2),
            Q5_K => ("q5_k", 13, 256, 2 + 2 + 12 + 32 + 128),
            IQ4_NL => ("iq4_nl", 20, 32, 2 + 16),
            IQ4_XS => ("iq4_xs", 23, 256, 2 + 2 + 4 + 128),
            MXFP4 => ("mxfp4", 39, 32, 1 + 16),
            NVFP4 => ("nvfp4", 40, 64, 4 + 32),
            TQ1_0 => ("tq1_0", 34, 256, 48 + 4 + 2),
            TQ2_0 => ("tq2_0", 35, 256, 64 + 2),
            IQ2_XXS => ("iq2_xxs", 16, 256, 2 + 64),
            IQ2_XS => ("iq2_xs", 17, 256, 2 + 64 + 8),
            IQ2_S => ("iq2_s", 22, 256, 2 + 32 + 32 + 8 + 8),
            IQ3_XXS => ("iq3_xxs", 18, 256, 2 + 64 + 32),
            IQ3_S => ("iq3_s", 21, 256, 2 + 64 + 8 + 32 + 4),
            IQ1_S => ("iq1_s", 19, 256, 2 + 32 + 16),
            IQ1_M => ("iq1_m", 29, 256, 32 + 16 + 8),
        }
    }

    /// Its name in ggml, in lower case.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// Its number among ggml's types, which GGUF files hold.
    pub fn ggml_type(self) -> u8 {
        self.facts().1
    }

    /// The format with this number among ggml's types.
    ///
    /// ```
    /// use compress_core::kernels::block_format::BlockFormat;
    /// assert_eq!(BlockFormat::of_ggml_type(12), Some(BlockFormat::Q4_K));
    /// assert_eq!(BlockFormat::of_ggml_type(4), None);
    /// ```
    pub fn of_ggml_type(number: u32) -> Option<Self> {
        let mut all = BlockFormat::ALL.into_iter();
        all.find(|format| u32::from(format.ggml_type()) == number)
    }

    /// Whether it can be written.
    pub fn encodes(self) -> bool {
        BlockFormat::ENCODED.contains(&self)
    }

    /// Weights in a block. A row has a multiple of these.
    pub const fn block_len(self) -> usize {
        self.facts().2
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        self.facts().3
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
