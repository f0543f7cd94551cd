//! AVX-512: vectors of 16, and as many rows at a time as make 8 or 16 chains.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Level, Width};
use super::tile::{BlockTile, GroupTile, SliceTile, block_column, blocks, slice};
use crate::isa::Isa;

pub(super) const LEVEL: Level = Level {
    isa: Isa::Avx512,
    widths: &[one::WIDTH, two::WIDTH, four::WIDTH],
    block_column: block_one,
    group_column,
};

impl Lanes for __m512 {
    const COUNT: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the processor has AVX-512, by the contract of the trait; so too below.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as above, and the pointer is valid by the same contract.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let kept = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(self, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(kept, self)
        }
    }
}

/// A module with the tiles for panels of `$vectors` vectors, `$rows` rows at a time.
macro_rules! width {
    ($name:ident, $rows:expr, $vectors:expr) => {
        mod $name {
            use super::*;

            pub(super) const WIDTH: Width = Width {
                columns: $vectors * <__m512 as Lanes>::COUNT,
                narrow,
                wide,
                blocks: block_panel,
            };

            /// # Safety
            /// As [`Width::narrow`].
            #[target_feature(enable = "avx512f")]
            unsafe fn narrow(t: &SliceTile<'_, u16>) {
                // SAFETY: passed on from the caller; so too below.
                unsafe { slice::<__m512, u16, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::wide`].
            #[target_feature(enable = "avx512f")]
            unsafe fn wide(t: &SliceTile<'_, u32>) {
                // SAFETY: as above.
                unsafe { slice::<__m512, u32, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::blocks`].
            #[target_feature(enable = "avx512f")]
            unsafe fn block_panel(t: &BlockTile<'_>) {
                // SAFETY: as above.
                unsafe { blocks::<__m512, $rows, $vectors>(t) }
            }
        }
    };
}
width!(one, 8, 1);
width!(two, 8, 2);
width!(four, 4, 4);

/// # Safety
/// As [`Level::block_column`].
#[target_feature(enable = "avx512f")]
unsafe fn block_one(t: &BlockTile<'_>) {
    // SAFETY: as above.
    unsafe { block_column::<__m512, 1>(t) }
}

/// # Safety
/// As [`Level::group_column`].
#[target_feature(enable = "avx512f")]
unsafe fn group_column(t: &GroupTile<'_>) {
    // SAFETY: by the contract there are two slots for each group, of 16 values each, and X has
    // four elements for each group.
    unsafe {
        let shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let mut acc = __m512::load(t.ends.start.as_ptr());
        for (group, positions) in t.positions.chunks_exact(2).enumerate() {
            // Each quarter of the vector holds the group's four; a position picks one of them.
            let x = _mm512_broadcast_f32x4(_mm_loadu_ps(t.x.add(4 * group)));
            for (slot, &positions) in positions.iter().enumerate() {
                let positions = _mm512_srlv_epi32(_mm512_set1_epi32(positions as i32), shifts);
                let value = __m512::load(t.values.as_ptr().add((2 * group + slot) * 16));
                acc = value.mul_add(_mm512_permutevar_ps(x, positions), acc);
            }
        }
        t.ends.finish_column([acc]);
    }
}
