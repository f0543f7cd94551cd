//! Predictions of a loaded model, one call after the other in the same buffers. The weights are
//! read once a call, whatever the batch.

use compress_core::codec::Tensor;
use compress_core::network::{Activation, Network};
use compress_format::artifact::Artifact;
use compress_format::runtime::{Arithmetic, LayerKernel, Runtime};
use compress_nn::{Init, Mlp};
use compress_quant::Granularity;
use compress_quant::schemes::{LinearSymmetric, Range, Scheme};
use ndarray::Array2;

use super::super::BenchError;
use super::super::ceilings;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{NETWORKS, dashed, uniform};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for widths in NETWORKS {
        for (kind, arithmetic) in [("f32", Arithmetic::Exact), ("int8", Arithmetic::Integer)] {
            for batch in [1, 64, 1024] {
                let name = format!("infer/{}/{kind}/bs{batch}", dashed(widths));
                let predict = move |bench: &Bench| predict(bench, widths, arithmetic, batch);
                rows.push(Row::new(name, Unit::Microseconds, predict));
            }
        }
    }
    rows
}

fn predict(bench: &Bench, widths: &[usize], arithmetic: Arithmetic, batch: usize) -> Outcome {
    let network = Mlp::new(widths, Activation::Relu, Init::HeUniform, 1, "bench")?;
    let mut artifact = Artifact::of_chain(network.architecture(), network.to_tensors())?;
    if arithmetic == Arithmetic::Integer {
        quantize(&mut artifact)?;
    }
    let runtime = Runtime::with(artifact, arithmetic)?;
    let inputs = uniform("inputs", batch, widths[0]) + 0.5;
    let mut logits = Array2::zeros((batch, runtime.architecture().outputs()));
    let floor = floor(widths, &runtime, batch);
    let mut session = runtime.session();
    bench.time(floor, || {
        session.predict_into(inputs.view(), logits.view_mut())
    })
}

/// Weights in 8 bits, symmetric, a scale for each output.
fn quantize(artifact: &mut Artifact) -> Result<(), BenchError> {
    let scheme = LinearSymmetric::new(8, Granularity::Channel, Range::AbsMax)?;
    for tensor in &mut artifact.tensors {
        if let Tensor::Float {
            name,
            shape,
            values,
        } = tensor
            && shape.len() == 2
        {
            let codec = scheme.fit(name, values, shape)?;
            *tensor = codec.encode(name, values, shape)?;
        }
    }
    Ok(())
}

fn floor(widths: &[usize], runtime: &Runtime, batch: usize) -> Floor {
    let integers = runtime
        .kernels()
        .all(|kernel| kernel == LayerKernel::DenseI8);
    // Beside integers there are a scale and a bias for each output.
    let (weight, output, arithmetic) = match integers {
        true => (1, 8, ceilings::Arithmetic::Int8),
        false => (4, 4, ceilings::Arithmetic::F32),
    };
    let weights: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
    let outputs: usize = widths[1..].iter().sum();
    let bytes = weight * weights + output * outputs + 4 * batch * widths[0];
    Floor::reading(bytes).computing(arithmetic, 2.0 * (batch * weights) as f64)
}
