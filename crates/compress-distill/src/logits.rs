//! The logits of networks: computed, averaged, checked.

use compress_core::network::Forward;
use compress_core::train::{Samples, predict};
use ndarray::{Array2, ArrayView2};

use crate::{Error, Result};

/// The teacher's logits `[samples, classes]` of all samples, in inference mode, for
/// [`crate::Teacher::Cached`].
///
/// # Errors
/// Where the samples have other features than the teacher reads or differ from one epoch to another
/// ([`Samples::differs_by_epoch`]), or a logit is not finite.
///
/// # Examples
/// ```
/// // Any `Forward` and any `Samples`: here 5 samples of 4 features, 3 classes.
/// let teacher = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let samples = compress_testing::blobs(5, 4, 3, 2);
/// let logits = compress_distill::teacher_logits(&teacher, &samples)?;
/// assert_eq!(logits.shape(), [5, 3]);
/// # Ok::<(), compress_distill::Error>(())
/// ```
pub fn teacher_logits(teacher: &dyn Forward, samples: &dyn Samples) -> Result<Array2<f32>> {
    check_cacheable(samples)?;
    check_features("teacher", teacher, samples)?;
    let logits = predict(teacher, samples, 0)?;
    check_finite(1, logits.view(), 1.0)?;
    Ok(logits)
}

/// Fails where what is computed once from the samples is of one epoch alone.
pub(crate) fn check_cacheable(samples: &dyn Samples) -> Result<()> {
    match samples.differs_by_epoch() {
        true => Err(Error::CachedButVarying),
        false => Ok(()),
    }
}

/// The mean of the logits of several teachers (an ensemble), each `[samples, classes]`. The sum
/// runs in f64, in the order of the teachers.
///
/// # Errors
/// Where there is none, their shapes differ, or a logit is not finite.
///
/// # Examples
/// ```
/// use ndarray::array;
///
/// let mean = compress_distill::average_logits(&[array![[1.0, 4.0]], array![[3.0, -2.0]]])?;
/// assert_eq!(mean, array![[2.0, 1.0]]);
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 1, for the mean of an ensemble as a target.
pub fn average_logits(logits: &[Array2<f32>]) -> Result<Array2<f32>> {
    weighted_average_logits(logits, &vec![1.0; logits.len()])
}

/// The weighted mean of the logits of several teachers, each `[samples, classes]`. Only the ratios of
/// the weights count. The sum runs in f64, in the order of the teachers.
///
/// # Errors
/// Where there is none, their shapes differ, a logit is not finite, or there is not one weight for
/// each; where a weight is negative or not finite, or none is positive.
///
/// # Examples
/// ```
/// use compress_distill::weighted_average_logits;
/// use ndarray::array;
///
/// let logits = [array![[1.0, 4.0]], array![[3.0, -2.0]]];
/// assert_eq!(weighted_average_logits(&logits, &[3.0, 1.0])?, array![[1.5, 2.5]]);
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 1, for a mean of an ensemble as a target.
pub fn weighted_average_logits(logits: &[Array2<f32>], weights: &[f64]) -> Result<Array2<f32>> {
    let Some(first) = logits.first() else {
        let what = "the list of logits".into();
        return Err(compress_core::Error::Empty { what }.into());
    };
    compress_core::Error::check_shape("weights of logits", &[logits.len()], &[weights.len()])?;
    let weights = relative(weights)?;
    let mut sum = Array2::<f64>::zeros(first.raw_dim());
    for ((teacher, one), weight) in (1..).zip(logits).zip(&weights) {
        compress_core::Error::check_shape("logits to average", first.shape(), one.shape())?;
        check_finite(teacher, one.view(), 1.0)?;
        sum.zip_mut_with(one, |sum, &x| *sum += weight * f64::from(x));
    }
    let total: f64 = weights.iter().sum();
    Ok(sum.mapv(|sum| (sum / total) as f32))
}

/// Weights relative to the largest, so that no sum of them leaves f64.
pub(crate) fn relative(weights: &[f64]) -> Result<Vec<f64>> {
    let wrong = |weight: &&f64| !(weight.is_finite() && **weight >= 0.0);
    if let Some(weight) = weights.iter().find(wrong) {
        let expected = "finite and not negative";
        return Err(compress_core::Error::invalid("a teacher's weight", weight, expected).into());
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        let (what, expected) = ("the largest weight of a teacher", "positive");
        return Err(compress_core::Error::invalid(what, largest, expected).into());
    }
    Ok(weights.iter().map(|weight| weight / largest).collect())
}

/// Fails unless `network` reads as many features as these samples have.
pub(crate) fn check_features(
    who: &'static str,
    network: &dyn Forward,
    samples: &dyn Samples,
) -> Result<()> {
    let (expected, found) = (network.features(), samples.features());
    if expected == found {
        Ok(())
    } else {
        Err(Error::Features {
            who,
            expected,
            found,
        })
    }
}

/// Fails at the first logit that is not finite once it is divided by the temperature.
pub(crate) fn check_finite(
    teacher: usize,
    logits: ArrayView2<'_, f32>,
    temperature: f32,
) -> Result<()> {
    match logits
        .indexed_iter()
        .find(|(_, x)| !(**x / temperature).is_finite())
    {
        None => Ok(()),
        Some(((sample, class), &value)) => Err(Error::TeacherLogit {
            teacher,
            sample,
            class,
            value,
        }),
    }
}
