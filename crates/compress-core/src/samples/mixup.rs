//! Mixup: each sample is mixed with another one.

use ndarray::{Array2, ArrayViewMut2};

use super::{Samples, check_indices};
use crate::rng;
use crate::{Error, Result};

/// Samples, each mixed with another one, anew in each epoch: λ·x + (1 − λ)·x′. The partner x′ is drawn
/// uniformly from all samples. λ is drawn from Beta(α, α), and the larger of λ and 1 − λ is taken: x
/// has the larger share. A sample of an epoch depends on seed, name, epoch and position alone.
///
/// Taking the larger share changes nothing about the mixed inputs as a whole, since x and x′ are of
/// one distribution. It gives a meaning to [`Samples::labels`]: the label is that of x. Unlike the
/// mixed labels of Zhang et al. it does not say how much of x′ there is. A teacher that is asked on
/// the fly does: it sees the mixed input. [`super::Unlabeled`] takes the labels away.
///
/// # References
/// Zhang, Cissé, Dauphin, Lopez-Paz 2018, *mixup: beyond empirical risk minimization* (1710.09412),
/// section 2. Berthelot et al. 2019, *MixMatch* (1905.02249), equation 9, for the larger share. Beyer
/// et al. 2022, *Knowledge distillation: a good teacher is patient and consistent* (2106.05237),
/// section 3, for teacher and student that see the same mixed input.
#[derive(Clone)]
pub struct Mixup<'a> {
    samples: &'a dyn Samples,
    alpha: f32,
    seed: u64,
    stream: String,
}

impl<'a> Mixup<'a> {
    /// Mixes `samples` by λ of Beta(`alpha`, `alpha`), drawn from the random streams `stream` of
    /// `seed`. An `alpha` of 1 draws λ uniformly; a small one leaves most samples nearly as they are.
    ///
    /// # Errors
    /// Where `alpha` is not from 0.001 to 1000, or there are no samples or more than 2³² − 1.
    pub fn new(
        samples: &'a dyn Samples,
        alpha: f32,
        seed: u64,
        stream: impl Into<String>,
    ) -> Result<Self> {
        let stream = stream.into();
        rng::symmetric_beta(&mut rng::stream(seed, &stream), alpha)?;
        let count = samples.len();
        if count == 0 || u32::try_from(count).is_err() {
            let expected = "from 1 to 2³² − 1";
            return Err(Error::invalid(
                "the number of samples to mix",
                count,
                expected,
            ));
        }
        Ok(Mixup {
            samples,
            alpha,
            seed,
            stream,
        })
    }

    /// The partner of sample `index` in `epoch`, and the sample's own share, from 0.5 to 1.
    ///
    /// # Errors
    /// Where there is no such sample.
    pub fn draw(&self, epoch: u64, index: usize) -> Result<(usize, f32)> {
        check_indices(&[index], self.samples.len())?;
        let key = epoch.rotate_left(32) ^ index as u64;
        let mut stream = rng::indexed(self.seed, &self.stream, key);
        let partner = rng::below(&mut stream, self.samples.len() as u32) as usize;
        let share = rng::symmetric_beta(&mut stream, self.alpha)?;
        Ok((partner, share.max(1.0 - share)))
    }
}

impl Samples for Mixup<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn features(&self) -> usize {
        self.samples.features()
    }

    fn labels(&self) -> &[u32] {
        self.samples.labels()
    }

    fn fill(&self, epoch: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        let draws = indices.iter().map(|&index| self.draw(epoch, index));
        let draws = draws.collect::<Result<Vec<_>>>()?;
        let partners: Vec<usize> = draws.iter().map(|(partner, _)| *partner).collect();
        self.samples.fill(epoch, indices, out.view_mut())?;
        let mut others = Array2::zeros(out.raw_dim());
        self.samples.fill(epoch, &partners, others.view_mut())?;
        let rows = out.rows_mut().into_iter().zip(others.rows());
        for ((mut row, other), (_, share)) in rows.zip(draws) {
            // In f64, where no mean of two values leaves f32.
            let share = f64::from(share);
            row.zip_mut_with(&other, |x, &y| {
                *x = (share * f64::from(*x) + (1.0 - share) * f64::from(y)) as f32;
            });
        }
        Ok(())
    }

    fn differs_by_epoch(&self) -> bool {
        true
    }
}
