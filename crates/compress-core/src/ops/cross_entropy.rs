//! Cross-entropy of logits: against labels, as in classification, and against probabilities (soft
//! targets).

use ndarray::{ArrayView2, ArrayViewMut2};

use super::scalar::{exp_body, ln_body};
use super::softmax::{FAR, overflows};
use super::{elementwise, softmax};
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// The cross-entropy with labels: −ln softmax(z) at the label of each row, in nats, averaged over
/// the rows, where z are the logits `[rows, classes]`. The sum runs in f64 in the order of the
/// rows. The gradient, (softmax(z) − one-hot(label)) / rows, goes into `gradient`, of the same
/// shape.
///
/// `indices` are the positions of the rows in the data, by which an error names a sample; a row
/// without one is named by its own position. The loss is not finite where the logits are not.
///
/// # Errors
/// Where there is no row, labels are missing or name no class, the shapes differ, or `gradient`
/// is not contiguous and row-major.
///
/// # References
/// Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4, equations 4.108 (the
/// loss) and 4.109 (its gradient).
pub fn cross_entropy(
    logits: ArrayView2<'_, f32>,
    labels: &[u32],
    indices: &[usize],
    mut gradient: ArrayViewMut2<'_, f32>,
) -> Result<f64> {
    let (rows, classes) = logits.dim();
    if rows == 0 {
        return Err(Error::Empty {
            what: "the batch".into(),
        });
    }
    Error::check_shape("labels of the batch", &[rows], &[labels.len()])?;
    Error::check_labels(labels, indices, classes)?;
    softmax::log_softmax(logits, 1.0, gradient.view_mut())?;
    let Some(values) = gradient.as_slice_mut() else {
        let what = "gradient of the logits";
        return Err(Error::invalid(what, "strided", "contiguous"));
    };
    let mut sum = 0.0;
    for (row, &label) in values.chunks_exact(classes).zip(labels) {
        sum -= f64::from(row[label as usize]);
    }
    elementwise::exp(values)?;
    let factor = 1.0 / rows as f32;
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] -= 1.0;
        row.iter_mut().for_each(|g| *g *= factor);
    }
    Ok(sum / rows as f64)
}

/// The cross-entropy with probabilities: −Σ p · ln softmax(z) in nats, summed over the samples, of
/// logits z and of probabilities p that sum to 1 for each sample. Both lie class by class,
/// `[classes, samples]`. Each sample's value is in f32, their sum in f64, in an order that depends
/// on the number of samples alone. Not finite where the logits are not.
///
/// # Errors
/// Where the lengths differ or are no multiple of `samples`, or `COMPRESS_ISA` asks for what the
/// machine lacks.
///
/// # References
/// As [`cross_entropy`], equation 4.108, with a probability for each class.
pub fn cross_entropy_by_class(
    logits: &[f32],
    probabilities: &[f32],
    samples: usize,
) -> Result<f64> {
    let whole = logits.len() / samples.max(1) * samples;
    Error::check_shape("logits by class", &[whole], &[logits.len()])?;
    Error::check_shape("probabilities", &[whole], &[probabilities.len()])?;
    match whole {
        0 => Ok(0.0),
        _ => Ok(by_class_at(Isa::active()?, logits, probabilities, samples)),
    }
}

by_level! {
    pub(super) fn by_class_at(logits: &[f32], probabilities: &[f32], samples: usize) -> f64
        = by_class_body;
}

/// Samples that are looked at together, all their classes one after the other.
const LANES: usize = 16;

/// Has no closures, since those would not be compiled for the level.
#[inline(always)]
fn by_class_body(logits: &[f32], probabilities: &[f32], samples: usize) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let whole = samples - samples % LANES;
    for first in (0..whole).step_by(LANES) {
        block(logits, probabilities, samples, first, &mut sums);
    }
    if whole < samples {
        let classes = logits.len() / samples;
        let count = samples - whole;
        let (mut z, mut p) = (vec![0.0; classes * LANES], vec![0.0; classes * LANES]);
        for class in 0..classes {
            let from = class * samples + whole;
            z[class * LANES..][..count].copy_from_slice(&logits[from..][..count]);
            p[class * LANES..][..count].copy_from_slice(&probabilities[from..][..count]);
        }
        let mut last = [0.0; LANES];
        block(&z, &p, LANES, 0, &mut last);
        for lane in 0..count {
            sums[lane] += last[lane];
        }
    }
    let mut sum = 0.0;
    for lane in sums {
        sum += lane;
    }
    sum
}

/// Adds the losses of the samples from `first` on, one to each lane.
#[inline(always)]
fn block(
    logits: &[f32],
    probabilities: &[f32],
    samples: usize,
    first: usize,
    sums: &mut [f64; LANES],
) {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for row in logits.chunks_exact(samples) {
        let z = &row[first..first + LANES];
        for lane in 0..LANES {
            largest[lane] = largest[lane].max(z[lane]);
        }
    }
    let (mut exponentials, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let rows = logits.chunks_exact(samples);
    for (z, p) in rows.zip(probabilities.chunks_exact(samples)) {
        let (z, p) = (&z[first..first + LANES], &p[first..first + LANES]);
        for lane in 0..LANES {
            let below = z[lane] - largest[lane];
            exponentials[lane] += exp_body(below);
            products[lane] = p[lane].mul_add(below, products[lane]);
        }
    }
    let mut far = false;
    for largest in largest {
        far |= largest >= FAR;
    }
    if far {
        products = products_far(logits, probabilities, samples, first, &largest);
    }
    for lane in 0..LANES {
        sums[lane] += f64::from(ln_body(exponentials[lane]) - products[lane]);
    }
}

/// The products of [`block`] again, where a difference of finite logits may be beyond f32 though its
/// product with a probability is not.
#[cold]
fn products_far(
    logits: &[f32],
    probabilities: &[f32],
    samples: usize,
    first: usize,
    largest: &[f32; LANES],
) -> [f32; LANES] {
    let mut products = [0.0_f32; LANES];
    let rows = logits.chunks_exact(samples);
    for (z, p) in rows.zip(probabilities.chunks_exact(samples)) {
        for lane in 0..LANES {
            let (z, p, largest) = (z[first + lane], p[first + lane], largest[lane]);
            products[lane] = match overflows(z, largest) {
                true => (2.0 * p).mul_add(0.5 * z - 0.5 * largest, products[lane]),
                false => p.mul_add(z - largest, products[lane]),
            };
        }
    }
    products
}
