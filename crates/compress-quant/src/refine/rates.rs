//! The price of codes in the file's entropy coder.

use compress_core::ops::scalar::ln;
use compress_core::price::{MatrixPrices, Prices as Coder};

use super::chain::{Chain, Place};

/// The least that a step away from zero costs, in bits: where larger magnitudes are as frequent as
/// smaller ones, that is chance.
const LEAST: f64 = 0.3;

/// The coder's prices for each layer.
pub(super) struct Rates<'a> {
    matrices: Vec<Box<dyn MatrixPrices + 'a>>,
    top: i32,
}

/// The prices of the codes as they were when a sweep began.
pub(super) struct Prices {
    /// For each layer and position, what a non-zero weight costs for being one.
    presence: Vec<Vec<f32>>,
    /// For each layer, the price of each magnitude from 1 on.
    magnitudes: Vec<Vec<f64>>,
}

impl<'a> Rates<'a> {
    pub(super) fn new(chain: &Chain, coder: &'a dyn Coder, top: i32) -> Self {
        let layers = chain.layers.iter();
        let matrices = layers.map(|layer| coder.matrix(&layer.name, layer.inputs));
        Rates {
            matrices: matrices.collect(),
            top,
        }
    }

    pub(super) fn of(&self, chain: &Chain) -> Prices {
        let layers = chain.layers.iter().zip(&self.matrices);
        Prices {
            presence: layers
                .map(|(layer, matrix)| matrix.presence_bits(&layer.codes))
                .collect(),
            magnitudes: chain
                .layers
                .iter()
                .map(|layer| magnitudes(&layer.codes, self.top))
                .collect(),
        }
    }
}

/// The bits of each magnitude from 1 to `top`, by how often it occurs.
fn magnitudes(codes: &[i32], top: i32) -> Vec<f64> {
    // Each magnitude counts as seen once more than it was.
    let mut counts = vec![1.0_f32; top.max(0) as usize];
    for code in codes.iter().filter(|code| **code != 0) {
        if let Some(count) = counts.get_mut(code.unsigned_abs() as usize - 1) {
            *count += 1.0;
        }
    }
    let all: f32 = counts.iter().sum();
    let bits = |count: f32| f64::from(ln(all / count) * std::f32::consts::LOG2_E);
    counts.into_iter().map(bits).collect()
}

impl Prices {
    /// The bits saved by moving a code a step toward zero.
    pub(super) fn nearer(&self, chain: &Chain, place: Place) -> f64 {
        let bits = &self.magnitudes[place.layer];
        match chain.code(place).unsigned_abs() as usize {
            1 => f64::from(self.presence[place.layer][place.position]) + bits[0],
            magnitude => step(bits, magnitude - 1),
        }
    }

    /// The bits that a step away from zero costs; none for the largest code.
    pub(super) fn farther(&self, chain: &Chain, place: Place) -> Option<f64> {
        let bits = &self.magnitudes[place.layer];
        let magnitude = chain.code(place).unsigned_abs() as usize;
        (magnitude < bits.len()).then(|| step(bits, magnitude))
    }
}

/// How much more the next magnitude costs.
fn step(bits: &[f64], magnitude: usize) -> f64 {
    (bits[magnitude] - bits[magnitude - 1]).max(LEAST)
}
