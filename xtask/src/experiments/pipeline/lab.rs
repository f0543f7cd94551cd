//! What every stage of the pipeline works with: the images, the transfer set with the teacher's
//! logits, and one way to train.

use std::cell::OnceCell;
use std::error::Error;

use compress_core::network::{Activation, Forward, Role};
use compress_core::train::{EpochReport, Fit, Loss, Samples, TrainHook};
use compress_distill::teacher_logits;
use compress_nn::data::{Augmentation, Augmented, ImageSet};
use compress_nn::{Init, Mlp, Optimizer, Schedule, Trainer};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::experiments::decoded::nonzero;
use crate::experiments::network::{StoredNetwork, float_artifact};
use crate::experiments::rate::Rate;
use crate::run::{Run, RunError};

/// The error of a stage's work.
pub(super) type StageError = Box<dyn Error + Send + Sync>;

/// What a stage leaves: the network in full precision, its file, and how it was trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    network: StoredNetwork,
    /// The bytes of the `.cmp` file.
    pub(super) file: Vec<u8>,
    /// The training curve.
    pub(super) epochs: Vec<EpochReport>,
}

impl Outcome {
    /// Of a network that goes into its file as it is, in f32.
    pub(super) fn float(network: &Mlp, epochs: Vec<EpochReport>) -> Result<Self, StageError> {
        let (file, _) = float_artifact(network)?.to_bytes()?;
        Ok(Self::with_file(network, file, epochs))
    }

    /// Of a network whose file holds something smaller than its f32 weights.
    pub(super) fn with_file(network: &Mlp, file: Vec<u8>, epochs: Vec<EpochReport>) -> Self {
        Outcome {
            network: StoredNetwork::of(network),
            file,
            epochs,
        }
    }

    /// The network in full precision.
    pub(super) fn network(&self) -> Result<Mlp, StageError> {
        self.network.network()
    }

    /// All weights of the network in full precision, layer by layer.
    pub(super) fn weights(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.network.weights()
    }
}

/// The training images and augmented copies of them, with the teacher's logits.
pub(super) struct Transfer {
    pub(super) images: ImageSet,
    pub(super) logits: Array2<f32>,
}

/// How a stage trains.
pub(super) struct Plan<'a> {
    pub(super) stage: &'a str,
    pub(super) epochs: usize,
    pub(super) first_epoch: u64,
    pub(super) rate: Rate,
    /// Images of a batch; as many as students have where `None`.
    pub(super) batch: Option<usize>,
    /// The share of the hidden neurons that a batch drops.
    pub(super) dropout: f32,
}

/// The images and settings of a run.
pub(super) struct Lab<'a> {
    pub(super) run: &'a Run,
    pub(super) settings: Settings,
    pub(super) training: ImageSet,
    pub(super) validation: ImageSet,
    transfer: OnceCell<Transfer>,
}

impl<'a> Lab<'a> {
    /// Reads the training files.
    pub(super) fn new(run: &'a Run, settings: Settings) -> Result<Self, RunError> {
        let (training, validation) = run.training_images(settings.limit, settings.validation)?;
        Ok(Lab {
            run,
            settings,
            training,
            validation,
            transfer: OnceCell::new(),
        })
    }

    /// An untrained network with these hidden widths; its weights follow from the seed and the
    /// stage's name.
    pub(super) fn untrained(&self, hidden: &[usize], stage: &str) -> Result<Mlp, StageError> {
        let stream = format!("{stage}.init");
        let shape = self.run.shape();
        Ok(Mlp::new(
            &[&[shape.features()], hidden, &[shape.classes]].concat(),
            Activation::Relu,
            Init::HeUniform,
            self.run.seed,
            &stream,
        )?)
    }

    /// Augmented views of the training images, of strengths up to `strength`.
    pub(super) fn augmented(
        &self,
        strength: f32,
        stream: &str,
    ) -> Result<Augmented<'_>, StageError> {
        let augmentation = Augmentation::default().with_max_strength(strength);
        Ok(Augmented::new(
            &self.training,
            augmentation,
            self.run.seed,
            stream,
        )?)
    }

    /// The transfer set, made at the first call: its logits are computed once.
    pub(super) fn transfer(&self, teacher: &dyn Forward) -> Result<&Transfer, StageError> {
        if self.transfer.get().is_none() {
            let images = self
                .augmented(self.settings.strengths[2], "transfer")?
                .materialize(self.settings.copies)?;
            let logits = teacher_logits(teacher, &images)?;
            let _ = self.transfer.set(Transfer { images, logits });
        }
        self.transfer
            .get()
            .ok_or_else(|| "the transfer set is missing".into())
    }

    /// Trains `network` on `data` by Adam, as planned.
    pub(super) fn train(
        &self,
        network: Mlp,
        plan: &Plan<'_>,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<(Mlp, Vec<EpochReport>), StageError> {
        let settings = compress_nn::Settings {
            epochs: plan.epochs,
            first_epoch: plan.first_epoch,
            batch_size: plan.batch.unwrap_or(self.settings.batch),
            learning_rate: plan.rate.peak,
            optimizer: Optimizer::adam(),
            schedule: Schedule::Cosine {
                floor: plan.rate.floor,
            },
            warm_up_steps: plan.rate.warm_up_steps,
            dropout_hidden: plan.dropout,
            batchwise_dropout: true,
            seed: self.run.seed,
            stream: plan.stream(),
            ..compress_nn::Settings::default()
        };
        let bar = self.run.progress.bar(plan.stage, Some(1));
        let mut trainer = Trainer::new(network, settings)?
            .validation(&self.validation, 1)
            .progress(Box::new(|p| bar.at(p.step, p.total_steps, p.loss)));
        let report = trainer.fit(data, loss, hooks)?;
        Ok((trainer.into_network(), report.epochs))
    }
}

impl<'a> Plan<'a> {
    /// A student's training of its own, without dropout.
    pub(super) fn new(stage: &'a str, epochs: usize, rate: Rate) -> Self {
        Plan {
            stage,
            epochs,
            first_epoch: 0,
            rate,
            batch: None,
            dropout: 0.0,
        }
    }

    fn stream(&self) -> String {
        format!("{}.{}", self.stage, self.first_epoch)
    }
}

/// Fraction of the weights of each layer that is not zero.
pub(super) fn densities(network: &Mlp) -> Vec<(String, f64)> {
    network
        .parameters()
        .iter()
        .filter(|p| p.role() == Role::Weight)
        .map(|p| {
            let density = nonzero(p) as f64 / p.values().len() as f64;
            (p.name().to_owned(), density)
        })
        .collect()
}
