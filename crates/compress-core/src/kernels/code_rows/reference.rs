//! The specification, and what runs at every level where AVX-512 has nothing of its own.

use super::layout::{CodeRows, LANES, VECTORS};
use crate::kernels::levels::by_level;

by_level! {
    /// Weights that are not zero, slot by slot.
    pub(super) fn scattered_at(rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) = scattered;

    /// All weights, input by input.
    pub(super) fn dense_at(rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) = dense;
}

#[inline(always)]
fn scattered(rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) {
    let (bias, _) = rows.bias.as_chunks::<LANES>();
    let (y, _) = y.as_chunks_mut::<LANES>();
    let mut counts = rows.counts.iter();
    let (mut codes, mut inputs) = (&rows.codes[..], &rows.inputs[..]);
    for ((bias, y), &slots) in bias.iter().zip(y).zip(&rows.slots) {
        let mut sums = *bias;
        for &count in counts.by_ref().take(slots) {
            let slot;
            (slot, codes) = codes.split_at(count.into());
            let read;
            (read, inputs) = inputs.split_at(count.into());
            // Most slots are whole: a loop of known length.
            match (slot.try_into(), read.try_into()) {
                (Ok(slot), Ok(read)) => add::<[i8; LANES], [u16; LANES]>(slot, read, x, &mut sums),
                _ => add(slot, read, x, &mut sums),
            }
        }
        *y = ended(sums, relu);
    }
}

/// A slot.
#[inline(always)]
fn add<C: AsRef<[i8]> + ?Sized, I: AsRef<[u16]> + ?Sized>(
    codes: &C,
    inputs: &I,
    x: &[f32],
    sums: &mut [f32; LANES],
) {
    let entries = codes.as_ref().iter().zip(inputs.as_ref());
    for (sum, (&code, &input)) in sums.iter_mut().zip(entries) {
        *sum = f32::from(code).mul_add(x[usize::from(input)], *sum);
    }
}

#[inline(always)]
fn dense(rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) {
    const GROUP: usize = VECTORS * LANES;
    let mut codes = &rows.codes[..];
    for (bias, y) in rows.bias.chunks(GROUP).zip(y.chunks_mut(GROUP)) {
        let (of_group, rest) = codes.split_at(bias.len() * rows.inputs.len());
        codes = rest;
        match bias.len() / LANES {
            1 => group::<1>(of_group, &rows.inputs, bias, x, relu, y),
            2 => group::<2>(of_group, &rows.inputs, bias, x, relu, y),
            3 => group::<3>(of_group, &rows.inputs, bias, x, relu, y),
            _ => group::<4>(of_group, &rows.inputs, bias, x, relu, y),
        }
    }
}

/// `V` vectors of outputs.
#[inline(always)]
fn group<const V: usize>(
    codes: &[i8],
    inputs: &[u16],
    bias: &[f32],
    x: &[f32],
    relu: bool,
    y: &mut [f32],
) {
    let (codes, _) = codes.as_chunks::<LANES>();
    let (codes, _) = codes.as_chunks::<V>();
    let mut sums = [[0.0; LANES]; V];
    sums.as_flattened_mut().copy_from_slice(bias);
    for (codes, &input) in codes.iter().zip(inputs) {
        let x = x[usize::from(input)];
        for (sums, codes) in sums.iter_mut().zip(codes) {
            for (sum, &code) in sums.iter_mut().zip(codes) {
                *sum = f32::from(code).mul_add(x, *sum);
            }
        }
    }
    let (y, _) = y.as_chunks_mut::<LANES>();
    for (y, sums) in y.iter_mut().zip(sums) {
        *y = ended(sums, relu);
    }
}

#[inline(always)]
fn ended(sums: [f32; LANES], relu: bool) -> [f32; LANES] {
    sums.map(|sum| if relu && sum <= 0.0 { 0.0 } else { sum })
}
