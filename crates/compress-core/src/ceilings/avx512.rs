//! Multiply-adds on AVX-512 registers.

use std::arch::asm;
use std::arch::x86_64::*;
use std::hint::black_box;

use super::sum::wrapping_sum;

/// Chains side by side: 24 of the 32 registers, where a latency of 5 cycles and two units ask
/// for 10.
const CHAINS: usize = 24;

/// Operations of one instruction on 16 lanes of f32.
const FMA_OPERATIONS: u64 = 2 * 16;
/// Operations of one instruction on 8 lanes of f64.
const FMA_F64_OPERATIONS: u64 = 2 * 8;
/// Operations of one instruction on 64 bytes.
const VNNI_OPERATIONS: u64 = 2 * 64;

/// See [`super::fma_f32`].
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn fma_f32(rounds: u32) -> u64 {
    let half = _mm512_set1_ps(black_box(0.5));
    let mut chains = [_mm512_set1_ps(black_box(1.0)); CHAINS];
    for _ in 0..rounds {
        for chain in &mut chains {
            // Tends to 1: neither an overflow nor a subnormal on the way.
            *chain = _mm512_fmadd_ps(*chain, half, half);
        }
    }
    black_box(chains);
    u64::from(rounds) * CHAINS as u64 * FMA_OPERATIONS
}

/// See [`super::fma_f64`].
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn fma_f64(rounds: u32) -> u64 {
    let half = _mm512_set1_pd(black_box(0.5));
    let mut chains = [_mm512_set1_pd(black_box(1.0)); CHAINS];
    for _ in 0..rounds {
        for chain in &mut chains {
            // Tends to 1: neither an overflow nor a subnormal on the way.
            *chain = _mm512_fmadd_pd(*chain, half, half);
        }
    }
    black_box(chains);
    u64::from(rounds) * CHAINS as u64 * FMA_F64_OPERATIONS
}

/// See [`super::vnni_i8`].
///
/// # Safety
/// The processor has AVX-512 F and VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn vnni_i8(rounds: u32) -> u64 {
    let a = _mm512_set1_epi8(black_box(3));
    let b = _mm512_set1_epi8(black_box(-5));
    let mut chains = [_mm512_setzero_si512(); CHAINS];
    for _ in 0..rounds {
        for chain in &mut chains {
            // In assembly, since a compiler may know that the same sum is added each time.
            // SAFETY: AVX-512 VNNI on registers alone.
            unsafe {
                asm!(
                    "vpdpbusd {chain}, {a}, {b}",
                    a = in(zmm_reg) a,
                    b = in(zmm_reg) b,
                    chain = inout(zmm_reg) *chain,
                    options(nomem, nostack, preserves_flags),
                );
            }
        }
    }
    black_box(chains);
    u64::from(rounds) * CHAINS as u64 * VNNI_OPERATIONS
}

/// See [`super::read`].
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn read(data: &[u64]) -> u64 {
    /// Sums side by side, so that no load waits for an addition.
    const SUMS: usize = 8;
    const LANES: usize = 8;
    // A load across two lines of the cache takes as long as two.
    let start = data.as_ptr().align_offset(64).min(data.len());
    let (head, data) = data.split_at(start);
    let (chunks, rest) = data.as_chunks::<{ SUMS * LANES }>();
    let mut sums = [_mm512_setzero_si512(); SUMS];
    for chunk in chunks {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the chunk has `SUMS` vectors.
            let values = unsafe { _mm512_loadu_si512(chunk.as_ptr().add(i * LANES).cast()) };
            *sum = _mm512_add_epi64(*sum, values);
        }
    }
    let sum = sums.into_iter().reduce(|a, b| _mm512_add_epi64(a, b));
    let mut lanes = [0u64; LANES];
    if let Some(sum) = sum {
        // SAFETY: there is room for a vector.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), sum) };
    }
    let ends = wrapping_sum(head).wrapping_add(wrapping_sum(rest));
    wrapping_sum(&lanes).wrapping_add(ends)
}
