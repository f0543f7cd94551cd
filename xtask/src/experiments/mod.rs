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
use crate::sweep::SweepArgs;

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
    /// Hinton's MNIST table: students from labels and from a teacher, with classes left out
    Hinton(SweepArgs),
    /// The losses of distillation at an equal budget
    Losses(SweepArgs),
    /// Lottery tickets: rewound networks of ever fewer weights, against others of the same masks
    Lottery(SweepArgs),
    /// Neurons and layers removed: bytes, time and errors, repaired with and without training
    Neurons(SweepArgs),
    Pipeline(pipeline::Args),
    Record(record::Args),
    /// Density against error: criteria and schedules of pruning, with and without a teacher
    Sparsity(SweepArgs),
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
