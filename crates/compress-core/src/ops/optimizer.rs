//! The updates of SGD (with momentum), Adam and AdamW: one pass over values, gradient and moments.
//!
//! Multiplications and additions are rounded one by one, as PyTorch's are.

use rayon::prelude::*;

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// Tensors of at least this many values are shared among threads.
const PARALLEL: usize = 1 << 16;
/// Values that a thread takes at once.
const BLOCK: usize = 1 << 15;

/// One step of stochastic gradient descent (SGD): g' = `factor`·g + `decay`·w, then w −= `rate`·g'.
/// With momentum: b = `momentum`·b + g', then w −= `rate`·b. With Nesterov's variant: w −=
/// `rate`·(g' + `momentum`·b).
///
/// # References
/// Sutskever et al., *On the importance of initialization and momentum in deep learning*, 2013,
/// section 2, in the form of PyTorch's `SGD`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f32,
    /// What the gradient is multiplied by: 1, or less where it is clipped.
    pub factor: f32,
    /// How much of b stays.
    pub momentum: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// Weight decay: how much of the weight is added to its gradient.
    pub decay: f32,
}

impl Sgd {
    /// Changes `values` by their `gradient`, without momentum.
    ///
    /// # Errors
    /// Where the lengths differ, or `COMPRESS_ISA` asks for what the machine lacks.
    pub fn plain(self, values: &mut [f32], gradient: &[f32]) -> Result<()> {
        check(values, [gradient])?;
        plain_at(Isa::active()?, self, values, gradient);
        Ok(())
    }

    /// Changes `values` with momentum, and the running `sums` b.
    ///
    /// # Errors
    /// Where the lengths differ, or `COMPRESS_ISA` asks for what the machine lacks.
    pub fn with_momentum(
        self,
        values: &mut [f32],
        gradient: &[f32],
        sums: &mut [f32],
    ) -> Result<()> {
        check(values, [gradient, sums])?;
        let isa = Isa::active()?;
        let step = if self.nesterov {
            nesterov_at
        } else {
            momentum_at
        };
        if values.len() < PARALLEL {
            step(isa, self, values, gradient, sums);
        } else {
            let blocks = values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
            let blocks = blocks.zip(sums.par_chunks_mut(BLOCK));
            blocks.for_each(|((w, g), b)| step(isa, self, w, g, b));
        }
        Ok(())
    }
}

/// One step of Adam or AdamW: g' = `factor`·g + `coupled_decay`·w, m += `first_share`·(g' − m),
/// v = `beta2`·v + `second_share`·g'², w = `shrink`·w − `step`·m / (√v / `correction` +
/// `epsilon`).
///
/// # References
/// Kingma and Ba, 1412.6980, algorithm 1; Loshchilov and Hutter, 1711.05101, algorithm 2, in the
/// form of PyTorch's `Adam` and `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// What the gradient is multiplied by: 1, or less where it is clipped.
    pub factor: f32,
    /// Weight decay of Adam: how much of the weight is added to its gradient.
    pub coupled_decay: f32,
    /// Weight decay of AdamW: what is left of a weight before the step; 1 without.
    pub shrink: f32,
    /// 1 − β₁.
    pub first_share: f32,
    /// β₂.
    pub beta2: f32,
    /// 1 − β₂.
    pub second_share: f32,
    /// The learning rate over 1 − β₁ᵗ.
    pub step: f32,
    /// √(1 − β₂ᵗ).
    pub correction: f32,
    /// Keeps the quotient finite.
    pub epsilon: f32,
}

impl Adam {
    /// Changes `values` and their moments: the means of gradient and squared gradient.
    ///
    /// # Errors
    /// Where the lengths differ, or `COMPRESS_ISA` asks for what the machine lacks.
    pub fn step(
        self,
        values: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> Result<()> {
        check(values, [gradient, first, second])?;
        let isa = Isa::active()?;
        if values.len() < PARALLEL {
            adam_at(isa, self, values, gradient, first, second);
        } else {
            let blocks = values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
            let moments = first
                .par_chunks_mut(BLOCK)
                .zip(second.par_chunks_mut(BLOCK));
            let blocks = blocks.zip(moments);
            blocks.for_each(|((w, g), (m, v))| adam_at(isa, self, w, g, m, v));
        }
        Ok(())
    }
}

fn check<const N: usize>(values: &[f32], others: [&[f32]; N]) -> Result<()> {
    let mut lengths = others.iter().map(|other| other.len());
    match lengths.find(|&length| length != values.len()) {
        None => Ok(()),
        Some(length) => Error::check_shape("gradient and moments", &[values.len()], &[length]),
    }
}

by_level! {
    pub(super) fn plain_at(step: Sgd, values: &mut [f32], gradient: &[f32]) = plain_body;
    pub(super) fn momentum_at(
        step: Sgd, values: &mut [f32], gradient: &[f32], sums: &mut [f32],
    ) = momentum_body;
    pub(super) fn nesterov_at(
        step: Sgd, values: &mut [f32], gradient: &[f32], sums: &mut [f32],
    ) = nesterov_body;
    pub(super) fn adam_at(
        step: Adam,
        values: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) = adam_body;
}

#[inline(always)]
fn plain_body(step: Sgd, values: &mut [f32], gradient: &[f32]) {
    for (w, &g) in values.iter_mut().zip(gradient) {
        *w -= step.rate * (step.factor * g + step.decay * *w);
    }
}

#[inline(always)]
fn momentum_body(step: Sgd, values: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
    for ((w, &g), b) in values.iter_mut().zip(gradient).zip(sums) {
        let g = step.factor * g + step.decay * *w;
        *b = step.momentum * *b + g;
        *w -= step.rate * *b;
    }
}

#[inline(always)]
fn nesterov_body(step: Sgd, values: &mut [f32], gradient: &[f32], sums: &mut [f32]) {
    for ((w, &g), b) in values.iter_mut().zip(gradient).zip(sums) {
        let g = step.factor * g + step.decay * *w;
        *b = step.momentum * *b + g;
        let sum = g + step.momentum * *b;
        // Where the sum is beyond f32, its parts times the rate may not be.
        let parts = step.rate * g + step.rate * step.momentum * *b;
        *w -= if sum.is_infinite() {
            parts
        } else {
            step.rate * sum
        };
    }
}

#[inline(always)]
fn adam_body(
    step: Adam,
    values: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let moments = first.iter_mut().zip(second);
    for ((w, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
        let g = step.factor * g + step.coupled_decay * *w;
        // Where a difference or a square is beyond f32, its share may not be.
        let (change, square) = (g - *m, g * g);
        let parts = step.first_share * g - step.first_share * *m;
        *m += if change.is_infinite() {
            parts
        } else {
            step.first_share * change
        };
        let part = step.second_share * g * g;
        let part = if square.is_infinite() {
            part
        } else {
            step.second_share * square
        };
        *v = step.beta2 * *v + part;
        let denominator = v.sqrt() / step.correction + step.epsilon;
        *w = step.shrink * *w - step.step * (*m / denominator);
    }
}
