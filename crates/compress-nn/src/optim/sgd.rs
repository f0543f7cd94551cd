//! Stochastic gradient descent in one pass over each tensor.

use rayon::prelude::*;

use super::Optimizer;
use crate::layers::CHUNK;

/// One step of gradient descent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    factor: f32,
    momentum: f32,
    nesterov: bool,
    decay: f32,
}

impl Update {
    /// Of `optimizer`, with gradients times `factor`. Another optimizer than SGD counts as SGD
    /// without momentum.
    pub(super) fn new(optimizer: Optimizer, rate: f32, factor: f32) -> Self {
        let (momentum, nesterov, decay) = match optimizer {
            Optimizer::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => (momentum, nesterov, weight_decay),
            _ => (0.0, false, 0.0),
        };
        Update {
            rate,
            factor,
            momentum,
            nesterov,
            decay,
        }
    }

    /// Changes `values`; `sums` is empty without momentum.
    pub(super) fn apply(self, values: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        if sums.is_empty() {
            chunks.for_each(|(values, gradient)| self.plain(values, gradient));
        } else if self.nesterov {
            chunks
                .zip(sums.par_chunks_mut(CHUNK))
                .for_each(|((values, gradient), sums)| self.nesterov(values, gradient, sums));
        } else {
            chunks
                .zip(sums.par_chunks_mut(CHUNK))
                .for_each(|((values, gradient), sums)| self.momentum(values, gradient, sums));
        }
    }

    fn plain(self, values: &mut [f32], gradient: &[f32]) {
        for (w, &g) in values.iter_mut().zip(gradient) {
            *w -= self.rate * (self.factor * g + self.decay * *w);
        }
    }

    fn momentum(self, values: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
        for ((w, &g), b) in values.iter_mut().zip(gradient).zip(sums) {
            let g = self.factor * g + self.decay * *w;
            *b = self.momentum * *b + g;
            *w -= self.rate * *b;
        }
    }

    fn nesterov(self, values: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
        for ((w, &g), b) in values.iter_mut().zip(gradient).zip(sums) {
            let g = self.factor * g + self.decay * *w;
            *b = self.momentum * *b + g;
            *w -= self.rate * (g + self.momentum * *b);
        }
    }
}
