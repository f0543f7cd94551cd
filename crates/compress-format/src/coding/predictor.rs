//! Adaptive prediction of one bit by logistic mixing.
//!
//! Each context keeps an estimate of the probability from the bits that it has seen ([`Counter`]).
//! A [`Mixer`] adds their log-odds with weights that it learns online, by the gradient of the code
//! length. All arithmetic is on integers.
//!
//! # References
//! Mahoney, *Adaptive weighing of context models for lossless data compression* (Florida Tech
//! CS-2005-16), section 3: the logistic mixing and its update.

use super::logistic::{log2, squash, stretch};
use super::range_coder::BitCoder;

#[cfg(test)]
mod tests;

/// The probability of a set bit in one context, as seen so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// In units of 2⁻³².
    probability: u32,
    seen: u32,
}

/// A counter forgets nothing until it has seen this many bits; from then on it forgets slowly.
const MEMORY: u32 = 255;

/// 2¹⁶ / (n + 1.5): how far the n-th bit moves a counter.
static RATE: [u32; MEMORY as usize + 1] = rates();

const fn rates() -> [u32; MEMORY as usize + 1] {
    let mut table = [0; MEMORY as usize + 1];
    let mut n = 0;
    while n < table.len() {
        table[n] = (2 << 16) / (2 * n as u32 + 3);
        n += 1;
    }
    table
}

impl Default for Counter {
    fn default() -> Self {
        Counter {
            probability: 1 << 31,
            seen: 0,
        }
    }
}

impl Counter {
    /// The evidence of the context; almost none (1) before it has seen a bit.
    fn evidence(self) -> i32 {
        stretch(self.probability)
    }

    fn update(&mut self, bit: bool) {
        let target = if bit { u32::MAX } else { 0 };
        let error = i64::from(target) - i64::from(self.probability);
        let step = (error * i64::from(RATE[self.seen as usize])) >> 16;
        self.probability = (i64::from(self.probability) + step) as u32;
        self.seen = (self.seen + 1).min(MEMORY);
    }
}

/// How often a bit was set in one context against how often it was expected to be: evidence that
/// adds to that of the expectation, and is none before anything was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ratio {
    set: u32,
    /// In units of 2⁻¹⁶.
    expected: u64,
}

impl Ratio {
    /// The stretch by which the odds are to be raised. `prior` (in units of 2⁻¹⁶) imaginary bits
    /// count as set and as expected.
    pub(crate) fn evidence(self, prior: u64) -> i32 {
        log2((u64::from(self.set) << 16) + prior) - log2(self.expected + prior)
    }

    /// Records `bit`, whose probability was taken to be `expected`.
    pub(crate) fn update(&mut self, expected: u16, bit: bool) {
        self.set = self.set.saturating_add(u32::from(bit));
        self.expected += u64::from(expected);
    }
}

/// Weights stay below this, eight in units of 2⁻¹⁶, so that no sum overflows.
const HEAVIEST: i64 = 8 << 16;

/// Weighs `N` pieces of evidence, with a set of weights for each selected situation.
#[derive(Clone, Debug)]
pub(crate) struct Mixer<const N: usize> {
    weights: Vec<[i32; N]>,
    /// How fast the weights learn. The step (in 2⁻¹⁶) is the error (in 2⁻¹⁶) times the evidence (a
    /// stretch) times this, over 2¹⁸.
    rate: i32,
}

impl<const N: usize> Mixer<N> {
    /// `situations` sets of weights that all start as `initial`, in units of 2⁻¹⁶, and learn at
    /// `rate`.
    pub(crate) fn new(situations: usize, initial: [i32; N], rate: i32) -> Self {
        Mixer {
            weights: vec![initial; situations],
            rate,
        }
    }

    /// The stretch that the evidence adds up to.
    pub(crate) fn mix(&self, situation: usize, evidence: &[i32; N]) -> i32 {
        let sum: i64 = self.weights[situation]
            .iter()
            .zip(evidence)
            .map(|(&w, &e)| i64::from(w) * i64::from(e))
            .sum();
        (sum >> 16) as i32
    }

    /// Moves the weights towards a better prediction of `bit` than `probability` was.
    pub(crate) fn update(
        &mut self,
        situation: usize,
        evidence: &[i32; N],
        probability: u16,
        bit: bool,
    ) {
        let error = (i32::from(bit) << 16) - i32::from(probability);
        for (weight, &evidence) in self.weights[situation].iter_mut().zip(evidence) {
            let step = (i64::from(error) * i64::from(evidence) * i64::from(self.rate)) >> 18;
            *weight = (i64::from(*weight) + step).clamp(-HEAVIEST, HEAVIEST) as i32;
        }
    }
}

/// Codes one bit by a single counter, and learns from it.
pub(crate) fn code_plain(coder: &mut impl BitCoder, bit: bool, counter: &mut Counter) -> bool {
    let bit = coder.code(bit, squash(counter.evidence()));
    counter.update(bit);
    bit
}

/// Codes one bit and learns from it. The evidence is that of the counters at `contexts`, then
/// `direct`; `N` counts both. The mixer's weights are those of `situation`.
pub(crate) fn code_mixed<const N: usize>(
    coder: &mut impl BitCoder,
    bit: bool,
    (counters, contexts): (&mut [Counter], &[usize]),
    direct: &[i32],
    (mixer, situation): (&mut Mixer<N>, usize),
) -> bool {
    let mut evidence = [0; N];
    let (seen, given) = evidence.split_at_mut(contexts.len());
    for (evidence, &context) in seen.iter_mut().zip(contexts) {
        *evidence = counters[context].evidence();
    }
    given.copy_from_slice(direct);
    let probability = squash(mixer.mix(situation, &evidence));
    let bit = coder.code(bit, probability);
    mixer.update(situation, &evidence, probability, bit);
    for &context in contexts {
        counters[context].update(bit);
    }
    bit
}
