//! An ensemble of teachers: the mean of their logits, which can be weighted.

use compress_core::network::Forward;
use compress_core::train::{Samples, in_batches};
use ndarray::{Array2, ArrayView2};

use crate::logits::{check_cacheable, check_features, relative, weighted_average_logits};
use crate::{Error, Result};

/// An ensemble: networks whose logits are averaged, alike or by weights. The sum runs in f64, in the
/// order of the networks.
///
/// # Examples
/// ```
/// use compress_distill::{Ensemble, average_logits, teacher_logits};
///
/// let [a, b] = [1, 2].map(|seed| compress_testing::Chain::random(&[4, 8, 3], seed));
/// let samples = compress_testing::blobs(5, 4, 3, 2);
/// let ensemble = Ensemble::new(vec![&a, &b])?;
/// let logits = ensemble.teacher_logits(&samples)?;
/// let each = [teacher_logits(&a, &samples)?, teacher_logits(&b, &samples)?];
/// assert_eq!(logits, average_logits(&each)?);
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 1, for the mean of an ensemble as a target.
#[derive(Clone)]
pub struct Ensemble<'a> {
    networks: Vec<&'a dyn Forward>,
    weights: Vec<f64>,
}

impl<'a> Ensemble<'a> {
    /// # Errors
    /// Where there is no network, or they read different features or give different outputs.
    pub fn new(networks: Vec<&'a dyn Forward>) -> Result<Self> {
        let Some(first) = networks.first() else {
            let what = "the ensemble".into();
            return Err(compress_core::Error::Empty { what }.into());
        };
        let expected = [first.features(), first.outputs()];
        for (number, network) in (1..).zip(&networks) {
            let found = [network.features(), network.outputs()];
            let what = format!("features and outputs of teacher {number}");
            compress_core::Error::check_shape(&what, &expected, &found)?;
        }
        let weights = vec![1.0; networks.len()];
        Ok(Ensemble { networks, weights })
    }

    /// The same networks with a weight for each. Only the ratios of the weights count; a network of
    /// weight zero is still asked.
    ///
    /// # Errors
    /// Where there is not one weight for each network, or as [`weighted_average_logits`].
    ///
    /// # Examples
    /// ```
    /// use compress_distill::{Ensemble, Forward};
    ///
    /// let [a, b] = [1, 2].map(|seed| compress_testing::Chain::random(&[4, 8, 3], seed));
    /// let ensemble = Ensemble::new(vec![&a, &b])?.weighted(vec![1.0, 0.0])?;
    /// let inputs = ndarray::array![[0.5, -1.0, 0.0, 2.0]];
    /// assert_eq!(ensemble.logits(inputs.view())?, a.forward(inputs.view())?);
    /// # Ok::<(), compress_distill::Error>(())
    /// ```
    pub fn weighted(mut self, weights: Vec<f64>) -> Result<Self> {
        let expected = [self.networks.len()];
        compress_core::Error::check_shape("weights of teachers", &expected, &[weights.len()])?;
        relative(&weights)?;
        self.weights = weights;
        Ok(self)
    }

    /// The networks, in their order.
    pub fn networks(&self) -> &[&'a dyn Forward] {
        &self.networks
    }

    /// The number of classes.
    pub fn outputs(&self) -> usize {
        self.networks[0].outputs()
    }

    /// The mean logits `[batch, classes]` of `inputs` `[batch, features]`.
    ///
    /// # Errors
    /// Where a network fails or a logit is not finite; [`Error::TeacherLogit`] names the
    /// network and the row.
    pub fn logits(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let each = self.networks.iter().map(|network| network.forward(inputs));
        let each = each.collect::<compress_core::Result<Vec<_>>>()?;
        weighted_average_logits(&each, &self.weights)
    }

    /// The mean logits `[samples, classes]` of all samples, for
    /// [`crate::Teacher::Cached`]. Each sample is drawn once, however many networks there are.
    /// Beside the result, only about 512 samples are held at a time.
    ///
    /// # Errors
    /// Where the samples differ from one epoch to another, have other features than the networks
    /// read, or fail, and as
    /// [`Ensemble::logits`].
    pub fn teacher_logits(&self, samples: &dyn Samples) -> Result<Array2<f32>> {
        check_cacheable(samples)?;
        self.logits_in(samples, 0)
    }

    /// The mean logits `[samples, classes]` of all samples as they are in `epoch`.
    pub(crate) fn logits_in(&self, samples: &dyn Samples, epoch: u64) -> Result<Array2<f32>> {
        check_features("teacher", self.networks[0], samples)?;
        in_batches(samples, epoch, self.outputs(), |first, inputs, mut out| {
            let mean = self.logits(inputs).map_err(|error| at(error, first))?;
            compress_core::Error::check_shape("logits", out.shape(), mean.shape())?;
            out.assign(&mean);
            Ok(())
        })
    }
}

/// Changes the row in an error from its position in the batch to that in the data; the batch begins
/// with sample `first`.
fn at(error: Error, first: usize) -> Error {
    match error {
        Error::TeacherLogit {
            teacher,
            sample,
            class,
            value,
        } => Error::TeacherLogit {
            teacher,
            sample: first + sample,
            class,
            value,
        },
        other => other,
    }
}
