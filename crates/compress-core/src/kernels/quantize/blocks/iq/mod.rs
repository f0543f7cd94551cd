//! The formats of codebooks: `IQ1`, `IQ2` and `IQ3`, which are read alone.
//!
//! Each entry of a codebook holds 8 or 4 values of a block. Those of `IQ2` and `IQ3` are
//! magnitudes, and the signs stand beside; where they take 7 bits for 8 values, the number of
//! negative ones is even.
//!
//! # References
//! ggml, `dequantize_row_iq1_s`, `dequantize_row_iq1_m`, `dequantize_row_iq2_xxs`,
//! `dequantize_row_iq2_xs`, `dequantize_row_iq2_s`, `dequantize_row_iq3_xxs` and
//! `dequantize_row_iq3_s`.

mod grids;
pub(super) mod iq1;
pub(super) mod iq2;
pub(super) mod iq3;

/// The signs of 8 values, of which 7 bits are stored and an even number are negative.
#[inline(always)]
fn even_signs(bits: u32) -> u8 {
    let bits = (bits & 127) as u8;
    bits | (bits.count_ones() as u8 & 1) << 7
}

/// Eight values: a scale times magnitudes with signs.
#[inline(always)]
fn signed(x: &mut [f32], scale: f32, grid: [f32; 8], signs: u8) {
    for (j, (x, magnitude)) in x.iter_mut().zip(grid).enumerate() {
        let value = scale * magnitude;
        *x = if signs >> j & 1 == 0 { value } else { -value };
    }
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline(always)]
fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
