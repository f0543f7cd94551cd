//! Predictions of a loaded model. The weights are read once a call, whatever the batch.

use std::hint::black_box;

use compress_core::network::Activation;
use compress_core::runtime::Runtime;
use compress_nn::{Init, Mlp};

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{NETWORKS, dashed, parameters, uniform};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for widths in NETWORKS {
        for batch in [1, 64, 1024] {
            let name = format!("infer/{}/f32/bs{batch}", dashed(widths));
            let predict = move |bench: &Bench| f32(bench, widths, batch);
            rows.push(Row::new(name, Unit::Microseconds, predict));
        }
    }
    rows
}

fn f32(bench: &Bench, widths: &[usize], batch: usize) -> Outcome {
    let network = Mlp::new(widths, Activation::Relu, Init::HeUniform, 1, "bench")?;
    let runtime = Runtime::new(network.to_artifact())?;
    let inputs = uniform("inputs", batch, widths[0]) + 0.5;
    let multiply_adds: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
    let floor = Floor::reading(4 * (parameters(widths) + inputs.len()))
        .computing(Arithmetic::F32, 2.0 * (batch * multiply_adds) as f64);
    bench.time(floor, || {
        black_box(runtime.predict(black_box(inputs.view()))?);
        Ok::<_, compress_core::Error>(())
    })
}
