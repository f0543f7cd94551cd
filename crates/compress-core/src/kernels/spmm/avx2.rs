//! AVX2: vectors of 8, and as many rows at a time as make 8 chains.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Level, Width};
use super::tile::{BlockTile, GroupTile, SliceTile, block_column, blocks, slice};
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

/// A module with the tiles for panels of `$vectors` vectors, `$rows` rows at a time.
macro_rules! width {
    ($name:ident, $rows:expr, $vectors:expr) => {
        mod $name {
            use super::*;

            pub(super) const WIDTH: Width = Width {
                columns: $vectors * <__m256 as Lanes>::COUNT,
                narrow,
                wide,
                blocks: block_panel,
            };

            /// # Safety
            /// As [`Width::narrow`].
            #[target_feature(enable = "avx2,fma")]
            unsafe fn narrow(t: &SliceTile<'_, u16>) {
                // SAFETY: passed on from the caller; so too below.
                unsafe { slice::<__m256, u16, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::wide`].
            #[target_feature(enable = "avx2,fma")]
            unsafe fn wide(t: &SliceTile<'_, u32>) {
                // SAFETY: as above.
                unsafe { slice::<__m256, u32, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::blocks`].
            #[target_feature(enable = "avx2,fma")]
            unsafe fn block_panel(t: &BlockTile<'_>) {
                // SAFETY: as above.
                unsafe { blocks::<__m256, $rows, $vectors>(t) }
            }
        }
    };
}
width!(one, 8, 1);
width!(two, 4, 2);
width!(four, 2, 4);

/// # Safety
/// As [`Level::block_column`].
#[target_feature(enable = "avx2,fma")]
unsafe fn block_one(t: &BlockTile<'_>) {
    // SAFETY: as above.
    unsafe { block_column::<__m256, 2>(t) }
}

/// # Safety
/// As [`Level::group_column`].
#[target_feature(enable = "avx2,fma")]
unsafe fn group_column(t: &GroupTile<'_>) {
    // SAFETY: by the contract there are two slots for each group, of 16 values each, and X has
    // four elements for each group.
    unsafe {
        let low = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
        let shifts = [low, _mm256_add_epi32(low, _mm256_set1_epi32(16))];
        let start = t.ends.start.as_ptr();
        let mut acc = [__m256::load(start), __m256::load(start.add(8))];
        for (group, positions) in t.positions.chunks_exact(2).enumerate() {
            // Each half of the vector holds the group's four; a position picks one of them.
            let x = _mm256_broadcast_ps(&_mm_loadu_ps(t.x.add(4 * group)));
            for (slot, &positions) in positions.iter().enumerate() {
                let positions = _mm256_set1_epi32(positions as i32);
                let value = t.values.as_ptr().add((2 * group + slot) * 16);
                for half in 0..2 {
                    let picked = _mm256_srlv_epi32(positions, shifts[half]);
                    let x = _mm256_permutevar_ps(x, picked);
                    acc[half] = __m256::load(value.add(8 * half)).mul_add(x, acc[half]);
                }
            }
        }
        t.ends.finish_column(acc);
    }
}
