//! candle's k-quants, and rten's blocks of 4 bits: f32 activations times quantized weights, and
//! quantizing.

use std::hint::black_box;
use std::mem::MaybeUninit;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Module, Tensor};
use rten_gemm::{BlockQuantizedGemm, BlockQuantizedMatrix, ComputeMode};
use rten_tensor::{Contiguous, NdTensorView};

use super::{Failure, Values, values};
use crate::timing::seconds;

/// Microseconds of `x · wᵀ` with `[outputs, inputs]` weights of 4 bits.
pub(super) fn multiply_4(shape: &[usize], batch: usize) -> Values {
    let &[n, k] = shape else {
        return Ok(Vec::new());
    };
    Ok(vec![
        ("candle Q4_0", candle(GgmlDType::Q4_0, n, k, batch)? * 1e6),
        ("candle Q4_K", candle(GgmlDType::Q4K, n, k, batch)? * 1e6),
        ("rten-gemm, blocks of 32", rten(n, k, batch)? * 1e6),
    ])
}

/// Microseconds of `x · wᵀ` with `[outputs, inputs]` weights of 8 bits.
pub(super) fn multiply_8(shape: &[usize], batch: usize) -> Values {
    let &[n, k] = shape else {
        return Ok(Vec::new());
    };
    let microseconds = candle(GgmlDType::Q8_0, n, k, batch)? * 1e6;
    Ok(vec![("candle Q8_0", microseconds)])
}

/// Milliseconds of quantizing 4096 × 4096 weights.
pub(super) fn quantize(format: &str) -> Values {
    const SIDE: usize = 4096;
    let (peer, format) = match format {
        "q8_0" => ("candle Q8_0", GgmlDType::Q8_0),
        "q4_0" => ("candle Q4_0", GgmlDType::Q4_0),
        _ => ("candle Q4_K", GgmlDType::Q4K),
    };
    let weights = Tensor::from_vec(values(SIDE * SIDE), (SIDE, SIDE), &Device::Cpu)?;
    let seconds: Result<_, Failure> = seconds(|| {
        black_box(QTensor::quantize(&weights, format)?);
        Ok(())
    });
    Ok(vec![(peer, seconds? * 1e3)])
}

fn candle(format: GgmlDType, n: usize, k: usize, batch: usize) -> Result<f64, Failure> {
    let weights = Tensor::from_vec(values(n * k), (n, k), &Device::Cpu)?;
    let product = QMatMul::from_qtensor(QTensor::quantize(&weights, format)?)?;
    let x = Tensor::from_vec(values(batch * k), (batch, k), &Device::Cpu)?;
    seconds(|| {
        black_box(product.forward(&x)?);
        Ok(())
    })
}

fn rten(n: usize, k: usize, batch: usize) -> Result<f64, Failure> {
    /// Two weights a byte.
    const BYTES: usize = 16;
    let blocks = k / (2 * BYTES);
    let codes: Vec<u8> = (0..n * blocks * BYTES)
        .map(|i| (i * 31 % 251) as u8)
        .collect();
    let scales = values(n * blocks);
    let x = values(batch * k);
    // The activations in 8 bits where that is fast, as candle's are.
    let gemm = BlockQuantizedGemm::new().with_compute(ComputeMode::Int8);
    let mut y = vec![MaybeUninit::new(0.0); batch * n];
    let missing = "blocks that are not contiguous";
    seconds(|| {
        let codes = Contiguous::new(NdTensorView::from_data([n, blocks, BYTES], &codes[..]));
        let scales = Contiguous::new(NdTensorView::from_data([n, blocks], &scales[..]));
        let (codes, scales) = (codes.ok_or(missing)?, scales.ok_or(missing)?);
        let weights = BlockQuantizedMatrix::new(codes, scales, 4).map_err(|e| format!("{e:?}"))?;
        let x = NdTensorView::from_data([1, batch, k], &x[..]);
        gemm.batched_gemm_uninit(&mut y, x, weights)
            .map_err(|e| format!("{e:?}"))?;
        black_box(&y);
        Ok(())
    })
}
