//! The commands: a file each, and a line in [`Command`].

mod convert;
mod diff;
mod inspect;
mod prune;
mod quantize;
mod verify;

use clap::Subcommand;

use crate::console::Console;
use crate::failure::Done;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Quantize(quantize::Quantize),
    Prune(prune::Prune),
    Verify(verify::Verify),
    Diff(diff::Diff),
}

impl Command {
    pub(crate) fn run(self, console: &Console) -> Done {
        match self {
            Command::Inspect(command) => command.run(console),
            Command::Convert(command) => command.run(console),
            Command::Quantize(command) => command.run(console),
            Command::Prune(command) => command.run(console),
            Command::Verify(command) => command.run(console),
            Command::Diff(command) => command.run(console),
        }
    }
}
