//! The commands: a file each, and a line in [`Command`].

mod convert;
mod diff;
mod inspect;
mod pack;
mod prune;
mod quantize;
mod run;
mod unpack;
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
    Run(run::Run),
    Pack(pack::Pack),
    Unpack(unpack::Unpack),
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
            Command::Run(command) => command.run(console),
            Command::Pack(command) => command.run(console),
            Command::Unpack(command) => command.run(console),
        }
    }

    /// Fails where the options are wrong, whatever the files hold.
    fn check_options(&self) -> Done {
        match self {
            Command::Convert(command) => command.check_options(),
            Command::Quantize(command) => command.check_options(),
            Command::Prune(command) => command.check_options(),
            _ => Ok(()),
        }
    }

    /// Fails where the command cannot be carried out, as far as that is known before any value is
    /// read.
    fn check(&self) -> Done {
        match self {
            Command::Convert(command) => command.check(),
            Command::Quantize(command) => command.check(),
            Command::Prune(command) => command.check(),
            _ => Ok(()),
        }
    }
}
