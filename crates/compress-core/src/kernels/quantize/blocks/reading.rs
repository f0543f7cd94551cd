//! The reader of each format, at each level.

use super::{fp4, iq::iq1, iq::iq2, iq::iq3, iq4, q2_k, q3_k, q4_0, q4_1, q4_k, q5_0, q5_1, q5_k};
use super::{q6_k, q8_0, ternary};
use crate::isa::Isa;
use crate::kernels::block_format::BlockFormat;
use crate::kernels::levels::by_level;

/// Writes the values of blocks.
pub(super) type Reader = fn(Isa, &[u8], &mut [f32]);

pub(super) fn reader(format: BlockFormat) -> Reader {
    match format {
        BlockFormat::Q8_0 => q8_0_at,
        BlockFormat::Q4_0 => q4_0_at,
        BlockFormat::Q4_K => q4_k_at,
        BlockFormat::Q6_K => q6_k_at,
        BlockFormat::Q4_1 => q4_1_at,
        BlockFormat::Q5_0 => q5_0_at,
        BlockFormat::Q5_1 => q5_1_at,
        BlockFormat::Q2_K => q2_k_at,
        BlockFormat::Q3_K => q3_k_at,
        BlockFormat::Q5_K => q5_k_at,
        BlockFormat::IQ4_NL => iq4_nl_at,
        BlockFormat::IQ4_XS => iq4_xs_at,
        BlockFormat::MXFP4 => mxfp4_at,
        BlockFormat::NVFP4 => nvfp4_at,
        BlockFormat::TQ1_0 => tq1_0_at,
        BlockFormat::TQ2_0 => tq2_0_at,
        BlockFormat::IQ2_XXS => iq2_xxs_at,
        BlockFormat::IQ2_XS => iq2_xs_at,
        BlockFormat::IQ2_S => iq2_s_at,
        BlockFormat::IQ3_XXS => iq3_xxs_at,
        BlockFormat::IQ3_S => iq3_s_at,
        BlockFormat::IQ1_S => iq1_s_at,
        BlockFormat::IQ1_M => iq1_m_at,
    }
}

by_level! {
    fn q8_0_at(bytes: &[u8], values: &mut [f32]) = q8_0::dequantize;
    fn q4_0_at(bytes: &[u8], values: &mut [f32]) = q4_0::dequantize;
    fn q4_1_at(bytes: &[u8], values: &mut [f32]) = q4_1::dequantize;
    fn q5_0_at(bytes: &[u8], values: &mut [f32]) = q5_0::dequantize;
    fn q5_1_at(bytes: &[u8], values: &mut [f32]) = q5_1::dequantize;
    fn q2_k_at(bytes: &[u8], values: &mut [f32]) = q2_k::dequantize;
    fn q3_k_at(bytes: &[u8], values: &mut [f32]) = q3_k::dequantize;
    fn q4_k_at(bytes: &[u8], values: &mut [f32]) = q4_k::dequantize;
    fn q5_k_at(bytes: &[u8], values: &mut [f32]) = q5_k::dequantize;
    fn q6_k_at(bytes: &[u8], values: &mut [f32]) = q6_k::dequantize;
    fn iq4_nl_at(bytes: &[u8], values: &mut [f32]) = iq4::dequantize_nl;
    fn iq4_xs_at(bytes: &[u8], values: &mut [f32]) = iq4::dequantize_xs;
    fn mxfp4_at(bytes: &[u8], values: &mut [f32]) = fp4::dequantize_mx;
    fn nvfp4_at(bytes: &[u8], values: &mut [f32]) = fp4::dequantize_nv;
    fn tq1_0_at(bytes: &[u8], values: &mut [f32]) = ternary::dequantize_1;
    fn tq2_0_at(bytes: &[u8], values: &mut [f32]) = ternary::dequantize_2;
    fn iq2_xxs_at(bytes: &[u8], values: &mut [f32]) = iq2::dequantize_xxs;
    fn iq2_xs_at(bytes: &[u8], values: &mut [f32]) = iq2::dequantize_xs;
    fn iq2_s_at(bytes: &[u8], values: &mut [f32]) = iq2::dequantize_s;
    fn iq3_xxs_at(bytes: &[u8], values: &mut [f32]) = iq3::dequantize_xxs;
    fn iq3_s_at(bytes: &[u8], values: &mut [f32]) = iq3::dequantize_s;
    fn iq1_s_at(bytes: &[u8], values: &mut [f32]) = iq1::dequantize_s;
    fn iq1_m_at(bytes: &[u8], values: &mut [f32]) = iq1::dequantize_m;
}
