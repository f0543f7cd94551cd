//! What students learn from, and the training curve that they leave.

use compress_core::train::EpochReport;
use compress_format::Pooling;
use serde::Serialize;

use super::teacher_settings::{TeacherSettings, TransferSettings};

/// What the students of a track learn from, and in which portions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Lessons {
    pub(super) teachers: TeacherSettings,
    pub(super) transfer: TransferSettings,
    pub(super) batch: usize,
    /// What a student's first layer reads the images through.
    pub(super) front: Option<Pooling>,
}

/// Adds the epochs of a training that goes on from another one.
pub(super) fn append(epochs: &mut Vec<EpochReport>, later: Vec<EpochReport>) {
    let first = epochs.len();
    epochs.extend(later.into_iter().map(|report| EpochReport {
        epoch: report.epoch + first,
        ..report
    }));
}
