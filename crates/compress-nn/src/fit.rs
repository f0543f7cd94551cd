//! The training loop.

use compress_core::network::Forward;
use compress_core::rng;
use compress_core::train::{
    EpochReport, Fit, FitInSteps, FitReport, FitRun, Loss, NextBatch, Run, Samples, TrainHook,
    fit_in_steps,
};
use ndarray::{Array2, ArrayView2};

use crate::checkpoint::Checkpoint;
use crate::learner::{Learner, Workspace};
use crate::optim::{self, Rates};
use crate::ranges::at_least_one;
use crate::state::State;
use crate::step::{At, Step};
use crate::trainer::Validation;
use crate::{Progress, Result, Trainer, evaluate};

impl Fit for Trainer<'_> {
    fn network(&self) -> &dyn Forward {
        &self.network
    }

    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> compress_core::Result<FitReport> {
        fit_in_steps(self, data, loss, hooks)
    }
}

impl FitInSteps for Trainer<'_> {
    fn begin<'r, 'k: 'r>(
        &'r mut self,
        data: &'r dyn Samples,
        values: &[&str],
        hooks: &'r mut [&'k mut dyn TrainHook],
    ) -> compress_core::Result<Box<dyn FitRun + 'r>> {
        Ok(Box::new(TrainerRun::begin(self, data, values, hooks)?))
    }
}

/// A run of a trainer.
struct TrainerRun<'r, 'a, 'k> {
    trainer: &'r mut Trainer<'a>,
    data: &'r dyn Samples,
    run: Run<'r, 'k>,
    state: State,
    workspace: Workspace,
    rates: Rates,
    /// Samples of a full batch.
    batch: usize,
    /// The samples in the order of the present epoch.
    order: Vec<usize>,
    /// How many of them are done.
    seen: usize,
    /// The sum of their losses.
    loss: f64,
}

impl<'r, 'a, 'k> TrainerRun<'r, 'a, 'k> {
    fn begin(
        trainer: &'r mut Trainer<'a>,
        data: &'r dyn Samples,
        values: &[&str],
        hooks: &'r mut [&'k mut dyn TrainHook],
    ) -> Result<Self> {
        check(trainer, data)?;
        let batch = trainer.settings.batch_size.min(data.len());
        let rates = rates(trainer, data.len().div_ceil(batch))?;
        let workspace = Workspace::new(&trainer.network, &trainer.settings, values, batch)?;
        let (state, done) = begin(trainer, data, hooks)?;
        let mut training = TrainerRun {
            trainer,
            data,
            run: Run::resumed(hooks, done, rates.total_steps),
            state,
            workspace,
            rates,
            batch,
            order: (0..data.len()).collect(),
            seen: 0,
            loss: 0.0,
        };
        training.begin_epoch();
        Ok(training)
    }

    /// The present epoch, from 0.
    fn epoch(&self) -> usize {
        self.state.report.epochs.len()
    }

    fn is_over(&self) -> bool {
        self.epoch() >= self.trainer.settings.epochs || self.state.report.stopped_early
    }

    fn begin_epoch(&mut self) {
        (self.seen, self.loss) = (0, 0.0);
        if !self.is_over() {
            let epoch = self.epoch();
            shuffle(&mut self.order, self.trainer, epoch);
        }
    }

    fn step(&mut self, indices: &[usize], loss: &dyn Loss) -> Result<f32> {
        let Some(next) = self.next_batch() else {
            let (what, done) = ("a training step", self.run.done());
            let expected = format!("among the {done} of the run, which is over");
            return Err(compress_core::Error::invalid(what, done + 1, expected).into());
        };
        let expected = [next.indices.len()];
        compress_core::Error::check_shape("samples of a step", &expected, &[indices.len()])?;
        let (epoch, step) = (self.epoch(), self.run.done());
        let at = At {
            epoch,
            drawn_in: self.trainer.settings.first_epoch + epoch as u64,
            step,
            rate: self.rates.at(epoch, step),
        };
        let mut learner = Learner {
            network: &mut self.trainer.network,
            settings: &self.trainer.settings,
            optimizer: &mut self.state.optimizer,
            workspace: &mut self.workspace,
        };
        let data = self.data;
        let loss = Step { data, loss, at }.take(&mut learner, &mut self.run, indices)?;
        self.loss += f64::from(loss) * indices.len() as f64;
        self.seen += indices.len();
        let step = self.run.done();
        if let Some(callback) = &mut self.trainer.progress {
            callback(&Progress {
                epoch,
                step,
                total_steps: self.run.total_steps(),
                loss,
                learning_rate: at.rate,
            });
        }
        if self.seen == self.order.len() {
            self.end_epoch(At { step, ..at })?;
        }
        Ok(loss)
    }

    /// Checks, validates, reports and saves; `last` is when the last step was done.
    fn end_epoch(&mut self, last: At) -> Result<()> {
        last.check_weights(&self.trainer.network)?;
        let training_loss = (self.loss / self.order.len() as f64) as f32;
        let mut report = EpochReport {
            epoch: last.epoch,
            training_loss,
            ..EpochReport::default()
        };
        validate(self.trainer, &mut self.run, &mut report, &mut self.state)?;
        tracing::debug!(
            epoch = last.epoch,
            training_loss,
            validation_errors = report.validation_errors,
            "epoch done"
        );
        self.state.report.epochs.push(report);
        if self.trainer.checkpoint.is_some() {
            let sparse = &mut self.workspace.whole.sparse;
            sparse.give_back(&mut self.state.optimizer);
        }
        save(self.trainer, self.data, &self.run, &self.state)?;
        self.begin_epoch();
        Ok(())
    }
}

impl FitRun for TrainerRun<'_, '_, '_> {
    fn done(&self) -> usize {
        self.run.done()
    }

    fn total_steps(&self) -> usize {
        self.run.total_steps()
    }

    fn next_batch(&self) -> Option<NextBatch<'_>> {
        if self.is_over() {
            return None;
        }
        let indices = self.order[self.seen..].chunks(self.batch).next()?;
        let epoch = self.trainer.settings.first_epoch + self.epoch() as u64;
        Some(NextBatch { epoch, indices })
    }

    fn step(&mut self, indices: &[usize], loss: &dyn Loss) -> compress_core::Result<f32> {
        Ok(self.step(indices, loss)?)
    }

    fn predict(&mut self, inputs: ArrayView2<'_, f32>) -> compress_core::Result<Array2<f32>> {
        let network = &mut self.trainer.network;
        self.run
            .evaluate(network, |network| network.forward(inputs))
    }

    fn finish(self: Box<Self>) -> compress_core::Result<FitReport> {
        let TrainerRun {
            trainer,
            run,
            state,
            ..
        } = *self;
        run.finish(&mut trainer.network)?;
        Ok(state.report)
    }
}

/// Checks everything that can be checked before the first step.
fn check(trainer: &Trainer<'_>, data: &dyn Samples) -> compress_core::Result<()> {
    use compress_core::Error;
    trainer.settings.validate()?;
    trainer.network.check_shapes()?;
    let features = trainer.network.features();
    let check_samples = |what: &str, samples: &dyn Samples| {
        if samples.is_empty() {
            return Err(Error::Empty { what: what.into() });
        }
        Error::check_shape(
            &format!("features of {what}"),
            &[features],
            &[samples.features()],
        )
    };
    check_samples("the data", data)?;
    if !data.labels().is_empty() {
        Error::check_shape("labels of the data", &[data.len()], &[data.labels().len()])?;
    }
    if let Some(validation) = &trainer.validation {
        check_samples("the validation data", validation.samples)?;
        at_least_one("every_epochs of the validation", validation.every_epochs)?;
    } else if trainer.settings.early_stopping.is_some() {
        return Err(Error::invalid(
            "early_stopping",
            "set",
            "unset without validation samples",
        ));
    }
    if let Some((_, every_epochs)) = &trainer.checkpoint {
        at_least_one("every_epochs of the checkpoint", *every_epochs)?;
    }
    Ok(())
}

fn rates(trainer: &Trainer<'_>, steps_per_epoch: usize) -> Result<Rates> {
    let settings = &trainer.settings;
    let Some(total_steps) = settings.epochs.checked_mul(steps_per_epoch) else {
        let most = format!("at most {}", usize::MAX / steps_per_epoch);
        return Err(compress_core::Error::invalid("epochs", settings.epochs, most).into());
    };
    Ok(Rates {
        schedule: settings.schedule,
        peak: settings.learning_rate,
        warm_up_steps: settings.warm_up_steps,
        total_steps,
    })
}

/// The state before the first epoch, or that of the checkpoint to go on from; and the steps done.
fn begin(
    trainer: &mut Trainer<'_>,
    data: &dyn Samples,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<(State, usize)> {
    if let Some(path) = trainer.resume.take() {
        let checkpoint = Checkpoint::read(&path)?;
        return checkpoint.restore(&path, trainer, data, hooks);
    }
    let optimizer = trainer.settings.optimizer;
    let optimizer = optim::State::new(optimizer, trainer.network.pairs());
    Ok((State::new(optimizer), 0))
}

/// Shuffles the samples for `epoch`. The order depends on no earlier epoch.
fn shuffle(order: &mut [usize], trainer: &Trainer<'_>, epoch: usize) {
    let settings = &trainer.settings;
    let name = format!("{}.shuffle", settings.stream);
    let samples = order.iter_mut().enumerate();
    samples.for_each(|(index, sample)| *sample = index);
    let epoch = settings.first_epoch + epoch as u64;
    rng::shuffle(&mut rng::indexed(settings.seed, &name, epoch), order);
}

/// Validates if it is time to, and says whether to stop.
fn validate(
    trainer: &mut Trainer<'_>,
    run: &mut Run<'_, '_>,
    report: &mut EpochReport,
    state: &mut State,
) -> Result<()> {
    let Some(Validation {
        samples,
        every_epochs,
    }) = trainer.validation
    else {
        return Ok(());
    };
    let done = report.epoch + 1;
    if !done.is_multiple_of(every_epochs) && done != trainer.settings.epochs {
        return Ok(());
    }
    let found = run.evaluate(&mut trainer.network, |network| evaluate(network, samples))?;
    report.validation_errors = Some(found.errors);
    report.validation_loss = Some(found.cross_entropy);
    let Some(stopping) = trainer.settings.early_stopping else {
        return Ok(());
    };
    let looks = state.look(found.cross_entropy, stopping.min_improvement);
    state.report.stopped_early = looks >= stopping.patience && done < trainer.settings.epochs;
    Ok(())
}

/// Writes a checkpoint where it is time to.
fn save(trainer: &Trainer<'_>, data: &dyn Samples, run: &Run<'_, '_>, state: &State) -> Result<()> {
    let Some((path, every_epochs)) = &trainer.checkpoint else {
        return Ok(());
    };
    let done = state.report.epochs.len();
    let last = done == trainer.settings.epochs || state.report.stopped_early;
    if !done.is_multiple_of(*every_epochs) && !last {
        return Ok(());
    }
    Checkpoint::take(trainer, data, run, state)?.write(path)
}
