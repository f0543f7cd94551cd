//! Weights in panels of 16 outputs: where each code and each scale lies.
//!
//! Codes come in halves of 16 consecutive k, each of 4 quads of 4 consecutive k. A vector of 64
//! bytes has 4 bytes for each of the 16 outputs, side by side:
//!
//! | codes | bytes of a half | vectors |
//! | --- | --- | --- |
//! | nibbles | 128 | vector `v`: quad `2v` in the low nibbles, `2v + 1` in the high ones |
//! | bytes | 256 | vector `v`: quad `v`, as `code + 128` |
//! | six bits | 192 | two as for nibbles, then one with 2 high bits of quad `i` at bits `2i` |
//!
//! Scales lie apart, so that each vector of codes is a cache line of its own. For each unit (a
//! group, or a superblock of 256):
//!
//! | kind | 16 values each of |
//! | --- | --- |
//! | symmetric, codebook, `Q8_0` | scale |
//! | affine | scale; minimum |
//! | `Q4_K` | `d`; `dmin`; the 12 bytes of `scales` as three words of 32 bits, word by word |
//! | `Q6_K` | scale of group 0, …, scale of group 15; `d` |

use std::ops::Range;

use ndarray::Array2;

use crate::Result;
use crate::kernels::lines::{LINE, Lines};
use crate::kernels::{half, memory};

/// Outputs of a panel.
pub(super) const PANEL: usize = 16;
/// Consecutive k of a half.
pub(super) const HALF: usize = 16;
/// Consecutive k that share an activation's scale, except in K formats.
pub(super) const BLOCK: usize = 32;
/// Consecutive k of a superblock of a K format.
pub(super) const SUPER: usize = 256;
/// More bytes than a panel has for each k, codes and scales together.
const MOST_BYTES: usize = 1 << 10;
/// Bytes of a vector of codes.
pub(super) const VECTOR: usize = LINE;

/// How a weight follows from its code and its scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `scale · (code − 8)`; `Q4_0` too.
    Symmetric,
    /// `scale · code + minimum`.
    Affine,
    /// `scale · values[code]`.
    Codebook,
    /// `Q8_0`: `scale · (code − 128)`.
    Q8,
    /// `Q4_K`: `d·s · code − dmin·m`.
    K4,
    /// `Q6_K`: `d·s · (code − 32)`.
    K6,
}

impl Kind {
    /// Bytes of a half of codes.
    pub(super) fn half_bytes(self) -> usize {
        match self {
            Kind::Q8 => 4 * VECTOR,
            Kind::K6 => 3 * VECTOR,
            _ => 2 * VECTOR,
        }
    }

    /// What is subtracted from a code, where the activations are integers.
    pub(super) fn offset(self) -> i32 {
        match self {
            Kind::Symmetric => 8,
            Kind::Codebook | Kind::Q8 => 128,
            Kind::Affine | Kind::K4 => 0,
            Kind::K6 => 32,
        }
    }

    /// Consecutive k that share an activation's scale.
    pub(super) fn unit(self) -> usize {
        if self.is_super() { SUPER } else { BLOCK }
    }

    /// Terms of a unit of activations; see [`super::activations`].
    pub(super) fn terms(self) -> usize {
        match self {
            Kind::K4 => 4,
            Kind::K6 => 16,
            _ => 1,
        }
    }

    /// Whether it has superblocks of 256.
    pub(super) fn is_super(self) -> bool {
        matches!(self, Kind::K4 | Kind::K6)
    }

    /// Whether a weight has a term that does not depend on its code.
    pub(super) fn has_minimum(self) -> bool {
        matches!(self, Kind::Affine | Kind::K4)
    }
}

/// Weights `[n, k]` of few bits, packed for products. Made by [`super::PackedI4`] and
/// [`super::PackedBlocks`].
#[derive(Clone)]
pub struct Panels {
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) kind: Kind,
    /// Consecutive k that share a scale.
    pub(super) group: usize,
    /// Whether scales are f32 rather than f16. Never in K formats.
    pub(super) wide: bool,
    /// The value of each code, where there are 16.
    pub(super) values: [f32; 16],
    /// The same as multiples of `step`, plus 128; only of a codebook.
    pub(super) steps: [u8; 16],
    pub(super) step: f32,
    codes: Lines,
    scales: Lines,
}

impl std::fmt::Debug for Panels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panels")
            .field("n", &self.n)
            .field("k", &self.k)
            .field("kind", &self.kind)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Panels {
    /// `(n, k)`: outputs and inputs.
    pub fn dim(&self) -> (usize, usize) {
        (self.n, self.k)
    }

    /// Bytes of codes and scales, as they lie in memory: what a product of one row must read.
    pub fn packed_bytes(&self) -> usize {
        self.count() * (self.panel_codes() + self.panel_scales())
    }

    /// The weights `[n, k]` as f32.
    pub fn dequantize(&self) -> Array2<f32> {
        Array2::from_shape_fn((self.n, self.k), |(row, k)| {
            let (scale, minimum) = self.scale(row, k / self.group);
            let value = self.value(self.code(row, k));
            match scale * value + minimum {
                weight if weight.is_finite() => weight,
                // The product alone may be beyond f32.
                _ => scale.mul_add(value, minimum),
            }
        })
    }

    /// With all codes and scales zero.
    ///
    /// # Errors
    /// Where memory does not hold them, or `n·k` is no size of a matrix.
    pub(super) fn zeros(n: usize, k: usize, kind: Kind, group: usize, wide: bool) -> Result<Self> {
        let too_large = || memory::too_large("packed weights", &[n, k]);
        // Also of a matrix without elements: what is computed from its sides must not overflow.
        let most = memory::product([n.max(1), k.max(1), MOST_BYTES]);
        most.filter(|&most| isize::try_from(most).is_ok())
            .ok_or_else(too_large)?;
        let values = std::array::from_fn(|code| match kind {
            Kind::Symmetric => code as f32 - 8.0,
            _ => code as f32,
        });
        let mut panels = Panels {
            n,
            k,
            kind,
            group,
            wide,
            values,
            steps: [0; 16],
            step: 1.0,
            codes: Lines::default(),
            scales: Lines::default(),
        };
        let zeros = |bytes| Lines::try_zeroed(memory::product([panels.count(), bytes]));
        let codes = zeros(panels.panel_codes()).ok_or_else(too_large)?;
        let scales = zeros(panels.panel_scales()).ok_or_else(too_large)?;
        (panels.codes, panels.scales) = (codes, scales);
        Ok(panels)
    }

    /// Panels.
    pub(super) fn count(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// Blocks of 32 along k.
    pub(super) fn blocks(&self) -> usize {
        self.k.div_ceil(BLOCK)
    }

    /// Groups along k.
    pub(super) fn groups(&self) -> usize {
        self.k.div_ceil(self.group)
    }

    /// The codes and the scales of some panels.
    pub(super) fn panels(&self, range: Range<usize>) -> (&[u8], &[u8]) {
        let (codes, scales) = (self.panel_codes(), self.panel_scales());
        (
            &self.codes.bytes()[range.start * codes..range.end * codes],
            &self.scales.bytes()[range.start * scales..range.end * scales],
        )
    }

    /// Bytes of a panel's codes.
    pub(super) fn panel_codes(&self) -> usize {
        self.blocks() * 2 * self.kind.half_bytes()
    }

    /// Bytes of a panel's scales.
    pub(super) fn panel_scales(&self) -> usize {
        self.units() * self.unit_bytes()
    }

    /// Groups, or superblocks.
    fn units(&self) -> usize {
        if self.kind.is_super() {
            self.k / SUPER
        } else {
            self.groups()
        }
    }

    /// Bytes of the scales of a panel's unit.
    pub(super) fn unit_bytes(&self) -> usize {
        match self.kind {
            Kind::K4 => PANEL * (2 + 2 + 12),
            Kind::K6 => PANEL * (16 + 2),
            Kind::Affine => 2 * PANEL * self.scale_bytes(),
            _ => PANEL * self.scale_bytes(),
        }
    }

    pub(super) fn scale_bytes(&self) -> usize {
        if self.wide { 4 } else { 2 }
    }

    /// Where the code of `(row, k)` lies: the byte of its low bits, and the shift there; for six
    /// bits the byte of its high ones, and the shift there.
    fn place(&self, row: usize, k: usize) -> (usize, u32, usize, u32) {
        let (half, quad, byte) = (k / HALF, k % HALF / 4, row % PANEL * 4 + k % 4);
        let base = row / PANEL * self.panel_codes() + half * self.kind.half_bytes();
        let nibble = base + quad / 2 * VECTOR + byte;
        match self.kind {
            Kind::Q8 => (base + quad * VECTOR + byte, 0, 0, 0),
            _ => {
                let high = base + 2 * VECTOR + byte;
                (nibble, quad as u32 % 2 * 4, high, quad as u32 * 2)
            }
        }
    }

    /// Writes a code where there is zero.
    pub(super) fn set_code(&mut self, row: usize, k: usize, code: u8) {
        let (low, shift, high, high_shift) = self.place(row, k);
        let kind = self.kind;
        let bytes = self.codes.bytes_mut();
        match kind {
            Kind::Q8 => bytes[low] = code,
            _ => bytes[low] |= (code & 15) << shift,
        }
        if kind == Kind::K6 {
            bytes[high] |= (code >> 4) << high_shift;
        }
    }

    /// The code of a weight.
    pub(super) fn code(&self, row: usize, k: usize) -> u8 {
        let (low, shift, high, high_shift) = self.place(row, k);
        let bytes = self.codes.bytes();
        match self.kind {
            Kind::Q8 => bytes[low],
            Kind::K6 => (bytes[low] >> shift & 15) | (bytes[high] >> high_shift & 3) << 4,
            _ => bytes[low] >> shift & 15,
        }
    }

    /// What a code stands for.
    pub(super) fn value(&self, code: u8) -> f32 {
        match self.kind {
            Kind::Q8 | Kind::K6 => (i32::from(code) - self.kind.offset()) as f32,
            _ => self.values[usize::from(code & 15)],
        }
    }

    /// The integer that stands for a code where the activations are integers.
    pub(super) fn integer(&self, code: u8) -> i32 {
        let code = match self.kind {
            Kind::Codebook => self.steps[usize::from(code & 15)],
            _ => code,
        };
        i32::from(code) - self.kind.offset()
    }

    /// Bytes of a unit's scales, for writing: those of field `field` of `bytes` bytes.
    pub(super) fn set_scale(&mut self, row: usize, unit: usize, start: usize, value: &[u8]) {
        let base = row / PANEL * self.panel_scales() + unit * self.unit_bytes();
        let at = base + start + row % PANEL * value.len();
        self.scales.bytes_mut()[at..at + value.len()].copy_from_slice(value);
    }

    /// `N` bytes of a unit's scales.
    pub(super) fn field<const N: usize>(&self, row: usize, unit: usize, start: usize) -> [u8; N] {
        let base = row / PANEL * self.panel_scales() + unit * self.unit_bytes();
        let at = base + start + row % PANEL * N;
        std::array::from_fn(|i| self.scales.bytes()[at + i])
    }

    fn half_field(&self, row: usize, unit: usize, start: usize) -> f32 {
        half::to_f32(u16::from_le_bytes(self.field(row, unit, start)))
    }

    fn float_field(&self, row: usize, unit: usize, index: usize) -> f32 {
        if self.wide {
            f32::from_le_bytes(self.field(row, unit, index * PANEL * 4))
        } else {
            self.half_field(row, unit, index * PANEL * 2)
        }
    }

    /// The `d` and `dmin` of a superblock (`dmin` is 0 where there is none).
    pub(super) fn super_scale(&self, row: usize, unit: usize) -> (f32, f32) {
        match self.kind {
            Kind::K4 => (
                self.half_field(row, unit, 0),
                self.half_field(row, unit, 32),
            ),
            _ => (self.half_field(row, unit, 256), 0.0),
        }
    }

    /// The integer scale and minimum of a group of a superblock.
    pub(super) fn super_codes(&self, row: usize, unit: usize, group: usize) -> (i32, i32) {
        match self.kind {
            Kind::K4 => {
                let word = |i: usize| self.field::<4>(row, unit, 64 + 64 * i)[group % 4];
                let (a, b, c) = (word(0), word(1), word(2));
                let (scale, minimum) = match group {
                    0..4 => (a & 63, b & 63),
                    _ => ((c & 15) | (a >> 2 & 48), (c >> 4) | (b >> 2 & 48)),
                };
                (scale.into(), minimum.into())
            }
            _ => {
                let [scale] = self.field::<1>(row, unit, group * PANEL);
                ((scale as i8).into(), 0)
            }
        }
    }

    /// The scale and the minimum of a group.
    pub(super) fn scale(&self, row: usize, group: usize) -> (f32, f32) {
        if self.kind.is_super() {
            let groups = SUPER / self.group;
            let (d, dmin) = self.super_scale(row, group / groups);
            let (scale, minimum) = self.super_codes(row, group / groups, group % groups);
            return (d * scale as f32, -(dmin * minimum as f32));
        }
        let minimum = match self.kind {
            Kind::Affine => self.float_field(row, group, 1),
            _ => 0.0,
        };
        (self.float_field(row, group, 0), minimum)
    }
}
