//! AVX2: vectors of 8, and as many rows at a time as make 8 chains.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Level, width};
use super::storage::BLOCK;
use super::tile::{BlockColumn, GroupColumn, block_column};
use crate::isa::Isa;

pub(super) const LEVEL: Level = Level {
    isa: Isa::Avx2,
    widths: &[one::WIDTH, two::WIDTH, four::WIDTH],
    block_column: block_one,
    group_column,
};

impl Lanes for __m256 {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the processor has AVX2 and FMA, by the contract of the trait; so too below.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as above, and the pointer is valid by the same contract.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let kept = _mm256_cmp_ps::<_CMP_NLE_UQ>(self, _mm256_setzero_ps());
            _mm256_and_ps(kept, self)
        }
    }
}

width!(one, __m256, "avx2,fma", 8, 1);
width!(two, __m256, "avx2,fma", 4, 2);
width!(four, __m256, "avx2,fma", 2, 4);

/// # Safety
/// As [`Level::block_column`].
#[target_feature(enable = "avx2,fma")]
unsafe fn block_one(t: &BlockColumn<'_>) {
    // SAFETY: as above.
    unsafe { block_column::<__m256, 2>(t) }
}

/// # Safety
/// As [`Level::group_column`].
#[target_feature(enable = "avx2,fma")]
unsafe fn group_column(t: &GroupColumn<'_>) {
    // SAFETY: passed on from the caller; the number of blocks is the one matched.
    unsafe {
        match t.blocks {
            1 => group_column_of::<1>(t),
            2 => group_column_of::<2>(t),
            3 => group_column_of::<3>(t),
            _ => group_column_of::<4>(t),
        }
    }
}

/// # Safety
/// As [`group_column`]; there are `B` blocks.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn group_column_of<const B: usize>(t: &GroupColumn<'_>) {
    let slots = t.positions.len() / B;
    let values = &t.values[..B * slots * BLOCK];
    // SAFETY: there are two slots for each group, of 16 values each, in each block, and by the
    // contract X has four elements for each group.
    unsafe {
        let low = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
        let shifts = [low, _mm256_add_epi32(low, _mm256_set1_epi32(16))];
        let mut acc: [[__m256; 2]; B] = t.ends.begin_column();
        for group in 0..slots / 2 {
            // Each half of the vector holds the group's four; a position picks one of them.
            let x = _mm256_broadcast_ps(&_mm_loadu_ps(t.x.add(4 * group)));
            for slot in [2 * group, 2 * group + 1] {
                // Side by side, so that the chains do not wait for each other.
                for (b, acc) in acc.iter_mut().enumerate() {
                    let positions = *t.positions.as_ptr().add(b * slots + slot);
                    let positions = _mm256_set1_epi32(positions as i32);
                    let value = values.as_ptr().add((b * slots + slot) * BLOCK);
                    for (half, acc) in acc.iter_mut().enumerate() {
                        let places = _mm256_srlv_epi32(positions, shifts[half]);
                        let x = _mm256_permutevar_ps(x, places);
                        *acc = __m256::load(value.add(8 * half)).mul_add(x, *acc);
                    }
                }
            }
        }
        t.ends.finish_column(acc);
    }
}
