//! The errors of this crate.

/// What can go wrong while pruning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the model, the samples or a kernel.
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    /// A density, or a floor of one, outside of 0 to 1.
    #[error("{what} is {value}, but must be from 0 to 1")]
    Fraction {
        /// The setting.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A score that cannot be ranked.
    #[error(
        "the score of {tensor} at index {index} is {value}, but must be finite and not negative"
    )]
    Score {
        /// The tensor's name.
        tensor: String,
        /// The flat position of the first such score.
        index: usize,
        /// The score.
        value: f32,
    },
    /// A tensor that would lose all of its weights, though some were to stay: what follows it would
    /// then see nothing (layer collapse).
    #[error(
        "{tensor} would lose all of its {weights} weights at the density {density}: ask for a \
         higher density, for a floor (`Global {{ floor }}`), or for another structure, such as one \
         that ranks the weights of each tensor by themselves"
    )]
    Collapse {
        /// The tensor's name.
        tensor: String,
        /// How many weights it has.
        weights: usize,
        /// The density asked for.
        density: f64,
    },
    /// A number of neurons that a group cannot be reduced to.
    #[error("{layer} cannot be left with {count} neurons; it has {width}, and 1 must stay")]
    NeuronCount {
        /// The group's name.
        layer: String,
        /// How many were to be left.
        count: usize,
        /// How many there are.
        width: usize,
    },
    /// A pruning period outside of the run, or an interval of no steps.
    #[error(
        "pruning from {begin} to {end} of the run every {interval} steps is impossible; \
         0 <= begin <= end <= 1 and interval > 0 are needed"
    )]
    Period {
        /// The fraction of the run at which pruning begins.
        begin: f64,
        /// The fraction of the run at which the final density is reached.
        end: f64,
        /// Steps between two prunings.
        interval: usize,
    },
    /// Dynamic sparse training that ends outside of the run, or an interval of no steps.
    #[error(
        "changing connections until {end} of the run every {interval} steps is impossible; \
         0 <= end <= 1 and interval > 0 are needed"
    )]
    Updates {
        /// The fraction of the run after which connections no longer change.
        end: f64,
        /// Steps between two changes.
        interval: usize,
    },
    /// A final density above the initial one.
    #[error("the final density {target} is above the initial density {initial}")]
    Densities {
        /// Where pruning starts.
        initial: f64,
        /// Where it ends.
        target: f64,
    },
    /// No hidden layer can be taken out.
    #[error("no layer can be removed: {reasons}")]
    NoRemovableLayer {
        /// Why, for each layer and way.
        reasons: String,
    },
    /// A run that ended before gradual pruning had reached its density.
    #[error(
        "pruning has reached the density {reached}, not the promised {target}, after {steps} of \
         {total_steps} steps: let the run go on to its end, or end pruning earlier"
    )]
    NotReached {
        /// The density of the mask.
        reached: f64,
        /// The density that was to be reached.
        target: f64,
        /// Steps that were taken.
        steps: usize,
        /// Steps that the run was to have.
        total_steps: usize,
    },
    /// A run that ended before a snapshot of the model was taken.
    #[error("the snapshot was to be taken after {wanted} steps, but the run ended after {steps}")]
    NoSnapshot {
        /// After how many steps it was to be taken.
        wanted: usize,
        /// Steps that were taken.
        steps: usize,
    },
    /// A checkpoint that a hook cannot read.
    #[error("the checkpoint of {hook} is damaged: {reason}")]
    Checkpoint {
        /// The hook.
        hook: &'static str,
        /// What was wrong.
        reason: String,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for compress_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => compress_core::Error::other(error),
        }
    }
}

/// Fails unless `value` is from 0 to 1.
pub(crate) fn check_fraction(what: &'static str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::Fraction { what, value })
    }
}

/// Fails unless pruning can go from the density `initial` down to `target`.
pub(crate) fn check_densities(initial: f64, target: f64) -> Result<()> {
    check_fraction("the initial density", initial)?;
    check_fraction("the final density", target)?;
    match target > initial {
        true => Err(Error::Densities { initial, target }),
        false => Ok(()),
    }
}
