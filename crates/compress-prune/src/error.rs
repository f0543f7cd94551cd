//! The errors of this crate.

/// What can go wrong while pruning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the network, the samples or a kernel.
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
    /// A criterion that needs an optimizer's second moments.
    #[error(
        "there are no second moments of the gradient of {tensor}: train with an optimizer that \
         keeps them, as Adam does"
    )]
    NoSecondMoments {
        /// The tensor's name.
        tensor: String,
    },
    /// A number of neurons that a layer cannot be reduced to.
    #[error("{layer} cannot be left with {count} neurons; it has {width}, and 1 must stay")]
    NeuronCount {
        /// The layer's name.
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
    /// A name that is not in a registry.
    #[error("there is no {what} named {name:?}; the names are {known}")]
    Unknown {
        /// Criterion, structure or schedule.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// Those that exist, comma separated.
        known: String,
    },
    /// A checkpoint that this hook cannot read.
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

/// Looks `name` up in a registry.
pub(crate) fn look_up<T: Copy>(
    what: &'static str,
    registry: &[(&'static str, T)],
    name: &str,
) -> Result<T> {
    match registry.iter().find(|(known, _)| *known == name) {
        Some((_, found)) => Ok(*found),
        None => Err(Error::Unknown {
            what,
            name: name.to_owned(),
            known: registry
                .iter()
                .map(|(n, _)| *n)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
