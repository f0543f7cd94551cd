//! Groups of four in the vectors of a level. What these leave is the caller's.

use crate::isa::Isa;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
#[cfg(target_arch = "x86_64")]
use crate::kernels::levels::Compiled;

/// Marks the `n` largest of each 4 values, from the first on; of how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn mark(isa: Isa, values: &[f32], n: usize, keep: &mut [bool]) -> usize {
    match Compiled::of(isa) {
        // SAFETY: `Compiled::of` returns only what this processor has.
        Compiled::Avx512 => unsafe { avx512::mark(values, n, keep) },
        // SAFETY: as above.
        Compiled::Avx2 => unsafe { avx2::mark(values, n, keep) },
        Compiled::Fma | Compiled::Plain => 0,
    }
}

/// Sets to +0 all but the `n` largest of each 4 values, from the first on; of how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn clear(isa: Isa, values: &mut [f32], n: usize) -> usize {
    match Compiled::of(isa) {
        // SAFETY: `Compiled::of` returns only what this processor has.
        Compiled::Avx512 => unsafe { avx512::clear(values, n) },
        // SAFETY: as above.
        Compiled::Avx2 => unsafe { avx2::clear(values, n) },
        Compiled::Fma | Compiled::Plain => 0,
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn mark(_: Isa, _: &[f32], _: usize, _: &mut [bool]) -> usize {
    0
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn clear(_: Isa, _: &mut [f32], _: usize) -> usize {
    0
}
