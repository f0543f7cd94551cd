//! One student: learnt from the teachers' logits alone, pruned meanwhile, then quantized.

use std::error::Error;

use compress_core::artifact::Artifact;
use compress_core::mask::Mask;
use compress_core::network::{Activation, Front, Network, Role};
use compress_core::train::{ArraySamples, EpochReport, Fit, Samples, TrainHook};
use compress_distill::{SoftTargets, Teacher};
use compress_nn::data::ImageSet;
use compress_nn::{Init, Mlp, Optimizer, Schedule, Trainer};
use compress_prune::{
    Cubic, Global, GradualOptions, GradualPruning, MaskHook, RateAware, compact, order_neurons,
};
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, Track};
use super::teachers;
use crate::experiments::rate::Rate;
use crate::progress::Progress;
use crate::run::{Run, RunError};

type StageError = Box<dyn Error + Send + Sync>;

/// The front of the track `pooled`.
const FRONT: Front = Front::TentPool {
    height: 28,
    width: 28,
};

/// What a stage leaves: a file, and how training went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Student {
    pub(super) file: Vec<u8>,
    pub(super) epochs: Vec<EpochReport>,
}

/// What the students of all seeds share: the samples as their first layer reads them, and the
/// teachers' logits.
pub(super) struct Lab<'a> {
    settings: &'a Settings,
    progress: &'a Progress,
    data: Box<dyn Samples + Send>,
    validation: Box<dyn Samples + Send>,
    loss: SoftTargets<'static>,
    /// Passes over the training images that one epoch over the transfer set is.
    passes: usize,
}

/// One training run.
struct Plan {
    stage: &'static str,
    passes: usize,
    rate: Rate,
    seed: u64,
}

impl<'a> Lab<'a> {
    pub(super) fn new(
        run: &'a Run,
        settings: &'a Settings,
        training: &ImageSet,
        validation: &ImageSet,
        teachers: &[teachers::Teacher],
    ) -> Result<Self, RunError> {
        let transfer = teachers::transfer(run, &settings.teachers, training, teachers);
        let transfer = transfer.map_err(|source| RunError::Stage {
            stage: "transfer set".into(),
            source,
        })?;
        let teacher = Teacher::Cached(transfer.logits);
        let loss = SoftTargets::new(teacher, settings.temperature)
            .map_err(|error| RunError::Core(compress_core::Error::other(error)))?;
        Ok(Lab {
            settings,
            progress: &run.progress,
            data: as_read(settings.track, transfer.images)?,
            validation: as_read(settings.track, validation.clone())?,
            loss,
            passes: settings.teachers.copies + 1,
        })
    }

    /// From untrained to so many weights, without what is dead.
    pub(super) fn pruned(&self, seed: u64, weights: usize) -> Result<Student, StageError> {
        let target = &self.settings.target;
        let [first, second] = target.hidden;
        let widths = [self.data.features(), first, second, 10];
        let network = Mlp::new(&widths, Activation::Relu, Init::HeUniform, seed, "student")?;
        let all = network.parameters().into_iter();
        let all = all.filter(|p| p.role() == Role::Weight);
        let total: usize = all.map(|p| p.values().len()).sum();
        let passes = target.dense_passes + target.prune_passes;
        let options = GradualOptions {
            target: weights as f64 / total as f64,
            begin: target.dense_passes as f64 / passes as f64,
            end: self.settings.prune_end,
            interval: self.settings.prune_interval,
            ..GradualOptions::default()
        };
        let (criterion, structure) = (Box::new(RateAware::default()), Box::new(Global::default()));
        let mut pruning = GradualPruning::new(criterion, structure, Box::new(Cubic), options)?;
        let plan = Plan {
            stage: "pruned",
            passes,
            rate: target.prune_rate,
            seed,
        };
        let (mut network, epochs) = self.train(network, &plan, &mut [&mut pruning])?;
        compact(&mut network)?;
        let (file, _) = network.to_artifact().to_bytes()?;
        Ok(Student { file, epochs })
    }

    /// With learned steps and whole numbers, in the file that is the result.
    pub(super) fn quantized(&self, seed: u64, pruned: &Student) -> Result<Student, StageError> {
        let target = &self.settings.target;
        let network = Mlp::from_artifact(&Artifact::from_bytes(&pruned.file)?)?;
        let mut mask = MaskHook::new(Mask::of_nonzeros(&network));
        let options = LearnedStepOptions {
            bits: target.bits,
            penalty: target.penalty,
            ..LearnedStepOptions::default()
        };
        let mut steps = LearnedStep::fit(&network, options)?;
        let plan = Plan {
            stage: "quantized",
            passes: target.quantize_passes,
            rate: target.quantize_rate,
            seed,
        };
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut mask, &mut steps];
        let (mut network, epochs) = self.train(network, &plan, hooks)?;
        // What was rounded to zero may have left neurons without effect.
        steps.round(&mut network)?;
        compact(&mut network)?;
        order_neurons(&mut network)?;
        let (folded, _) = fold_steps(&steps.to_artifact(&network)?)?;
        let count = self.settings.rounding_samples.min(self.data.len());
        let indices: Vec<usize> = (0..count).collect();
        let mut inputs = Array2::zeros((count, self.data.features()));
        self.data.fill(0, &indices, inputs.view_mut())?;
        let mut artifact = round_biases(&folded, inputs.view(), target.bias_tolerance)?;
        if self.settings.track == Track::Pooled {
            artifact.architecture = artifact.architecture.behind(FRONT)?;
        }
        let (file, _) = artifact.to_bytes()?;
        Ok(Student { file, epochs })
    }

    fn train(
        &self,
        network: Mlp,
        plan: &Plan,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<(Mlp, Vec<EpochReport>), StageError> {
        let epochs = (plan.passes / self.passes).max(1);
        let settings = compress_nn::Settings {
            epochs,
            batch_size: self.settings.batch,
            learning_rate: plan.rate.peak,
            optimizer: Optimizer::adam(),
            schedule: Schedule::Cosine {
                floor: plan.rate.floor,
            },
            warm_up_steps: plan.rate.warm_up_steps,
            seed: plan.seed,
            stream: plan.stage.to_owned(),
            ..compress_nn::Settings::default()
        };
        // Ten looks at the validation images are enough for a curve.
        let every = epochs.div_ceil(10);
        let bar = self
            .progress
            .bar(&format!("{}, seed {}", plan.stage, plan.seed), 1);
        let mut trainer = Trainer::new(network, settings)?
            .validation(&*self.validation, every)
            .progress(Box::new(|p| bar.at(p.step, p.total_steps, p.loss)));
        let report = trainer.fit(&*self.data, &self.loss, hooks)?;
        Ok((trainer.into_network(), report.epochs))
    }
}

/// The images as the students of a track read them.
fn as_read(track: Track, images: ImageSet) -> Result<Box<dyn Samples + Send>, RunError> {
    Ok(match track {
        Track::Pixels => Box::new(images),
        Track::Pooled => {
            let pooled: ArraySamples = FRONT.samples(&images)?;
            Box::new(pooled)
        }
    })
}
