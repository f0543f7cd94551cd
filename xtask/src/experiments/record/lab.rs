//! What the students of all tracks share: the samples, the teachers' logits of them, and the
//! training on those logits alone, pruned meanwhile or not.

use std::error::Error;

use compress_core::mask::Criterion;
use compress_core::network::{Activation, Role};
use compress_core::ops::softmax;
use compress_core::train::{ArraySamples, EpochReport, Fit, Samples, TrainHook};
use compress_distill::{SoftTargets, Teacher};
use compress_format::Pooling;
use compress_nn::data::ImageSet;
use compress_nn::{Init, Mlp, Optimizer, Schedule, Trainer};
use compress_prune::{Cubic, Global, GradualOptions, GradualPruning, compact};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::lessons::Lessons;
use super::teachers;
use crate::experiments::network::float_artifact;
use crate::experiments::rate::Rate;
use crate::progress::Progress;
use crate::run::{Run, RunError};

pub(super) type StageError = Box<dyn Error + Send + Sync>;

/// What a stage leaves: a file, and how training went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Student {
    pub(super) file: Vec<u8>,
    pub(super) epochs: Vec<EpochReport>,
}

/// One training run.
pub(super) struct Plan {
    /// Its name, and that of its random stream.
    pub(super) stage: String,
    /// Of the soft labels.
    pub(super) temperature: f32,
    /// Passes over as many samples as there are training images.
    pub(super) passes: usize,
    pub(super) rate: Rate,
    /// Of AdamW; Adam where it is 0.
    pub(super) weight_decay: f32,
    pub(super) seed: u64,
}

/// How far and when a student is pruned while it learns.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pruning {
    /// Widths of the hidden layers before pruning.
    pub(super) hidden: [usize; 2],
    /// Weights that stay.
    pub(super) weights: usize,
    /// Of the soft labels.
    pub(super) temperature: f32,
    /// Passes before the first weight goes, and after it.
    pub(super) dense_passes: usize,
    pub(super) prune_passes: usize,
    /// The share of all passes after which the number of weights stays.
    pub(super) end: f64,
    /// Steps between two prunings.
    pub(super) interval: usize,
    pub(super) rate: Rate,
}

/// The samples as a student's first layer reads them, and the teachers' logits.
pub(super) struct Lab<'a> {
    pub(super) progress: &'a Progress,
    pub(super) data: Box<dyn Samples + Send>,
    validation: Box<dyn Samples + Send>,
    /// The teachers' logits of `data`, `[samples, classes]`.
    logits: Array2<f32>,
    batch: usize,
    /// Passes over the training images that one epoch over the transfer set is.
    passes: usize,
}

impl<'a> Lab<'a> {
    pub(super) fn new(
        run: &'a Run,
        lessons: &Lessons,
        training: &ImageSet,
        validation: &ImageSet,
        teachers: &[teachers::Teacher],
    ) -> Result<Self, RunError> {
        let _shown = run.progress.bar("transfer set", None);
        let transfer = teachers::transfer(run, lessons, training, teachers);
        let transfer = transfer.map_err(|source| RunError::Stage {
            stage: "transfer set".into(),
            source,
        })?;
        Ok(Lab {
            progress: &run.progress,
            data: as_read(lessons.front, transfer.images)?,
            validation: as_read(lessons.front, validation.clone())?,
            logits: transfer.logits,
            batch: lessons.batch,
            passes: lessons.transfer.copies + 1,
        })
    }

    /// Positions of so many samples, or of all.
    pub(super) fn spread(&self, samples: usize) -> Vec<usize> {
        spread(samples, self.data.len() / self.passes, self.passes)
    }

    /// What the teachers say of samples, `[samples, classes]`, as probabilities.
    pub(super) fn targets(
        &self,
        samples: &[usize],
        temperature: f32,
    ) -> Result<Array2<f32>, StageError> {
        let logits = self.logits.select(Axis(0), samples);
        let mut targets = Array2::zeros(logits.raw_dim());
        softmax::softmax(logits.view(), temperature, targets.view_mut())?;
        Ok(targets)
    }

    /// An untrained student.
    pub(super) fn untrained(&self, hidden: [usize; 2], seed: u64) -> Result<Mlp, StageError> {
        let [first, second] = hidden;
        let widths = [self.data.features(), first, second, self.logits.ncols()];
        let (activation, init) = (Activation::Relu, Init::HeUniform);
        Ok(Mlp::new(&widths, activation, init, seed, "student")?)
    }

    /// From untrained to as few weights as asked for, all layers ranked together by `criterion`,
    /// without what is dead; in full precision.
    pub(super) fn pruned(
        &self,
        stage: &str,
        seed: u64,
        pruning: &Pruning,
        criterion: Box<dyn Criterion>,
    ) -> Result<Student, StageError> {
        let network = self.untrained(pruning.hidden, seed)?;
        let weights = network.parameters().into_iter();
        let weights = weights.filter(|p| p.role() == Role::Weight);
        let total: usize = weights.map(|p| p.values().len()).sum();
        let passes = pruning.dense_passes + pruning.prune_passes;
        let options = GradualOptions {
            target: pruning.weights as f64 / total as f64,
            begin: pruning.dense_passes as f64 / passes as f64,
            end: pruning.end,
            interval: pruning.interval,
            ..GradualOptions::default()
        };
        let structure = Box::new(Global::default());
        let mut hook = GradualPruning::new(criterion, structure, Box::new(Cubic), options)?;
        let plan = Plan {
            stage: stage.to_owned(),
            temperature: pruning.temperature,
            passes,
            rate: pruning.rate,
            weight_decay: 0.0,
            seed,
        };
        let (mut network, epochs) = self.train(network, &plan, &mut [&mut hook])?;
        compact(&mut network)?;
        Student::of(&network, epochs)
    }

    /// Trains on the teachers' logits.
    pub(super) fn train(
        &self,
        network: Mlp,
        plan: &Plan,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<(Mlp, Vec<EpochReport>), StageError> {
        let loss = SoftTargets::new(Teacher::Cached(self.logits.clone()), plan.temperature)?;
        let epochs = (plan.passes / self.passes).max(1);
        let settings = compress_nn::Settings {
            epochs,
            batch_size: self.batch,
            learning_rate: plan.rate.peak,
            optimizer: match plan.weight_decay {
                0.0 => Optimizer::adam(),
                decay => Optimizer::adam_w(decay),
            },
            schedule: Schedule::Cosine {
                floor: plan.rate.floor,
            },
            warm_up_steps: plan.rate.warm_up_steps,
            seed: plan.seed,
            stream: plan.stage.clone(),
            ..compress_nn::Settings::default()
        };
        // Ten looks at the validation images are enough for a curve.
        let every = epochs.div_ceil(10);
        let bar = self
            .progress
            .bar(&format!("{}, seed {}", plan.stage, plan.seed), Some(1));
        let mut trainer = Trainer::new(network, settings)?
            .validation(&*self.validation, every)
            .progress(Box::new(|p| bar.at(p.step, p.total_steps, p.loss)));
        let report = trainer.fit(&*self.data, &loss, hooks)?;
        Ok((trainer.into_network(), report.epochs))
    }
}

impl Student {
    /// A network in full precision.
    pub(super) fn of(network: &Mlp, epochs: Vec<EpochReport>) -> Result<Self, StageError> {
        let (file, _) = float_artifact(network)?.to_bytes()?;
        Ok(Student { file, epochs })
    }
}

/// Positions of so many samples, or of all, in a transfer set of whole copies of the images one
/// after another: each image as often as any other, give or take one, and all copies alike.
fn spread(samples: usize, images: usize, copies: usize) -> Vec<usize> {
    let position = |i: usize| {
        let (round, image) = (i / images, i % images);
        (round + image) % copies * images + image
    };
    (0..samples.min(images * copies)).map(position).collect()
}

/// The images as students read them.
fn as_read(
    front: Option<Pooling>,
    images: ImageSet,
) -> compress_core::Result<Box<dyn Samples + Send>> {
    Ok(match front {
        None => Box::new(images),
        Some(front) => {
            let seen: ArraySamples = front.samples(&images)?;
            Box::new(seen)
        }
    })
}

#[cfg(test)]
mod tests {
    use compress_prune::Magnitude;

    use super::*;

    fn lab(progress: &Progress) -> Lab<'_> {
        let samples = |count| {
            let value = |(row, column)| ((row * 7 + column * 3) % 11) as f32 / 11.0;
            let inputs = Array2::from_shape_fn((count, 6), value);
            ArraySamples::new(inputs, vec![0; count]).unwrap()
        };
        Lab {
            progress,
            data: Box::new(samples(64)),
            validation: Box::new(samples(8)),
            logits: Array2::from_shape_fn((64, 10), |(row, class)| ((row + class) % 5) as f32),
            batch: 16,
            passes: 1,
        }
    }

    #[test]
    fn students_learn_at_the_temperature_that_is_asked_for() {
        let progress = Progress::new();
        let lab = lab(&progress);
        let trained = |temperature| {
            let pruning = Pruning {
                hidden: [5, 4],
                weights: 50,
                temperature,
                dense_passes: 1,
                prune_passes: 1,
                end: 0.5,
                interval: 1,
                rate: Rate::new(1e-2, 0.1, 1),
            };
            let criterion = Box::new(Magnitude);
            lab.pruned("test", 1, &pruning, criterion).unwrap().file
        };
        assert!(trained(1.0) == trained(1.0));
        assert!(trained(1.0) != trained(2.0));
        let targets = |temperature| lab.targets(&[3], temperature).unwrap();
        assert!(targets(1.0) != targets(2.0));
    }

    #[test]
    fn weights_decay_as_far_as_is_asked_for() {
        let progress = Progress::new();
        let lab = lab(&progress);
        let left = |weight_decay| {
            let plan = Plan {
                stage: "test".into(),
                temperature: 1.0,
                passes: 2,
                rate: Rate::new(1e-2, 0.1, 1),
                weight_decay,
                seed: 1,
            };
            let network = lab.untrained([5, 4], 1).unwrap();
            let (network, _) = lab.train(network, &plan, &mut []).unwrap();
            let parameters = network.parameters().into_iter();
            let values = parameters.flat_map(|p| p.values().to_vec());
            values.map(f32::abs).sum::<f32>()
        };
        assert!(left(1.0) < left(0.1) && left(0.1) < left(0.0));
    }

    /// How often each of `0..of` is among `values`.
    fn counts(values: impl Iterator<Item = usize>, of: usize) -> Vec<usize> {
        let mut counts = vec![0; of];
        values.for_each(|value| counts[value] += 1);
        counts
    }

    #[test]
    fn samples_are_spread_over_all_images_and_copies() {
        let (images, copies) = (60, 10);
        for samples in [1, 10, 59, 60, 120, 240, 333, 599, 600, 700] {
            let positions = spread(samples, images, copies);
            let found = samples.min(images * copies);
            assert_eq!(positions.len(), found);
            let seen = counts(positions.iter().copied(), images * copies);
            assert!(seen.iter().all(|&n| n <= 1), "{samples}: one sample twice");
            let by_image = counts(positions.iter().map(|p| p % images), images);
            let by_copy = counts(positions.iter().map(|p| p / images), copies);
            for shares in [by_image, by_copy] {
                let (least, most) = (shares.iter().min(), shares.iter().max());
                let (least, most) = (least.copied().unwrap(), most.copied().unwrap());
                assert!(most - least <= 1, "{samples}: {shares:?}");
            }
        }
    }
}
