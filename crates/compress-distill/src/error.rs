//! The errors of this crate.

/// What can go wrong while distilling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of a network, the samples or the training.
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    /// A temperature that logits cannot be divided by.
    #[error("the temperature is {value}, but must be positive and finite")]
    Temperature {
        /// What was given.
        value: f32,
    },
    /// A weight of the soft targets outside of 0 to 1.
    #[error("the weight of the soft targets is {value}, but must be from 0 to 1")]
    SoftWeight {
        /// What was given.
        value: f32,
    },
    /// Teacher and student have different numbers of outputs (classes).
    #[error("the teacher has {teacher} outputs, but the student has {student}")]
    Outputs {
        /// The teacher's.
        teacher: usize,
        /// The student's.
        student: usize,
    },
    /// Logits or features that are computed once, for samples that differ in each epoch.
    #[error(
        "the samples differ from one epoch to another, so that what a teacher gives once is wrong \
         from the second epoch on; ask it on the fly (Targets::OnTheFly, Teacher::OnTheFly, \
         FeatureTeacher::OnTheFly), compute its logits for each epoch (EpochLogits), or hold the \
         samples as they are in one epoch"
    )]
    CachedButVarying,
    /// A network that reads other features than these samples have.
    #[error("the {who} reads {expected} features, but the samples have {found}")]
    Features {
        /// Teacher or student.
        who: &'static str,
        /// How many features it reads.
        expected: usize,
        /// How many features the samples have.
        found: usize,
    },
    /// Hard labels are needed, but there are too few.
    #[error("hard labels are needed, but of {samples} samples {labels} have one")]
    LabelsMissing {
        /// How many samples there are.
        samples: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// A logit of the teacher that is NaN or infinite, or becomes so at a temperature below 1.
    #[error(
        "the logit of teacher {teacher} of class {class} for sample {sample} is {value}; it must \
         be finite, also divided by the temperature"
    )]
    TeacherLogit {
        /// Which of the teachers, from 1.
        teacher: usize,
        /// The row.
        sample: usize,
        /// The column.
        class: usize,
        /// The logit.
        value: f32,
    },
    /// A sample without cached logits of the teacher.
    #[error("there are no cached logits for sample {index}, only for {samples} samples")]
    NotCached {
        /// The sample's position in the data.
        index: usize,
        /// How many samples have cached logits.
        samples: usize,
    },
    /// An epoch without cached logits of the teacher.
    #[error(
        "there are no cached logits for epoch {epoch}, only for the epochs from {} to {}",
        cached.start, cached.end.saturating_sub(1)
    )]
    EpochNotCached {
        /// The batch's epoch.
        epoch: u64,
        /// The epochs that are cached.
        cached: std::ops::Range<u64>,
    },
    /// A loss that is NaN or infinite: the student has diverged.
    #[error("the loss is {value}: the student's logits have diverged")]
    Diverged {
        /// The loss.
        value: f64,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for compress_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => compress_core::Error::other(error),
        }
    }
}

pub(crate) fn check_temperature(value: f32) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::Temperature { value })
    }
}

pub(crate) fn check_soft_weight(value: f32) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::SoftWeight { value })
    }
}
