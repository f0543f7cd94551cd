//! What goes to the terminal. Whoever reads it may go away (`… | head -2`): then the program ends
//! quietly. What else keeps a line from being written, a full device say, is an error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Exit code of a program whose reader has gone: 128 and the number of SIGPIPE, as shells have it.
const READER_GONE: i32 = 141;

/// A line cannot be written to standard output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

/// `println!` that can fail.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Writes a line to standard output; ends the program where nobody reads it.
///
/// # Errors
/// Where the line cannot be written.
pub(crate) fn line(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    leave_if_unread(&written);
    Ok(written?)
}

/// Writes a line to standard error; ends the program where nobody reads it. A line that cannot be
/// written for another reason is lost: there is no place left to say so.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    leave_if_unread(&writeln!(io::stderr().lock(), "{text}"));
}

fn leave_if_unread(written: &io::Result<()>) {
    if written
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
    {
        std::process::exit(READER_GONE);
    }
}
