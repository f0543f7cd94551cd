//! The codebooks of `IQ1`, `IQ2` and `IQ3`.
//!
//! `grids.bin` holds them one after the other: two bytes an entry, the first value in the lowest
//! bits. A value of an entry of 8 takes 2 bits, one of an entry of 4 takes 4 bits, and each says
//! the place of a number in a short list.
//!
//! The tables are part of the formats: ggml, `ggml-common.h` (`iq2xxs_grid`, `iq2xs_grid`,
//! `iq2s_grid`, `iq3xxs_grid`, `iq3s_grid`, `iq1s_grid`), MIT licence, Copyright (c) 2023-2024 The
//! ggml authors.

/// All codebooks.
static GRIDS: &[u8; 2 * (256 + 512 + 1024 + 256 + 512 + 2048)] = include_bytes!("grids.bin");

/// The first entry of each codebook.
const IQ2_XXS: usize = 0;
const IQ2_XS: usize = IQ2_XXS + 256;
const IQ2_S: usize = IQ2_XS + 512;
const IQ3_XXS: usize = IQ2_S + 1024;
const IQ3_S: usize = IQ3_XXS + 256;
const IQ1: usize = IQ3_S + 512;

/// The magnitudes of `IQ2`.
const TWO_BITS: [f32; 4] = [8.0, 25.0, 43.0, 0.0];

/// An entry of 256.
#[inline(always)]
pub(super) fn iq2_xxs(entry: usize) -> [f32; 8] {
    eight(IQ2_XXS + entry % 256, TWO_BITS)
}

/// An entry of 512.
#[inline(always)]
pub(super) fn iq2_xs(entry: usize) -> [f32; 8] {
    eight(IQ2_XS + entry % 512, TWO_BITS)
}

/// An entry of 1024.
#[inline(always)]
pub(super) fn iq2_s(entry: usize) -> [f32; 8] {
    eight(IQ2_S + entry % 1024, TWO_BITS)
}

/// Two entries of 256.
#[inline(always)]
pub(super) fn iq3_xxs(entries: [usize; 2]) -> [f32; 8] {
    let magnitudes = [4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 62.0];
    two_of_four(entries.map(|entry| IQ3_XXS + entry % 256), magnitudes)
}

/// Two entries of 512.
#[inline(always)]
pub(super) fn iq3_s(entries: [usize; 2]) -> [f32; 8] {
    let magnitudes = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0];
    two_of_four(entries.map(|entry| IQ3_S + entry % 512), magnitudes)
}

/// An entry of 2048, of −1, 0 and 1.
#[inline(always)]
pub(super) fn iq1(entry: usize) -> [f32; 8] {
    eight(IQ1 + entry % 2048, [-1.0, 0.0, 1.0, 0.0])
}

#[inline(always)]
fn eight(entry: usize, numbers: [f32; 4]) -> [f32; 8] {
    let bits = bits(entry);
    std::array::from_fn(|j| numbers[bits >> (2 * j) & 3])
}

#[inline(always)]
fn two_of_four(entries: [usize; 2], numbers: [f32; 8]) -> [f32; 8] {
    let [low, high] = entries.map(bits);
    let bits = low | high << 16;
    std::array::from_fn(|j| numbers[bits >> (4 * j) & 7])
}

#[inline(always)]
fn bits(entry: usize) -> usize {
    usize::from(u16::from_le_bytes(GRIDS.as_chunks().0[entry]))
}
