//! Born-again networks: generations of students, each taught by those before.

use compress_core::network::Forward;
use compress_core::train::{Fit, Samples};

use crate::{
    DistillationOptions, DistillationReport, Ensemble, Result, Targets, Teacher,
    knowledge_distillation_from,
};

/// Who teaches a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaughtBy {
    /// The generation before; the first one is taught by the teacher.
    #[default]
    Previous,
    /// The mean of the teacher and of all generations before.
    All,
}

/// How many generations learn, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BornAgainOptions {
    /// How many students are trained, one after the other. Default: 3.
    pub generations: usize,
    /// Who teaches each of them. Default: the generation before.
    pub taught_by: TaughtBy,
    /// How each learns. Default: temperature 1, and the soft targets weigh as much as the labels.
    pub distillation: DistillationOptions,
}

impl Default for BornAgainOptions {
    fn default() -> Self {
        BornAgainOptions {
            generations: 3,
            taught_by: TaughtBy::Previous,
            distillation: DistillationOptions {
                temperature: 1.0,
                soft_weight: 0.5,
                ..DistillationOptions::default()
            },
        }
    }
}

/// The generations, in their order.
#[derive(Clone, Debug)]
pub struct BornAgain<S> {
    /// The students.
    pub students: Vec<S>,
    /// How each of them learned.
    pub reports: Vec<DistillationReport>,
}

impl<S: Fit> BornAgain<S> {
    /// The mean of all generations, without the first teacher.
    ///
    /// # Errors
    /// Where there is no generation, or students read different features.
    pub fn ensemble(&self) -> Result<Ensemble<'_>> {
        Ensemble::new(self.students.iter().map(Fit::network).collect())
    }
}

/// Born-again networks: trains generations of students. `fresh` makes the untrained student of a
/// generation, counted from 0, with the way to train it; it should use another seed for each. The
/// teacher is usually a network of the same architecture that learned from the labels alone.
///
/// # Errors
/// As [`knowledge_distillation_from`], and those of `fresh`. The first error ends the training.
///
/// # Examples
/// ```
/// use compress_distill::{BornAgainOptions, born_again};
/// use compress_testing::{Chain, Sgd};
///
/// let teacher = Chain::random(&[4, 16, 3], 1);
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let fresh = |generation| Ok(Sgd::new(Chain::random(&[4, 16, 3], 2 + generation as u64)));
/// let options = BornAgainOptions { generations: 2, ..BornAgainOptions::default() };
/// let born = born_again(&teacher, &data, &options, fresh)?;
/// assert_eq!(born.students.len(), 2);
/// let logits = born.ensemble()?.teacher_logits(&data)?;
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Furlanello, Lipton, Tschannen, Itti, Anandkumar 2018, *Born-again neural networks* (1805.04770),
/// section 3.1: the sequence of generations and their ensemble.
pub fn born_again<S: Fit>(
    teacher: &dyn Forward,
    data: &dyn Samples,
    options: &BornAgainOptions,
    mut fresh: impl FnMut(usize) -> compress_core::Result<S>,
) -> Result<BornAgain<S>> {
    let mut born = BornAgain {
        students: Vec::new(),
        reports: Vec::new(),
    };
    for generation in 0..options.generations {
        let mut student = fresh(generation)?;
        let before = born.students.iter().map(Fit::network);
        let mut teachers: Vec<&dyn Forward> = std::iter::once(teacher).chain(before).collect();
        if options.taught_by == TaughtBy::Previous {
            teachers.drain(..generation);
        }
        let teachers = Ensemble::new(teachers)?;
        let teacher = match options.distillation.targets {
            Targets::Cached => Teacher::Cached(teachers.teacher_logits(data)?),
            Targets::OnTheFly => Teacher::Ensemble(teachers),
        };
        let how = &options.distillation;
        let report = knowledge_distillation_from(teacher, &mut student, data, how, &mut [])?;
        born.students.push(student);
        born.reports.push(report);
    }
    Ok(born)
}
