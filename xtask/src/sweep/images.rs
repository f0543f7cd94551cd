//! The images that runs learn from, and one way to train on them.

use compress_core::network::Activation;
use compress_core::train::{EpochReport, Fit, Loss, Samples, TrainHook};
use compress_nn::data::{Augmentation, Augmented, ImageSet};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Schedule, Trainer};
use serde::Serialize;

use super::outcome::{Outcome, StageError};
use crate::data::Shape;
use crate::experiments::rate::Rate;
use crate::progress::Progress;
use crate::run::{Profile, Run, RunError};

/// The images of an experiment.
pub(crate) struct Lab {
    pub(crate) profile: Profile,
    pub(crate) shape: Shape,
    pub(crate) is_mnist: bool,
    pub(crate) training: ImageSet,
    pub(crate) validation: ImageSet,
    /// Of all runs.
    pub(crate) seeds: Vec<u64>,
    progress: Progress,
}

/// A wide network on augmented images, with dropout by batches, that others learn from.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Teaching {
    /// Widths of its hidden layers.
    pub(crate) hidden: [usize; 2],
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    /// The share of its hidden neurons that a batch drops.
    pub(crate) dropout: f32,
    pub(crate) rate: Rate,
}

impl Teaching {
    /// In a line, for the report.
    pub(crate) fn describe(&self) -> String {
        let Teaching {
            hidden: [first, second],
            epochs,
            batch,
            dropout,
            rate,
        } = self;
        format!(
            "{first}-{second} hidden neurons, {epochs} epochs on augmented images, batches of {batch}, dropout {dropout} by batches, learning rate {}",
            rate.describe()
        )
    }
}

/// How a network is trained.
#[derive(Clone, Debug)]
pub(crate) struct Lesson {
    /// What is shown of it meanwhile.
    pub(crate) name: String,
    /// The name of its random streams. Lessons of one name and seed see the same batches.
    pub(crate) stream: &'static str,
    pub(crate) seed: u64,
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) rate: Rate,
    /// Of AdamW; Adam where it is 0.
    pub(crate) weight_decay: f32,
    /// The share of inputs and of hidden neurons that is dropped.
    pub(crate) dropout: [f32; 2],
    /// Whether all samples of a batch drop the same hidden neurons.
    pub(crate) batchwise: bool,
    pub(crate) max_norm: Option<f32>,
}

impl Lesson {
    /// Without any regularization.
    pub(crate) fn plain(
        stream: &'static str,
        name: &str,
        seed: u64,
        epochs: usize,
        rate: Rate,
    ) -> Self {
        Lesson {
            name: name.to_owned(),
            stream,
            seed,
            epochs,
            batch: 128,
            rate,
            weight_decay: 0.0,
            dropout: [0.0; 2],
            batchwise: false,
            max_norm: None,
        }
    }

    fn settings(&self) -> compress_nn::Settings {
        compress_nn::Settings {
            epochs: self.epochs,
            batch_size: self.batch,
            learning_rate: self.rate.peak,
            optimizer: match self.weight_decay {
                0.0 => Optimizer::adam(),
                decay => Optimizer::adam_w(decay),
            },
            schedule: Schedule::Cosine {
                floor: self.rate.floor,
            },
            warm_up_steps: self.rate.warm_up_steps,
            dropout_input: self.dropout[0],
            dropout_hidden: self.dropout[1],
            batchwise_dropout: self.batchwise,
            max_norm: self.max_norm,
            seed: self.seed,
            stream: self.stream.to_owned(),
            ..compress_nn::Settings::default()
        }
    }
}

impl Lab {
    pub(super) fn new(run: &Run, seeds: Vec<u64>) -> Result<Self, RunError> {
        let (training, validation) = run.split_images()?;
        Ok(Lab {
            profile: run.profile,
            shape: run.shape(),
            is_mnist: run.is_mnist(),
            training,
            validation,
            seeds,
            progress: run.progress.clone(),
        })
    }

    /// The first of the training images, for calibration.
    pub(crate) fn first_images(&self, count: usize) -> Result<ImageSet, StageError> {
        Ok(self.training.subset(0..count.min(self.training.len()))?)
    }

    /// An untrained network with these hidden widths. Its weights follow from seed and stream.
    pub(crate) fn untrained(
        &self,
        hidden: &[usize],
        stream: &str,
        seed: u64,
    ) -> Result<Mlp, StageError> {
        let widths = [&[self.shape.features()], hidden, &[self.shape.classes]].concat();
        let (activation, init) = (Activation::Relu, Init::HeUniform);
        Ok(Mlp::new(&widths, activation, init, seed, stream)?)
    }

    /// Trains a teacher. Its random numbers follow from seed and stream.
    pub(crate) fn teacher(
        &self,
        name: &str,
        stream: &'static str,
        seed: u64,
        teaching: &Teaching,
    ) -> Result<Outcome, StageError> {
        let network = self.untrained(&teaching.hidden, stream, seed)?;
        let lesson = Lesson {
            batch: teaching.batch,
            dropout: [0.0, teaching.dropout],
            batchwise: true,
            ..Lesson::plain(stream, name, seed, teaching.epochs, teaching.rate)
        };
        let (augmentation, stream) = (Augmentation::default(), format!("{stream}.augment"));
        let images = Augmented::new(&self.training, augmentation, seed, &stream)?;
        let (network, _) = self.train(network, &lesson, &images, &CrossEntropy, &mut [])?;
        Outcome::of(&network)
    }

    /// Trains `network` on `data`.
    pub(crate) fn train(
        &self,
        network: Mlp,
        lesson: &Lesson,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<(Mlp, Vec<EpochReport>), StageError> {
        // Ten looks at the validation images are enough for a curve.
        let every = lesson.epochs.div_ceil(10);
        let bar = self.progress.bar(&lesson.name, Some(1));
        let mut trainer = Trainer::new(network, lesson.settings())?
            .validation(&self.validation, every)
            .progress(Box::new(|p| bar.at(p.step, p.total_steps, p.loss)));
        let report = trainer.fit(data, loss, hooks)?;
        Ok((trainer.into_network(), report.epochs))
    }
}
