//! The writer of each format, at each level.

use super::importance::Importance;
use super::lanes::LANES;
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
use super::{fp4, iq4, q2_k, q3_k, q4_0, q4_1, q4_k, q5_0, q5_1, q5_k, q6_k, q8_0};
use crate::isa::Isa;
use crate::kernels::block_format::BlockFormat;
#[cfg(target_arch = "x86_64")]
use crate::kernels::levels::Compiled;
use crate::kernels::levels::by_level;

/// Writes blocks; whether all scales are finite.
#[derive(Clone, Copy)]
pub(super) enum Writer {
    /// All values count the same.
    Even(fn(Isa, &[f32], &mut [u8]) -> bool),
    Weighted(fn(Isa, &[f32], Importance<'_>, &mut [u8]) -> bool),
}

impl Writer {
    pub(super) fn write(
        self,
        isa: Isa,
        values: &[f32],
        importance: Importance<'_>,
        bytes: &mut [u8],
    ) -> bool {
        match self {
            Writer::Even(write) => write(isa, values, bytes),
            Writer::Weighted(write) => write(isa, values, importance, bytes),
        }
    }
}

/// None where the format is read alone.
pub(super) fn writer(format: BlockFormat, importance: Importance<'_>) -> Option<Writer> {
    let even = importance.is_even();
    Some(match format {
        BlockFormat::Q8_0 => Writer::Even(q8_0_at),
        BlockFormat::Q4_0 if even => Writer::Weighted(q4_0_at),
        BlockFormat::Q4_1 if even => Writer::Weighted(q4_1_at),
        BlockFormat::Q5_0 if even => Writer::Weighted(q5_0_at),
        BlockFormat::Q5_1 if even => Writer::Weighted(q5_1_at),
        BlockFormat::Q6_K if even => Writer::Weighted(q6_k_at),
        BlockFormat::Q4_0 => Writer::Weighted(q4_0_weighted_at),
        BlockFormat::Q4_1 => Writer::Weighted(q4_1_weighted_at),
        BlockFormat::Q5_0 => Writer::Weighted(q5_0_weighted_at),
        BlockFormat::Q5_1 => Writer::Weighted(q5_1_weighted_at),
        BlockFormat::Q2_K => Writer::Weighted(q2_k_at),
        BlockFormat::Q3_K => Writer::Weighted(q3_k_at),
        BlockFormat::Q4_K => Writer::Weighted(q4_k_at),
        BlockFormat::Q5_K => Writer::Weighted(q5_k_at),
        BlockFormat::Q6_K => Writer::Weighted(q6_k_weighted_at),
        BlockFormat::IQ4_NL => Writer::Weighted(iq4_nl_at),
        BlockFormat::IQ4_XS => Writer::Weighted(iq4_xs_at),
        BlockFormat::MXFP4 => Writer::Weighted(mxfp4_at),
        _ => return None,
    })
}

by_level! {
    fn q8_0_at(values: &[f32], bytes: &mut [u8]) -> bool = q8_0::quantize;
}

/// Defines writers from bodies that take the level's vectors.
macro_rules! by_lanes {
    ($(fn $name:ident = $module:ident::$body:ident;)*) => {$(
        fn $name(isa: Isa, values: &[f32], importance: Importance<'_>, bytes: &mut [u8]) -> bool {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512(values: &[f32], importance: Importance<'_>, bytes: &mut [u8]) -> bool {
                    $module::$body::<Avx512>(values, importance, bytes)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2(values: &[f32], importance: Importance<'_>, bytes: &mut [u8]) -> bool {
                    $module::$body::<Avx2>(values, importance, bytes)
                }
                #[target_feature(enable = "fma")]
                fn fma(values: &[f32], importance: Importance<'_>, bytes: &mut [u8]) -> bool {
                    $module::$body::<[f32; LANES]>(values, importance, bytes)
                }
                match Compiled::of(isa) {
                    // SAFETY: `Compiled::of` returns only what this processor has.
                    Compiled::Avx512 => return unsafe { avx512(values, importance, bytes) },
                    // SAFETY: as above.
                    Compiled::Avx2 => return unsafe { avx2(values, importance, bytes) },
                    // SAFETY: as above.
                    Compiled::Fma => return unsafe { fma(values, importance, bytes) },
                    Compiled::Plain => {}
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = isa;
            $module::$body::<[f32; LANES]>(values, importance, bytes)
        }
    )*};
}

by_lanes! {
    fn q4_0_at = q4_0::quantize;
    fn q4_0_weighted_at = q4_0::quantize_weighted;
    fn q4_1_at = q4_1::quantize;
    fn q4_1_weighted_at = q4_1::quantize_weighted;
    fn q5_0_at = q5_0::quantize;
    fn q5_0_weighted_at = q5_0::quantize_weighted;
    fn q5_1_at = q5_1::quantize;
    fn q5_1_weighted_at = q5_1::quantize_weighted;
    fn q2_k_at = q2_k::quantize;
    fn q3_k_at = q3_k::quantize;
    fn q4_k_at = q4_k::quantize;
    fn q5_k_at = q5_k::quantize;
    fn q6_k_at = q6_k::quantize;
    fn q6_k_weighted_at = q6_k::quantize_weighted;
    fn iq4_nl_at = iq4::quantize_nl;
    fn iq4_xs_at = iq4::quantize_xs;
    fn mxfp4_at = fp4::quantize_mx;
}
