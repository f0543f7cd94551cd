//! Why a command ends without success, and the exit code that says so.

use std::fmt;
use std::path::Path;

use compress_core::Error;

/// A gate failed: the files differ by more than was asked for.
const GATE: u8 = 1;
/// The command cannot be carried out as it was given.
pub(crate) const USAGE: u8 = 2;
/// The input is broken or cannot be read.
const INPUT: u8 = 3;
/// The output could not be written.
const OUTPUT: u8 = 4;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    Gate(String),
    Usage(String),
    Input(Error),
    Output(Error),
}

/// What a command gives.
pub(crate) type Done<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Gate(_) => GATE,
            Failure::Usage(_) => USAGE,
            Failure::Input(_) => INPUT,
            Failure::Output(_) => OUTPUT,
        }
    }

    /// Of an error that came while `output` was made of the input: a fault of the output if it names
    /// a file in its folder.
    pub(crate) fn while_writing(error: Error, output: &Path) -> Self {
        let is_output = match &error {
            Error::Io { path, .. } => path.parent() == output.parent(),
            _ => false,
        };
        match is_output {
            true => Failure::Output(error),
            false => Failure::Input(error),
        }
    }
}

/// Most errors are those of the input.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Input(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Gate(text) | Failure::Usage(text) => f.write_str(text),
            Failure::Input(error) | Failure::Output(error) => error.fmt(f),
        }
    }
}

/// A wrong usage, from what an error says.
pub(crate) fn usage(error: impl fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
