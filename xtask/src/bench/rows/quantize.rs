//! Weights to codes and back, into buffers that are there.

use compress_core::codec::Granularity;
use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::quantize::{
    CodeBuffer, CodeType, Quantized, Sets, blocks, dequantize_into, quantize, quantize_into,
};

use super::super::BenchError;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{SIDE, weights};

pub(super) fn rows() -> Vec<Row> {
    let row = |name: &str, measure: Box<dyn Fn(&Bench) -> Outcome + Sync>| {
        Row::new(format!("{name}/{SIDE}x{SIDE}"), Unit::Milliseconds, measure)
    };
    let channel = (Granularity::Channel, CodeType::I8);
    let group = (Granularity::Group(128), CodeType::I4);
    let mut rows = vec![
        row(
            "quantize/int8_channel",
            Box::new(move |b| to_codes(b, channel)),
        ),
        row(
            "dequantize/int8_channel",
            Box::new(move |b| from_codes(b, channel)),
        ),
        row("quantize/int4_g128", Box::new(move |b| to_codes(b, group))),
    ];
    for format in BlockFormat::ENCODED {
        let name = format.name();
        let measure = move |bench: &Bench| to_blocks(bench, format);
        rows.push(row(&format!("quantize/{name}"), Box::new(measure)));
    }
    for format in BlockFormat::ALL {
        let name = format.name();
        let measure = move |bench: &Bench| from_blocks(bench, format);
        rows.push(row(&format!("dequantize/{name}"), Box::new(measure)));
    }
    let measure = |bench: &Bench| to_weighted_blocks(bench, BlockFormat::Q4_K);
    rows.push(row("quantize/q4_k_weighted", Box::new(measure)));
    rows
}

/// Scales from the largest magnitudes, and codes: the weights are read and the codes written.
fn to_codes(bench: &Bench, (granularity, codes): (Granularity, CodeType)) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let (sets, mut to) = quantized(&weights, granularity, codes)?;
    let floor = Floor::reading(size_of_val(&weights[..])).moving(0, bytes(&to));
    bench.time(floor, || {
        let codes = to.codes.as_codes_mut();
        quantize_into(&sets, &weights, codes, &mut to.scales, &mut to.zero_points)
    })
}

fn from_codes(bench: &Bench, (granularity, codes): (Granularity, CodeType)) -> Outcome {
    let mut weights = weights(SIDE * SIDE);
    let (sets, from) = quantized(&weights, granularity, codes)?;
    let floor = Floor::reading(bytes(&from)).moving(0, size_of_val(&weights[..]));
    bench.time(floor, || {
        let (scales, zeros) = (&from.scales, &from.zero_points);
        dequantize_into(&sets, from.codes.as_codes(), scales, zeros, &mut weights)
    })
}

fn to_blocks(bench: &Bench, format: BlockFormat) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let mut bytes = blocks::quantize(format, "weights", &weights)?;
    let floor = Floor::reading(size_of_val(&weights[..])).moving(0, bytes.len());
    bench.time(floor, || {
        blocks::quantize_into(format, "weights", &weights, &mut bytes)
    })
}

/// Each column counts differently.
fn to_weighted_blocks(bench: &Bench, format: BlockFormat) -> Outcome {
    let weights = weights(SIDE * SIDE);
    let importance: Vec<f32> = (0..SIDE).map(|j| (j % 37 + 1) as f32).collect();
    let mut bytes = blocks::quantize(format, "weights", &weights)?;
    let floor = Floor::reading(size_of_val(&weights[..])).moving(0, bytes.len());
    bench.time(floor, || {
        blocks::quantize_weighted_into(format, "weights", &weights, &importance, &mut bytes)
    })
}

fn from_blocks(bench: &Bench, format: BlockFormat) -> Outcome {
    let mut weights = vec![0.0; SIDE * SIDE];
    // Bits of any kind take the same time.
    let bytes = vec![0x35; SIDE * SIDE / format.block_len() * format.block_bytes()];
    let floor = Floor::reading(bytes.len()).moving(0, size_of_val(&weights[..]));
    bench.time(floor, || {
        blocks::dequantize_into(format, "weights", &bytes, &mut weights)
    })
}

fn quantized(
    weights: &[f32],
    granularity: Granularity,
    codes: CodeType,
) -> Result<(Sets, Quantized), BenchError> {
    let sets = Sets::new("weights", &[SIDE, SIDE], granularity)?;
    let quantized = quantize(&sets, weights, codes)?;
    Ok((sets, quantized))
}

/// Of codes and scales.
fn bytes(quantized: &Quantized) -> usize {
    let codes = match &quantized.codes {
        CodeBuffer::I8(codes) => codes.len(),
        CodeBuffer::U8(codes) | CodeBuffer::I4(codes) | CodeBuffer::U4(codes) => codes.len(),
    };
    codes + size_of_val(&quantized.scales[..])
}
