//! `x · wᵀ` with weights in ggml's blocks, which stay packed; activations come as f32 and are
//! rounded to 8 bits in the time that is measured.

use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::gemm_i4::{Activations, PackedBlocks, Scratch, gemm_into};
use compress_core::kernels::quantize::blocks::quantize;
use ndarray::Array2;

use super::super::BenchError;
use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{SIDE, uniform, weights};

pub(super) fn rows() -> Vec<Row> {
    let side = format!("{SIDE}x{SIDE}");
    let mut rows = Vec::new();
    for (family, format) in [
        (format!("gemm_i4/{side}/q4_0"), BlockFormat::Q4_0),
        (format!("gemm_i4/{side}/q4_k"), BlockFormat::Q4_K),
        (format!("gemm_q8_0/{side}"), BlockFormat::Q8_0),
    ] {
        for batch in [1, 64] {
            let measure = move |bench: &Bench| product(bench, format, batch);
            let name = format!("{family}/bs{batch}");
            rows.push(Row::new(name, Unit::Microseconds, measure));
        }
    }
    rows
}

fn product(bench: &Bench, format: BlockFormat, batch: usize) -> Outcome {
    let weights = packed(format)?;
    let x = uniform("x", batch, SIDE);
    let mut y = Array2::zeros((batch, SIDE));
    let mut scratch = Scratch::for_rows(&weights, batch)?;
    let activations = Activations::default_of(&weights);
    let floor = Floor::reading(weights.packed_bytes() + 4 * (x.len() + y.len()))
        .computing(Arithmetic::Int8, 2.0 * (batch * SIDE * SIDE) as f64);
    bench.time(floor, || {
        let y = y.view_mut();
        gemm_into(x.view(), &weights, None, activations, &mut scratch, y)
    })
}

fn packed(format: BlockFormat) -> Result<PackedBlocks, BenchError> {
    let bytes = quantize(format, "weights", &weights(SIDE * SIDE))?;
    Ok(PackedBlocks::pack(format, &bytes, SIDE, SIDE)?)
}
