//! The training loop.

use compress_core::network::Network;
use compress_core::rng;
use compress_core::train::{EpochReport, Fit, FitReport, Loss, Samples, TrainHook};

use crate::backprop::Backprop;
use crate::batchwise::Batchwise;
use crate::checkpoint::Checkpoint;
use crate::optim::{self, Rates};
use crate::pass::{Pass, Workspace};
use crate::ranges::at_least_one;
use crate::state::State;
use crate::trainer::Validation;
use crate::{Result, Trainer, evaluate};

impl Fit for Trainer<'_> {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Network {
        &mut self.network
    }

    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> compress_core::Result<FitReport> {
        Ok(run(self, data, loss, hooks)?)
    }
}

/// Trains `trainer.network`.
fn run(
    trainer: &mut Trainer<'_>,
    data: &dyn Samples,
    loss: &dyn Loss,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<FitReport> {
    check(trainer, data)?;
    let batch = trainer.settings.batch_size.min(data.len());
    let rates = rates(trainer, data.len().div_ceil(batch))?;
    let mut state = begin(trainer, data, hooks)?;
    let mut workspace = Workspace {
        whole: Backprop::new(&trainer.network, &trainer.settings, batch),
        part: Batchwise::new(&trainer.network, &trainer.settings, batch)?,
    };
    let mut order = Vec::with_capacity(data.len());
    let epochs = trainer.settings.epochs;
    while state.report.epochs.len() < epochs && !state.report.stopped_early {
        let epoch = state.report.epochs.len();
        shuffle(&mut order, data.len(), trainer, epoch);
        let pass = Pass {
            data,
            loss,
            rates,
            batch,
            epoch,
        };
        let training_loss = pass.run(trainer, hooks, &order, &mut state, &mut workspace)?;
        let mut report = EpochReport {
            epoch,
            training_loss,
            ..EpochReport::default()
        };
        validate(trainer, hooks, &mut report, &mut state)?;
        tracing::debug!(
            epoch,
            training_loss,
            validation_errors = report.validation_errors,
            "epoch done"
        );
        state.report.epochs.push(report);
        if trainer.checkpoint.is_some() {
            workspace.whole.sparse.give_back(&mut state.optimizer);
        }
        save(trainer, data, hooks, &state)?;
    }
    Ok(state.report)
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

/// The state before the first epoch, or that of the checkpoint to go on from.
fn begin(
    trainer: &mut Trainer<'_>,
    data: &dyn Samples,
    hooks: &mut [&mut dyn TrainHook],
) -> Result<State> {
    if let Some(path) = trainer.resume.take() {
        let checkpoint = Checkpoint::read(&path)?;
        return checkpoint.restore(&path, trainer, data, hooks);
    }
    let optimizer = trainer.settings.optimizer;
    let optimizer = optim::State::new(optimizer, trainer.network.all());
    Ok(State::new(optimizer))
}

/// Shuffles the samples for `epoch`. The order depends on no earlier epoch.
fn shuffle(order: &mut Vec<usize>, samples: usize, trainer: &Trainer<'_>, epoch: usize) {
    let settings = &trainer.settings;
    let name = format!("{}.shuffle", settings.stream);
    order.clear();
    order.extend(0..samples);
    let epoch = settings.first_epoch + epoch as u64;
    rng::shuffle(&mut rng::indexed(settings.seed, &name, epoch), order);
}

/// Validates if it is time to, and says whether to stop.
fn validate(
    trainer: &mut Trainer<'_>,
    hooks: &mut [&mut dyn TrainHook],
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
    for hook in hooks.iter_mut() {
        hook.before_evaluation(&mut trainer.network)?;
    }
    let found = evaluate(&trainer.network, samples);
    for hook in hooks.iter_mut().rev() {
        hook.after_evaluation(&mut trainer.network)?;
    }
    let found = found?;
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
fn save(
    trainer: &Trainer<'_>,
    data: &dyn Samples,
    hooks: &[&mut dyn TrainHook],
    state: &State,
) -> Result<()> {
    let Some((path, every_epochs)) = &trainer.checkpoint else {
        return Ok(());
    };
    let done = state.report.epochs.len();
    let last = done == trainer.settings.epochs || state.report.stopped_early;
    if !done.is_multiple_of(*every_epochs) && !last {
        return Ok(());
    }
    Checkpoint::take(trainer, data, hooks, state)?.write(path)
}
