//! The search for `Q4_K`, compiled with each level's vectors.

use super::lanes::LANES;
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
use super::q4_k::quantize;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::kernels::levels::Compiled;

/// Writes blocks of `Q4_K`; whether all scales are finite.
pub(super) fn q4_k_quantize_at(isa: Isa, values: &[f32], bytes: &mut [u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    match Compiled::of(isa) {
        // SAFETY: `Compiled::of` returns only what this processor has.
        Compiled::Avx512 => return unsafe { avx512(values, bytes) },
        // SAFETY: as above.
        Compiled::Avx2 => return unsafe { avx2(values, bytes) },
        // SAFETY: as above.
        Compiled::Fma => return unsafe { fma(values, bytes) },
        Compiled::Plain => {}
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = isa;
    quantize::<[f32; LANES]>(values, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512(values: &[f32], bytes: &mut [u8]) -> bool {
    quantize::<Avx512>(values, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(values: &[f32], bytes: &mut [u8]) -> bool {
    quantize::<Avx2>(values, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
fn fma(values: &[f32], bytes: &mut [u8]) -> bool {
    quantize::<[f32; LANES]>(values, bytes)
}
