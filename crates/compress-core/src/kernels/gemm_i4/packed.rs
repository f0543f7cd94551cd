//! Weights from codes and scales, and from ggml's blocks.

use std::borrow::Cow;
use std::ops::Deref;

use super::panels::{Kind, PANEL, Panels};
use crate::kernels::block_format::BlockFormat;
use crate::kernels::granularity::Granularity;
use crate::kernels::half;
use crate::{Error, Result};

/// The 16 values of 4-bit NormalFloat: quantiles of the normal distribution, scaled to `[-1, 1]`.
///
/// # References
/// Dettmers, Pagnoni, Holtzman, Zettlemoyer 2023, *QLoRA: Efficient Finetuning of Quantized
/// LLMs*, arXiv 2305.14314, appendix E.
#[allow(clippy::excessive_precision, reason = "as the paper prints them")]
pub const NF4: [f32; 16] = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
];

/// Weights of 4 bits in groups along k (group quantization), each with its own scale. See
/// [`Panels`] for the methods.
///
/// # Two conventions
///
/// A symmetric code stands for another weight to a quantizer than to these kernels:
///
/// | | symmetric | affine |
/// | --- | --- | --- |
/// | quantized tensors, as in ONNX | `scale · code`, −8 to 7 | `scale · (code − zero_point)`, 0 to 15 |
/// | these kernels, as in ggml | `scale · (code − 8)`, 0 to 15 | `scale · code + minimum`, 0 to 15 |
///
/// [`PackedI4::from_quantized`] takes the former and converts it. The other constructors take codes
/// of the kernels, one a byte, as `[n, k]`. Their scales (and minimums) are `[n, ceil(k / group)]`:
/// the last group of a row may be shorter. `group` is a multiple of 32.
///
/// # Memory
///
/// Scales (and minimums) are kept as f16 where this loses nothing in any of them, and as f32
/// otherwise. So packing never changes a weight. In groups of 32 that makes 4.5 or 5 bits a weight.
#[derive(Clone, Debug)]
pub struct PackedI4(Panels);

impl PackedI4 {
    /// Packs a tensor `[n, k]` whose codes are on a linear grid, in ONNX's convention: a weight is
    /// `scale · (code − zero_point)`. Without zero points it is symmetric, with codes from −8 to 7;
    /// with one for each scale it is affine, with codes and zero points from 0 to 15.
    ///
    /// Symmetric weights are kept as they are. Affine ones become `scale · code + minimum` with
    /// `minimum = −scale · zero_point`, rounded to f32.
    ///
    /// # Errors
    /// Where lengths disagree with the shape and the granularity, groups are neither a multiple of
    /// 32 nor whole rows, a scale is not positive or its multiples by codes are not finite, or a code
    /// or a zero point is not of 4 bits.
    ///
    /// # References
    /// ONNX, `DequantizeLinear`.
    ///
    /// ```
    /// use compress_core::codec::Granularity;
    /// use compress_core::kernels::gemm_i4::PackedI4;
    /// let codes = [-7i8, 0, 7, 3];
    /// let weights = PackedI4::from_quantized(&codes, [2, 2], Granularity::Channel, &[0.5, 2.0], &[])?;
    /// assert_eq!(weights.dequantize(), ndarray::arr2(&[[-3.5, 0.0], [14.0, 6.0]]));
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn from_quantized<C: Copy + Into<i32>>(
        codes: &[C],
        [n, k]: [usize; 2],
        granularity: Granularity,
        scales: &[f32],
        zero_points: &[i32],
    ) -> Result<Self> {
        check_length("codes of packed weights", n, k, codes.len())?;
        let sets = granularity.sets(&[n, k]);
        Error::check_shape("scales of packed weights", &[sets], &[scales.len()])?;
        let top = if zero_points.is_empty() { 8.0 } else { 15.0 };
        let usable = |scale: f32| scale > 0.0 && (top * scale).is_finite();
        if let Some(scale) = scales.iter().find(|scale| !usable(**scale)) {
            let expected = format!("positive, and {top} times it finite");
            return Err(Error::invalid("scale of packed weights", scale, expected));
        }
        let group = match granularity {
            Granularity::Group(group) if (group as usize) < k => group as usize,
            // Whole rows.
            _ => k.div_ceil(32).max(1).saturating_mul(32),
        };
        let rows = if codes.is_empty() { 0 } else { n };
        let scales = spread(granularity, scales, rows);
        if zero_points.is_empty() {
            let codes = four_bits("code of packed weights", codes, (-8, 7))?;
            return Self::symmetric(&codes, &scales, n, k, group);
        }
        Error::check_shape(
            "zero points of packed weights",
            &[sets],
            &[zero_points.len()],
        )?;
        let codes = four_bits("code of packed weights", codes, (0, 15))?;
        let zeros = four_bits("zero point of packed weights", zero_points, (0, 15))?;
        let zeros = spread(granularity, &zeros, rows);
        Self::with_zero_points(&codes, &scales, &zeros, n, k, group)
    }

    /// A weight is `scale · (code − 8)`.
    ///
    /// # Errors
    /// Where a length is not what the shape says, `group` is not a multiple of 32, or a code is
    /// above 15.
    pub fn symmetric(
        codes: &[u8],
        scales: &[f32],
        n: usize,
        k: usize,
        group: usize,
    ) -> Result<Self> {
        Self::pack(Kind::Symmetric, codes, &[("scales", scales)], n, k, group)
    }

    /// A weight is `scale · code + minimum`.
    ///
    /// # Errors
    /// As [`PackedI4::symmetric`].
    pub fn affine(
        codes: &[u8],
        scales: &[f32],
        minimums: &[f32],
        n: usize,
        k: usize,
        group: usize,
    ) -> Result<Self> {
        let fields = [("scales", scales), ("minimums", minimums)];
        Self::pack(Kind::Affine, codes, &fields, n, k, group)
    }

    /// A weight is `scale · (code − zero_point)`, kept as `scale · code + minimum` with
    /// `minimum = −scale · zero_point`, rounded to f32.
    ///
    /// # Errors
    /// As [`PackedI4::symmetric`], and where a minimum is not finite.
    pub fn with_zero_points(
        codes: &[u8],
        scales: &[f32],
        zero_points: &[u8],
        n: usize,
        k: usize,
        group: usize,
    ) -> Result<Self> {
        let found = [zero_points.len()];
        Error::check_shape("zero points of packed weights", &[scales.len()], &found)?;
        let minimum = |(&scale, &zero): (&f32, &u8)| -(scale * f32::from(zero));
        let minimums: Vec<_> = scales.iter().zip(zero_points).map(minimum).collect();
        Error::check_finite("scale · zero point of packed weights", &minimums)?;
        Self::affine(codes, scales, &minimums, n, k, group)
    }

    /// A weight is `scale · codebook[code]`, such as with [`NF4`].
    ///
    /// # Errors
    /// As [`PackedI4::symmetric`], and where a value of the codebook is not finite.
    pub fn codebook(
        codes: &[u8],
        scales: &[f32],
        codebook: &[f32; 16],
        n: usize,
        k: usize,
        group: usize,
    ) -> Result<Self> {
        Error::check_finite("codebook of packed weights", codebook)?;
        let mut packed = Self::pack(Kind::Codebook, codes, &[("scales", scales)], n, k, group)?;
        let largest = codebook.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        let step = largest / 127.0;
        packed.0.values = *codebook;
        packed.0.step = step;
        packed.0.steps = codebook.map(|value| {
            let steps = if step > 0.0 { value / step } else { 0.0 };
            (steps.round_ties_even().clamp(-127.0, 127.0) as i8 as u8) ^ 0x80
        });
        Ok(packed)
    }

    fn pack(
        kind: Kind,
        codes: &[u8],
        fields: &[(&str, &[f32])],
        n: usize,
        k: usize,
        group: usize,
    ) -> Result<Self> {
        if group == 0 || !group.is_multiple_of(32) {
            return Err(Error::invalid(
                "group of packed weights",
                group,
                "a multiple of 32, or as long as a row",
            ));
        }
        check_length("codes of packed weights", n, k, codes.len())?;
        // A group that is longer than a row is the row.
        let group = match group < k {
            true => group,
            false => k.div_ceil(32).max(1).saturating_mul(32),
        };
        let groups = k.div_ceil(group);
        for (name, field) in fields {
            check_length(&format!("{name} of packed weights"), n, groups, field.len())?;
        }
        if let Some(i) = codes.iter().position(|&code| code > 15) {
            let what = format!("code {i} of packed weights");
            return Err(Error::invalid(what, codes[i], "0 to 15, one code a byte"));
        }
        let is_half =
            |&value: &f32| half::to_f32(half::from_f32(value)).to_bits() == value.to_bits();
        let wide = !fields.iter().all(|(_, field)| field.iter().all(is_half));
        let mut panels = Panels::zeros(n, k, kind, group, wide)?;
        if k > 0 {
            for (row, codes) in codes.chunks_exact(k).enumerate() {
                for (k, &code) in codes.iter().enumerate() {
                    panels.set_code(row, k, code);
                }
                for (i, (_, field)) in fields.iter().enumerate() {
                    for (unit, &value) in field[row * groups..][..groups].iter().enumerate() {
                        let start = i * PANEL * panels.scale_bytes();
                        if wide {
                            panels.set_scale(row, unit, start, &value.to_le_bytes());
                        } else {
                            let value = half::from_f32(value).to_le_bytes();
                            panels.set_scale(row, unit, start, &value);
                        }
                    }
                }
            }
        }
        Ok(PackedI4(panels))
    }
}

impl Deref for PackedI4 {
    type Target = Panels;

    fn deref(&self) -> &Panels {
        &self.0
    }
}

/// Weights in one of ggml's block formats. See [`Panels`] for the methods.
#[derive(Clone, Debug)]
pub struct PackedBlocks(Panels);

/// Puts a block of a row into panels.
type Pack = fn(&mut Panels, row: usize, unit: usize, block: &[u8]);

impl PackedBlocks {
    /// The formats that products read.
    pub const FORMATS: [BlockFormat; 4] = [
        BlockFormat::Q8_0,
        BlockFormat::Q4_0,
        BlockFormat::Q4_K,
        BlockFormat::Q6_K,
    ];

    /// Packs `n` rows of `k` weights, row after row, as a GGUF file has them. Takes as many bytes
    /// as the blocks, with the rows rounded up to a multiple of 16.
    ///
    /// # Errors
    /// Where the format is none of [`PackedBlocks::FORMATS`], `k` is not a multiple of its block
    /// length, or `bytes` has another length than the shape says.
    pub fn pack(format: BlockFormat, bytes: &[u8], n: usize, k: usize) -> Result<Self> {
        let Some(row_bytes) = format.row_bytes(k) else {
            return Err(Error::invalid(
                format!("inputs of weights in {}", format.name()),
                k,
                format!("a multiple of {}", format.block_len()),
            ));
        };
        check_length("blocks of packed weights", n, row_bytes, bytes.len())?;
        let (kind, group, pack): (Kind, usize, Pack) = match format {
            BlockFormat::Q8_0 => (Kind::Q8, 32, pack_q8_0),
            BlockFormat::Q4_0 => (Kind::Symmetric, 32, pack_q4_0),
            BlockFormat::Q4_K => (Kind::K4, 32, pack_q4_k),
            BlockFormat::Q6_K => (Kind::K6, 16, pack_q6_k),
            _ => {
                let names = Self::FORMATS.map(BlockFormat::name).join(", ");
                let what = "block format of packed weights";
                let expected = format!("one of {names}");
                return Err(Error::invalid(what, format.name(), expected));
            }
        };
        let mut panels = Panels::zeros(n, k, kind, group, false)?;
        let blocks = k / format.block_len();
        for (i, block) in bytes.chunks_exact(format.block_bytes()).enumerate() {
            pack(&mut panels, i / blocks, i % blocks, block);
        }
        Ok(PackedBlocks(panels))
    }
}

impl Deref for PackedBlocks {
    type Target = Panels;

    fn deref(&self) -> &Panels {
        &self.0
    }
}

fn pack_q8_0(panels: &mut Panels, row: usize, unit: usize, block: &[u8]) {
    panels.set_scale(row, unit, 0, &block[..2]);
    for (i, &code) in block[2..].iter().enumerate() {
        panels.set_code(row, unit * 32 + i, code ^ 0x80);
    }
}

/// Byte `i` has weight `i` in its low nibble, and `16 + i` in its high one.
fn pack_q4_0(panels: &mut Panels, row: usize, unit: usize, block: &[u8]) {
    panels.set_scale(row, unit, 0, &block[..2]);
    for (i, &codes) in block[2..].iter().enumerate() {
        panels.set_code(row, unit * 32 + i, codes & 15);
        panels.set_code(row, unit * 32 + 16 + i, codes >> 4);
    }
}

/// Each 32 bytes have a group in their low nibbles and the next one in the high ones.
fn pack_q4_k(panels: &mut Panels, row: usize, unit: usize, block: &[u8]) {
    panels.set_scale(row, unit, 0, &block[..2]);
    panels.set_scale(row, unit, 32, &block[2..4]);
    for word in 0..3 {
        let bytes = &block[4 + 4 * word..][..4];
        panels.set_scale(row, unit, 64 + 64 * word, bytes);
    }
    for (i, &codes) in block[16..].iter().enumerate() {
        let at = unit * 256 + i / 32 * 64 + i % 32;
        panels.set_code(row, at, codes & 15);
        panels.set_code(row, at + 32, codes >> 4);
    }
}

/// Each 128 weights: 64 bytes of low nibbles (the second 64 weights in the high ones), and 32
/// bytes of two bits for each run of 32.
fn pack_q6_k(panels: &mut Panels, row: usize, unit: usize, block: &[u8]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    for (group, scale) in scales.iter().enumerate() {
        panels.set_scale(row, unit, group * PANEL, std::slice::from_ref(scale));
    }
    panels.set_scale(row, unit, 16 * PANEL, d);
    for i in 0..256 {
        let (part, run, at) = (i / 128, i % 128 / 32, i % 32);
        let low = low[part * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
        let high = high[part * 32 + at] >> (run * 2) & 3;
        panels.set_code(row, unit * 256 + i, low | high << 4);
    }
}

/// A value for each group of so many rows: the only one there is, or those given.
fn spread<T: Copy>(granularity: Granularity, values: &[T], rows: usize) -> Cow<'_, [T]> {
    match (granularity, values) {
        // A shape without codes has scales, but no groups.
        _ if rows == 0 => Cow::Borrowed(&[]),
        (Granularity::Tensor, [value]) => vec![*value; rows].into(),
        _ => values.into(),
    }
}

/// Integers of 4 bits, counted from the lowest.
fn four_bits<C: Copy + Into<i32>>(
    what: &str,
    codes: &[C],
    (low, high): (i32, i32),
) -> Result<Vec<u8>> {
    let of_four = |&code: &C| {
        let code = code.into();
        match (low..=high).contains(&code) {
            true => Ok((code - low) as u8),
            false => Err(Error::invalid(
                what,
                code,
                format!("{low} to {high}, of 4 bits"),
            )),
        }
    };
    codes.iter().map(of_four).collect()
}

/// Fails unless `found` is `n · per_row`.
fn check_length(what: &str, n: usize, per_row: usize, found: usize) -> Result<()> {
    if n.checked_mul(per_row) == Some(found) {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.into(),
        expected: vec![n, per_row],
        found: vec![found],
    })
}
