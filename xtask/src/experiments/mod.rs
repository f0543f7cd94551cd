//! The experiments, one file or folder each, and their registry.

pub(crate) mod decoded; // tidy: allow(no experiment, but what they share)
mod hinton;
mod losses;
mod lottery;
pub(crate) mod network; // tidy: allow(no experiment, but what they share)
mod neurons;
mod pipeline;
pub(crate) mod rate; // tidy: allow(no experiment, but what they share)
mod record;
mod sparsity;

use crate::run::RunError;

/// Run an experiment from end to end and write its report
///
/// `pipeline` runs where no experiment is named, with the options below.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ExperimentArgs {
    #[command(subcommand)]
    experiment: Option<Experiment>,
    #[command(flatten)]
    pipeline: pipeline::Args,
}

/// All experiments. Each has flags of its own.
#[derive(clap::Subcommand)]
enum Experiment {
    Hinton(hinton::Args),
    Losses(losses::Args),
    Lottery(lottery::Args),
    Neurons(neurons::Args),
    Pipeline(pipeline::Args),
    Record(record::Args),
    Sparsity(sparsity::Args),
}

impl ExperimentArgs {
    /// Runs what was asked for.
    pub(crate) fn run(self) -> Result<(), RunError> {
        match self
            .experiment
            .unwrap_or(Experiment::Pipeline(self.pipeline))
        {
            Experiment::Hinton(args) => hinton::run(&args),
            Experiment::Losses(args) => losses::run(&args),
            Experiment::Lottery(args) => lottery::run(&args),
            Experiment::Neurons(args) => neurons::run(&args),
            Experiment::Pipeline(args) => pipeline::run(&args),
            Experiment::Record(args) => record::run(&args),
            Experiment::Sparsity(args) => sparsity::run(&args),
        }
    }
}
