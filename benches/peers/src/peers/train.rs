//! An epoch of candle's automatic differentiation on 60,000 images: SGD with momentum 0.9, in
//! shuffled batches.

use candle_core::{D, DType, Device, Tensor, Var};

use super::{Failure, Values, values};
use crate::timing::seconds;

const IMAGES: usize = 60_000;
const CLASSES: u32 = 10;
const RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.9;

pub(super) fn epoch(widths: &[usize], batch: usize) -> Values {
    let Some(&features) = widths.first() else {
        return Ok(Vec::new());
    };
    let device = Device::Cpu;
    let inputs = Tensor::from_vec(values(IMAGES * features), (IMAGES, features), &device)?;
    let labels: Vec<u32> = (0..IMAGES as u32).map(|i| i % CLASSES).collect();
    let labels = Tensor::from_vec(labels, IMAGES, &device)?;
    let mut network = Network::new(widths)?;
    // An order in which neighbours are far from each other, as a shuffle's.
    let order: Vec<u32> = (0..IMAGES as u64)
        .map(|i| (i * 7_919 % IMAGES as u64) as u32)
        .collect();
    let seconds: Result<_, Failure> = seconds(|| {
        for rows in order.chunks(batch.max(1)) {
            let rows = Tensor::from_slice(rows, rows.len(), &device)?;
            let (x, y) = (
                inputs.index_select(&rows, 0)?,
                labels.index_select(&rows, 0)?,
            );
            network.step(&x, &y)?;
        }
        Ok(())
    });
    Ok(vec![("candle", seconds?)])
}

/// Dense layers with ReLU between them.
struct Network {
    /// Weights `[outputs, inputs]` and biases, in turns, each with its momentum.
    parameters: Vec<(Var, Tensor)>,
}

impl Network {
    fn new(widths: &[usize]) -> Result<Self, Failure> {
        let mut parameters = Vec::new();
        for pair in widths.windows(2) {
            let weight: Vec<f32> = values(pair[0] * pair[1]).iter().map(|w| w * 0.1).collect();
            for tensor in [
                Tensor::from_vec(weight, (pair[1], pair[0]), &Device::Cpu)?,
                Tensor::zeros(pair[1], DType::F32, &Device::Cpu)?,
            ] {
                parameters.push((Var::from_tensor(&tensor)?, tensor.zeros_like()?));
            }
        }
        Ok(Network { parameters })
    }

    fn step(&mut self, x: &Tensor, labels: &Tensor) -> Result<(), Failure> {
        let mut hidden = x.clone();
        let layers = self.parameters.len() / 2;
        for (i, layer) in self.parameters.chunks_exact(2).enumerate() {
            hidden = hidden
                .matmul(&layer[0].0.t()?)?
                .broadcast_add(&layer[1].0)?;
            if i + 1 < layers {
                hidden = hidden.relu()?;
            }
        }
        let largest = hidden.max_keepdim(D::Minus1)?;
        let shifted = hidden.broadcast_sub(&largest)?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?;
        let log = shifted.broadcast_sub(&total.log()?)?;
        let loss = log.gather(&labels.unsqueeze(1)?, 1)?.mean_all()?.neg()?;
        let gradients = loss.backward()?;
        for (parameter, momentum) in &mut self.parameters {
            if let Some(gradient) = gradients.get(parameter) {
                *momentum = ((&*momentum * MOMENTUM)? + gradient)?.detach();
                parameter.set(&parameter.sub(&(&*momentum * RATE)?)?)?;
            }
        }
        Ok(())
    }
}
