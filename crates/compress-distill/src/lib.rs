//! Knowledge distillation: a small student learns from a large teacher.
//!
//! A label says only which class is right. The teacher's logits also say how much each wrong class
//! resembles it. [`knowledge_distillation`] trains any student ([`compress_core::train::Fit`]) on
//! the soft targets of any teacher ([`compress_core::network::Forward`]) or [`Ensemble`] of
//! teachers, and on the labels. A temperature softens both softmaxes. Hooks can prune or quantize
//! the student meanwhile. In [`mutual_learning`] several students teach each other; in [`born_again`]
//! each generation teaches the next. The losses can be used alone: [`HardLabels`] (cross-entropy),
//! [`SoftTargets`] (KL divergence), [`Joint`], and those of [`LOSSES`]. A [`LogitLoss`] is a
//! function of plain arrays; [`TeacherLoss`] trains with it, [`WeightedSum`] adds losses, and a
//! [`Temperature`] may change from epoch to epoch. The module
//! [`features`] compares what layers give.
//!
//! # Examples
//!
//! How far a student is from its teacher, and where it should move:
//!
//! ```
//! use compress_core::train::{Batch, Loss};
//! use compress_distill::{SoftTargets, Teacher};
//! use ndarray::array;
//!
//! let teacher = Teacher::Cached(array![[4.0, 2.0, -1.0]]);
//! let targets = SoftTargets::new(teacher, 2.0)?;
//!
//! let student = array![[1.0, 1.0, 1.0]];
//! let inputs = array![[0.0]];
//! let batch = Batch { inputs: inputs.view(), labels: &[], indices: &[0], epoch: 0 };
//! let mut gradient = array![[0.0, 0.0, 0.0]];
//! let divergence = targets.evaluate(student.view(), &batch, gradient.view_mut())?;
//! assert!(divergence > 0.0);
//! // Up where the teacher is more certain than the student, down where it is less.
//! assert!(gradient[(0, 0)] < 0.0 && gradient[(0, 2)] > 0.0);
//! # Ok::<(), compress_core::Error>(())
//! ```

#![forbid(unsafe_code)]

mod born_again;
mod distillation;
mod ensemble;
mod epoch_logits;
mod error;
pub mod features;
mod logits;
mod losses;
mod mutual;
mod teacher;
mod temperature;

pub use born_again::{BornAgain, BornAgainOptions, TaughtBy, born_again};
pub use compress_core::network::Forward;
pub use compress_core::train::{Batch, Fit, FitInSteps, FitReport, Loss, Samples, TrainHook};
pub use distillation::{
    DistillationOptions, DistillationReport, DistillationSchedule, Targets, knowledge_distillation,
    knowledge_distillation_from, knowledge_distillation_with,
};
pub use ensemble::Ensemble;
pub use epoch_logits::EpochLogits;
pub use error::{Error, Result};
pub use logits::{average_logits, teacher_logits, weighted_average_logits};
pub use losses::{
    Dist, Dkd, ForwardKl, HardLabels, JensenShannon, Joint, LOSSES, LabelSmoothing, LogitBatch,
    LogitLoss, LogitMse, LossEntry, LossSettings, MakeLoss, ReverseKl, SoftTargets,
    StandardizedLogits, TeacherLoss, WeightedSum, loss,
};
pub use mutual::{MutualOptions, Peer, mutual_learning};
pub use teacher::Teacher;
pub use temperature::Temperature;
