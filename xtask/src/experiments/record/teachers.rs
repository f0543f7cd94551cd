//! The record's teachers, trained once for all students, and the transfer set with what they say
//! of it.

use std::error::Error;

use compress_core::network::{Activation, Forward};
use compress_core::train::{EpochReport, Fit, Samples};
use compress_distill::Ensemble;
use compress_nn::data::{Augmented, ImageSet};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Schedule, Settings, Trainer};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lessons::{Lessons, append};
use super::teacher_settings::TeacherSettings;
use crate::experiments::network::StoredNetwork;
use crate::run::{Run, RunError, as_json};
use crate::store::Store;

type StageError = Box<dyn Error + Send + Sync>;

/// Raise it where the same settings no longer give the same teachers or transfer set, so that
/// nothing that an earlier version has left is taken up.
pub(super) const RECIPE: u32 = 3;

/// A trained teacher.
pub(super) struct Teacher {
    pub(super) network: Mlp,
    /// The training curve.
    pub(super) epochs: Vec<EpochReport>,
}

/// The training images and augmented copies of them, with the teachers' mean logits.
///
/// Held in 784 bytes for an image's pixels, 40 for its logits and 4 for its label: 456 MB for ten
/// times the training images. The images follow from the seed, and so are not stored. Behind the
/// front of `pooled`, what it gives takes another 539 MB, so that there are 995 MB until the images
/// go.
pub(super) struct Transfer {
    pub(super) images: ImageSet,
    /// `[images, classes]`.
    pub(super) logits: Array2<f32>,
}

/// What a stage stores.
#[derive(Serialize, Deserialize)]
struct Stored {
    network: StoredNetwork,
    epochs: Vec<EpochReport>,
}

/// Trains each teacher, or takes it from their store. The test set is not needed.
pub(super) fn teachers(
    run: &Run,
    settings: &TeacherSettings,
    training: &ImageSet,
    validation: &ImageSet,
) -> Result<Vec<Teacher>, RunError> {
    let store = store(run, settings)?;
    let train = |number: usize| {
        let name = format!("teacher {number}");
        let stored = run.stage_in(&store, &name, || {
            train(run, settings, &name, training, validation)
        })?;
        let network = stored.network.network();
        Ok(Teacher {
            network: network.map_err(|source| RunError::Stage {
                stage: name,
                source,
            })?,
            epochs: stored.epochs,
        })
    };
    (1..=settings.count).map(train).collect()
}

/// Draws the transfer set and asks the teachers, or takes what they said from its store.
pub(super) fn transfer(
    run: &Run,
    lessons: &Lessons,
    training: &ImageSet,
    teachers: &[Teacher],
) -> Result<Transfer, StageError> {
    let (settings, how) = (&lessons.teachers, &lessons.transfer);
    let augmented = Augmented::new(training, how.augmentation, run.seed, "transfer")?;
    let images = augmented.materialize(how.copies)?;
    let ensemble = ensemble(teachers)?;
    let shape = (images.len(), ensemble.outputs());
    let of = json!({"recipe": RECIPE, "how": as_json(how)?, "teachers": as_json(settings)?});
    let store = run.kept("transfer", of)?;
    let logits: Vec<f32> = run.stage_in(&store, "teachers' logits", || {
        let logits = ensemble.teacher_logits(&images)?;
        Ok(logits.into_iter().collect())
    })?;
    let logits = Array2::from_shape_vec(shape, logits)?;
    Ok(Transfer { images, logits })
}

/// What later runs, of other tracks and targets too, take up.
fn store(run: &Run, settings: &TeacherSettings) -> Result<Store, RunError> {
    let of = json!({"recipe": RECIPE, "teachers": as_json(settings)?});
    run.kept("teachers", of)
}

/// The teachers as one.
pub(super) fn ensemble(teachers: &[Teacher]) -> compress_distill::Result<Ensemble<'_>> {
    let networks = teachers.iter().map(|t| &t.network as &dyn Forward);
    Ensemble::new(networks.collect())
}

fn train(
    run: &Run,
    settings: &TeacherSettings,
    name: &str,
    training: &ImageSet,
    validation: &ImageSet,
) -> Result<Stored, StageError> {
    let stream = format!("{name}.init");
    let (activation, init) = (Activation::Relu, Init::HeUniform);
    let ([first, second], shape) = (settings.hidden, settings.shape);
    let widths = [shape.features(), first, second, shape.classes];
    let mut network = Mlp::new(&widths, activation, init, run.seed, &stream)?;
    let mut epochs = Vec::new();
    for part in 0..2 {
        let strength = settings.strengths[part];
        let augmentation = settings.augmentation.with_max_strength(strength);
        let stream = format!("{name}.augment");
        let data = Augmented::new(training, augmentation, run.seed, stream)?;
        let bar = run.progress.bar(name, Some(1));
        let settings = training_settings(run, settings, name, part);
        let mut trainer = Trainer::new(network, settings)?
            .validation(validation, 1)
            .progress(Box::new(|p| bar.at(p.step, p.total_steps, p.loss)));
        let report = trainer.fit(&data, &CrossEntropy, &mut [])?;
        network = trainer.into_network();
        append(&mut epochs, report.epochs);
    }
    Ok(Stored {
        network: StoredNetwork::of(&network),
        epochs,
    })
}

/// How a teacher is trained in the first (0) and in the last epochs (1).
fn training_settings(run: &Run, settings: &TeacherSettings, name: &str, part: usize) -> Settings {
    let first_epoch = if part == 0 { 0 } else { settings.epochs[0] };
    let rate = settings.rates[part];
    Settings {
        epochs: settings.epochs[part],
        first_epoch: first_epoch as u64,
        batch_size: settings.batch,
        learning_rate: rate.peak,
        optimizer: Optimizer::adam(),
        schedule: Schedule::Cosine { floor: rate.floor },
        warm_up_steps: rate.warm_up_steps,
        dropout_hidden: settings.dropout,
        batchwise_dropout: true,
        seed: run.seed,
        stream: format!("{name}.{first_epoch}"),
        ..Settings::default()
    }
}
