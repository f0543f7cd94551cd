//! The loop: candle's gradients, an optimizer of a few lines, and the toolkit's hooks around both.

use compress_core::hook::{Run, TrainHook};
use compress_core::parameters::Parameters;
use compress_core::train::{Batch, Loss};
use compress_core::{Error, Result, rng};
use ndarray::Array2;

use crate::data::Images;
use crate::network::ConvNet;

/// How long and how fast to train.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Passes over the images.
    pub epochs: usize,
    /// Images of a batch.
    pub batch: usize,
    /// The learning rate.
    pub rate: f32,
    /// The seed of the order of the images.
    pub seed: u64,
}

/// How much of the last change is taken again.
const MOMENTUM: f32 = 0.9;

/// Trains `network` with any loss of the toolkit and any hooks, by stochastic gradient descent with
/// momentum. Returns the mean loss of the last pass.
///
/// # Errors
/// Those of candle, the loss and the hooks.
pub fn train(
    network: &mut ConvNet,
    images: &Images,
    loss: &dyn Loss,
    hooks: &mut [&mut dyn TrainHook],
    settings: Settings,
) -> Result<f32> {
    let steps = settings.epochs * images.count().div_ceil(settings.batch);
    let mut run = Run::new(hooks, steps);
    let mut momentum = Vec::new();
    let mut mean = 0.0;
    for epoch in 0..settings.epochs as u64 {
        let mut order: Vec<usize> = (0..images.count()).collect();
        rng::shuffle(
            &mut rng::indexed(settings.seed, "candle.order", epoch),
            &mut order,
        );
        mean = 0.0;
        for indices in order.chunks(settings.batch) {
            let found = run.step(
                network,
                settings.rate,
                |network, _| {
                    let (pixels, labels) = images.batch(indices).map_err(Error::other)?;
                    let nothing = Array2::zeros((indices.len(), 0));
                    let batch = Batch {
                        inputs: nothing.view(),
                        labels: &labels,
                        indices,
                        epoch,
                    };
                    network.backward(&pixels, |logits, gradient| {
                        loss.evaluate(logits, &batch, gradient.view_mut())
                    })
                },
                |network, _| update(network, &mut momentum, settings.rate),
            )?;
            mean += found * indices.len() as f32 / images.count() as f32;
        }
    }
    run.finish(network)?;
    Ok(mean)
}

/// `v = momentum · v − rate · gradient; w += v`, in the order of the parameters.
fn update(network: &mut ConvNet, momentum: &mut Vec<Vec<f32>>, rate: f32) -> Result<()> {
    use compress_core::gradients::Gradients;
    let mut position = 0;
    network.visit_gradients(&mut |gradient| {
        if momentum.len() == position {
            momentum.push(vec![0.0; gradient.values.len()]);
        }
        for (v, g) in momentum[position].iter_mut().zip(gradient.values) {
            *v = MOMENTUM * *v - rate * *g;
        }
        position += 1;
        Ok(())
    })?;
    let mut changes = momentum.iter();
    network.visit_mut(&mut |tensor| {
        for (w, v) in tensor
            .values
            .iter_mut()
            .zip(changes.next().into_iter().flatten())
        {
            *w += v;
        }
        Ok(())
    })
}
