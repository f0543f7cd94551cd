//! A layer with few live weights: their values, gradients and moments are kept apart.

use std::sync::Arc;

use compress_core::kernels::sparse_layer::Live;
use compress_core::network::Parameter;

/// Below this density, training on the live weights alone takes less time than the dense
/// products (`cargo run --release -p compress-core --example break_even_training`: 14 to 18 % of
/// layers from 100×300 to 1200×1200, on one thread and on two).
const BREAK_EVEN: f64 = 0.14;

/// The live weights of one layer, in the order of [`Live::positions`]. The parameter's dense
/// values stay true at all times: they are gathered before a step and scattered after it, so
/// that hooks see what they always see.
#[derive(Debug)]
pub(crate) struct LiveWeights {
    pub(crate) live: Arc<Live>,
    positions: Vec<u32>,
    pub(crate) values: Vec<f32>,
    pub(crate) gradient: Vec<f32>,
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

/// Whether a layer with these live weights is better trained on them alone.
pub(crate) fn is_sparse(weight: &Parameter) -> bool {
    let few = |live: &Arc<Live>| {
        let (n, k) = live.dim();
        (live.len() as f64) < BREAK_EVEN * (n as f64 * k as f64)
    };
    weight.live().is_some_and(few)
}

impl LiveWeights {
    /// Takes over the optimizer's `moments` of the weight; empty where it keeps none.
    pub(crate) fn new(live: Arc<Live>, moments: [&[f32]; 2]) -> Self {
        let positions: Vec<u32> = live.positions().map(|p| p as u32).collect();
        let gather = |dense: &[f32]| -> Vec<f32> {
            let kept = positions.iter().filter(|_| !dense.is_empty());
            kept.map(|&p| dense[p as usize]).collect()
        };
        let [first, second] = moments;
        LiveWeights {
            values: vec![0.0; positions.len()],
            gradient: vec![0.0; positions.len()],
            first: gather(first),
            second: gather(second),
            live,
            positions,
        }
    }

    /// Gives the moments back to the optimizer's; those of dead weights become zero.
    pub(crate) fn give_back(&self, moments: [&mut [f32]; 2]) {
        for (dense, live) in moments.into_iter().zip([&self.first, &self.second]) {
            dense.fill(0.0);
            for (&position, &value) in self.positions.iter().zip(live) {
                dense[position as usize] = value;
            }
        }
    }

    /// Reads the live values of the parameter.
    pub(crate) fn gather_values(&mut self, weight: &Parameter) {
        gather(&self.positions, weight.values(), &mut self.values);
    }

    /// Reads its gradient, which hooks may have changed.
    pub(crate) fn gather_gradient(&mut self, weight: &Parameter) {
        gather(&self.positions, weight.gradient(), &mut self.gradient);
    }

    /// Writes the values.
    pub(crate) fn scatter_values(&self, weight: &mut Parameter) {
        scatter(&self.positions, &self.values, weight.values_mut());
    }

    /// Writes the gradient; that of dead weights has been zero since they died.
    pub(crate) fn scatter_gradient(&self, weight: &mut Parameter) {
        scatter(&self.positions, &self.gradient, weight.gradient_mut());
    }
}

fn gather(positions: &[u32], dense: &[f32], to: &mut [f32]) {
    for (&position, to) in positions.iter().zip(to) {
        *to = dense[position as usize];
    }
}

fn scatter(positions: &[u32], values: &[f32], dense: &mut [f32]) {
    for (&position, &value) in positions.iter().zip(values) {
        dense[position as usize] = value;
    }
}
