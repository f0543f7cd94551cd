//! Dropout: what a layer passes on is set to zero at random, and the rest scaled up.

use compress_core::rng;
use rand::Rng;
use rayon::prelude::*;

use super::CHUNK;

/// Inverted dropout: a value stays with probability 1 − rate and is then divided by 1 − rate. So
/// inference needs no change.
///
/// # References
/// Srivastava et al., *Dropout*, JMLR 15, 2014, section 10 (the scaled variant).
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    /// A value stays where its draw of 16 bits is at least this.
    threshold: u32,
    scale: f32,
    seed: u64,
    stream: String,
    /// Two bytes for each value: the last draw, which the backward pass reads again.
    draws: Vec<u8>,
}

impl Dropout {
    /// Makes dropout of `rate` in `[0, 1)`. `stream` names the layer. `None` where nothing is
    /// dropped.
    pub(crate) fn new(rate: f32, seed: u64, stream: String) -> Option<Self> {
        // The rate in steps of 2⁻¹⁶; a smaller one drops nothing.
        let threshold = (rate * 65_536.0) as u32;
        (threshold > 0).then(|| Dropout {
            threshold,
            scale: 1.0 / (1.0 - rate),
            seed,
            stream,
            draws: Vec::new(),
        })
    }

    /// Draws for `step` and applies it to `values`.
    pub(crate) fn forward(&mut self, step: u64, values: &mut [f32]) {
        self.draws.resize(2 * values.len(), 0);
        let (seed, name) = (self.seed, self.stream.as_str());
        let draws = self.draws.par_chunks_mut(2 * CHUNK).enumerate();
        draws.for_each(|(chunk, draws)| {
            rng::indexed(seed, name, (step << 24) ^ chunk as u64).fill_bytes(draws);
        });
        self.backward(values);
    }

    /// Applies the last draw to the gradient of what was passed on: the same product.
    pub(crate) fn backward(&self, gradient: &mut [f32]) {
        let chunks = gradient.par_chunks_mut(CHUNK);
        chunks
            .zip(self.draws.par_chunks(2 * CHUNK))
            .for_each(|(values, draws)| apply(values, draws, self.threshold, self.scale));
    }
}

fn apply(values: &mut [f32], draws: &[u8], threshold: u32, scale: f32) {
    for (value, draw) in values.iter_mut().zip(draws.chunks_exact(2)) {
        let stays = u32::from(u16::from_le_bytes([draw[0], draw[1]])) >= threshold;
        *value = if stays { *value * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_mean_and_drops_the_rate() {
        for rate in [0.2_f32, 0.5, 0.9] {
            let mut dropout = Dropout::new(rate, 1, "test".into()).unwrap();
            let mut values = vec![1.0_f32; 200_000];
            dropout.forward(3, &mut values);
            let dropped = values.iter().filter(|&&v| v == 0.0).count() as f32 / 200_000.0;
            // Five standard deviations of a binomial share.
            assert!((dropped - rate).abs() < 5.0 * (rate * (1.0 - rate) / 200_000.0).sqrt());
            assert!(values.iter().all(|&v| v == 0.0 || v == 1.0 / (1.0 - rate)));
            let mut gradient = vec![1.0_f32; 200_000];
            dropout.backward(&mut gradient);
            assert_eq!(gradient, values);
        }
    }

    #[test]
    fn steps_and_streams_differ_and_repeat() {
        let draw = |stream: &str, step| {
            let mut values = vec![1.0_f32; 64];
            let mut dropout = Dropout::new(0.5, 7, stream.into()).unwrap();
            dropout.forward(step, &mut values);
            values
        };
        assert_eq!(draw("a", 5), draw("a", 5));
        assert_ne!(draw("a", 5), draw("a", 6));
        assert_ne!(draw("a", 5), draw("b", 5));
        assert!(Dropout::new(0.0, 7, "a".into()).is_none());
    }

    #[test]
    fn chunks_of_one_step_are_not_those_of_another() {
        let draw = |step| {
            let mut values = vec![1.0_f32; 2 * CHUNK];
            Dropout::new(0.5, 7, "a".into())
                .unwrap()
                .forward(step, &mut values);
            values
        };
        assert_ne!(draw(0)[CHUNK..], draw(1)[..CHUNK]);
        assert_ne!(draw(0)[..CHUNK], draw(0)[CHUNK..]);
    }
}
