//! Knowledge distillation: a student learns from a teacher, by soft targets and hard labels.

use compress_core::network::Forward;
use compress_core::train::{Fit, FitReport, Samples, TrainHook};

use crate::error::{check_soft_weight, check_temperature};
use crate::logits::{check_cacheable, check_features, teacher_logits};
use crate::losses::{HardLabels, Joint, SoftTargets, check_labels};
use crate::{Error, Result, Teacher};

/// The order in which a student learns from soft targets and hard labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DistillationSchedule {
    /// Both at once: one fit on their weighted sum.
    #[default]
    Joint,
    /// One after the other, in two whole fits with the student's own settings: first on the soft
    /// targets alone, then on the hard labels alone.
    Sequential,
}

/// When the teacher's logits are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Targets {
    /// Once. For samples that are the same in each epoch; others are refused.
    #[default]
    Cached,
    /// About each batch, as the student sees it. For samples that are augmented anew.
    OnTheFly,
}

/// How a student learns: temperature, weights, order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistillationOptions {
    /// The temperature: logits are divided by it before the softmax, in teacher and student;
    /// positive. Default: 4.
    pub temperature: f32,
    /// The weight of the soft targets, from 0 to 1. The hard labels have the rest. A sequential
    /// schedule does not use it. Default: 0.7.
    pub soft_weight: f32,
    /// Both at once, or one after the other. Default: both at once.
    pub schedule: DistillationSchedule,
    /// When the teacher's logits are computed. Default: beforehand.
    pub targets: Targets,
}

impl Default for DistillationOptions {
    fn default() -> Self {
        DistillationOptions {
            temperature: 4.0,
            soft_weight: 0.7,
            schedule: DistillationSchedule::Joint,
            targets: Targets::Cached,
        }
    }
}

impl DistillationOptions {
    /// Fails on a setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        check_soft_weight(self.soft_weight)
    }

    /// Whether the samples' labels are used.
    fn uses_labels(&self) -> bool {
        self.schedule == DistillationSchedule::Sequential || self.soft_weight < 1.0
    }
}

/// Reports of the fits of a distillation.
#[derive(Clone, Debug, PartialEq)]
pub enum DistillationReport {
    /// One fit, on both.
    Joint(FitReport),
    /// Two fits.
    Sequential {
        /// The first, on the soft targets.
        soft: FitReport,
        /// The second, on the hard labels.
        hard: FitReport,
    },
}

impl DistillationReport {
    /// The fits, in their order.
    pub fn fits(&self) -> Vec<&FitReport> {
        match self {
            DistillationReport::Joint(fit) => vec![fit],
            DistillationReport::Sequential { soft, hard } => vec![soft, hard],
        }
    }
}

/// Knowledge distillation: trains `student` on the soft targets that `teacher` gives for `data`,
/// and on the hard labels of `data`. The teacher is not changed.
///
/// # Errors
/// Before anything is trained: where an option is out of range; where teacher and student have
/// different outputs; where there are no samples, or they have other features than one of the two
/// networks reads; where labels are needed but missing, or name no output; or where a logit of the
/// teacher is not finite. During training: where it fails.
///
/// # Examples
/// ```
/// use compress_distill::{DistillationOptions, knowledge_distillation};
///
/// // Any `Forward`, any `Fit` (a network and the way to train it), any `Samples`.
/// let teacher = compress_testing::Chain::random(&[4, 32, 3], 1);
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 2));
/// let data = compress_testing::blobs(64, 4, 3, 3);
///
/// let options = DistillationOptions { temperature: 2.0, ..DistillationOptions::default() };
/// let report = knowledge_distillation(&teacher, &mut student, &data, &options)?;
/// let losses = &report.fits()[0].epochs;
/// assert!(losses.last().unwrap().training_loss < losses[0].training_loss);
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 2.
pub fn knowledge_distillation(
    teacher: &dyn Forward,
    student: &mut dyn Fit,
    data: &dyn Samples,
    options: &DistillationOptions,
) -> Result<DistillationReport> {
    knowledge_distillation_with(teacher, student, data, options, &mut [])
}

/// As [`knowledge_distillation`], with hooks that prune or quantize the student while it learns. A
/// sequential schedule calls them in both fits.
///
/// # Errors
/// As [`knowledge_distillation`], and where a hook fails.
///
/// # Examples
/// ```
/// use compress_core::train::{TrainHook, Training};
/// use compress_distill::{DistillationOptions, knowledge_distillation_with};
///
/// /// Counts steps; a mask or fake quantization goes the same way.
/// struct Counter(usize);
///
/// impl TrainHook for Counter {
///     fn after_step(&mut self, _: &mut Training<'_>) -> compress_core::Result<()> {
///         self.0 += 1;
///         Ok(())
///     }
/// }
///
/// let teacher = compress_testing::Chain::random(&[4, 32, 3], 1);
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 2));
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let mut counter = Counter(0);
/// let options = DistillationOptions::default();
/// knowledge_distillation_with(&teacher, &mut student, &data, &options, &mut [&mut counter])?;
/// assert_eq!(counter.0, student.epochs * 4);
/// # Ok::<(), compress_distill::Error>(())
/// ```
pub fn knowledge_distillation_with(
    teacher: &dyn Forward,
    student: &mut dyn Fit,
    data: &dyn Samples,
    options: &DistillationOptions,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<DistillationReport> {
    // Before the teacher's pass over all samples, which may take long.
    check(teacher.outputs(), student, data, options)?;
    let teacher = match options.targets {
        Targets::Cached => Teacher::Cached(teacher_logits(teacher, data)?),
        Targets::OnTheFly => Teacher::OnTheFly(teacher),
    };
    distill(teacher, student, data, options, hooks)
}

/// As [`knowledge_distillation_with`], from a [`Teacher`]: logits that are known already, as of
/// an ensemble or of a teacher of several students. `options.targets` is not looked at.
///
/// # Errors
/// As [`knowledge_distillation_with`], and where there is not one row of cached logits for each
/// sample.
///
/// # Examples
/// ```
/// use compress_distill::{
///     DistillationOptions, Ensemble, Teacher, knowledge_distillation_from,
/// };
///
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let [a, b] = [1, 2].map(|seed| compress_testing::Chain::random(&[4, 32, 3], seed));
/// let logits = Ensemble::new(vec![&a, &b])?.teacher_logits(&data)?;
///
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 3));
/// let options = DistillationOptions::default();
/// knowledge_distillation_from(Teacher::Cached(logits), &mut student, &data, &options, &mut [])?;
/// # Ok::<(), compress_distill::Error>(())
/// ```
pub fn knowledge_distillation_from(
    teacher: Teacher<'_>,
    student: &mut dyn Fit,
    data: &dyn Samples,
    options: &DistillationOptions,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<DistillationReport> {
    check(teacher.outputs(), student, data, options)?;
    distill(teacher, student, data, options, hooks)
}

fn distill(
    teacher: Teacher<'_>,
    student: &mut dyn Fit,
    data: &dyn Samples,
    options: &DistillationOptions,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<DistillationReport> {
    match &teacher {
        Teacher::OnTheFly(network) => check_features("teacher", *network, data)?,
        Teacher::Ensemble(ensemble) => check_features("teacher", ensemble.networks()[0], data)?,
        Teacher::Cached(logits) => {
            check_cacheable(data)?;
            let samples = [data.len()];
            compress_core::Error::check_shape("cached logits", &samples, &[logits.nrows()])?;
        }
        Teacher::CachedByEpoch(logits) => {
            let found = [logits.samples()];
            compress_core::Error::check_shape("cached logits", &[data.len()], &found)?;
        }
    }
    tracing::info!(?options, samples = data.len(), "distilling");
    match options.schedule {
        DistillationSchedule::Joint => {
            let joint = Joint::new(teacher, options.temperature, options.soft_weight)?;
            Ok(DistillationReport::Joint(student.fit(data, &joint, hooks)?))
        }
        DistillationSchedule::Sequential => {
            let targets = SoftTargets::new(teacher, options.temperature)?;
            let soft = student.fit(data, &targets, hooks)?;
            let hard = student.fit(data, &HardLabels, hooks)?;
            Ok(DistillationReport::Sequential { soft, hard })
        }
    }
}

/// Fails unless student, data and options fit each other and a teacher of so many outputs.
fn check(
    teacher: usize,
    student: &dyn Fit,
    data: &dyn Samples,
    options: &DistillationOptions,
) -> Result<()> {
    options.validate()?;
    if data.is_empty() {
        let what = "the data".into();
        return Err(compress_core::Error::Empty { what }.into());
    }
    let network = student.network();
    check_features("student", network, data)?;
    let outputs = network.outputs();
    if outputs != teacher {
        return Err(Error::Outputs {
            teacher,
            student: outputs,
        });
    }
    if options.uses_labels() {
        check_labels(data.labels(), &[], data.len(), outputs)?;
    }
    Ok(())
}
