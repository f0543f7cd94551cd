//! What is shown: the result on standard output, progress on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::{Done, Failure};

/// Nothing is shown of work that is shorter.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two lines where there is no terminal.
const SILENCE: Duration = Duration::from_secs(5);

/// Where results and progress go.
pub(crate) struct Console {
    json: bool,
    terminal: bool,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    began: Option<Instant>,
    last: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Console {
    pub(crate) fn new(json: bool) -> Self {
        Console {
            json,
            terminal: std::io::stderr().is_terminal(),
            work: Mutex::default(),
        }
    }

    /// Prints a result: as JSON where that was asked for, else the text.
    pub(crate) fn result(&self, result: &impl Serialize, text: &str) -> Done {
        self.clear();
        let json = serde_json::to_string_pretty(result);
        let shown = match self.json {
            true => json.map_err(|e| Failure::Output(compress_core::Error::other(e)))?,
            false => text.trim_end().to_owned(),
        };
        match writeln!(std::io::stdout(), "{shown}") {
            // Whoever reads no more, as `head`, has what they want.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| Failure::Output(compress_core::Error::other(e))),
        }
    }

    /// Says how far `what` is: `done` of `total`.
    pub(crate) fn progress(&self, what: &str, detail: &str, done: u64, total: u64) {
        let Ok(mut work) = self.work.lock() else {
            return;
        };
        let now = Instant::now();
        let began = *work.began.get_or_insert(now);
        if now - began < PATIENCE {
            return;
        }
        if self.terminal {
            let bar = work.bar.get_or_insert_with(|| {
                let style = "{prefix} [{bar:30}] {percent:>3} % {msg}";
                let style = ProgressStyle::with_template(style);
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new(total).with_style(style.progress_chars("=> "))
            });
            bar.set_prefix(what.to_owned());
            bar.set_length(total);
            bar.set_message(detail.to_owned());
            bar.set_position(done);
        } else if work.last.is_none_or(|last| now - last >= SILENCE) {
            work.last = Some(now);
            let percent = 100 * done / total.max(1);
            eprintln!("{what}: {percent} %, {detail}");
        }
    }

    /// Takes the progress off the terminal. What comes next begins anew.
    pub(crate) fn clear(&self) {
        if let Ok(mut work) = self.work.lock() {
            if let Some(bar) = work.bar.take() {
                bar.finish_and_clear();
            }
            *work = Work::default();
        }
    }

    /// A line beside the results.
    pub(crate) fn note(&self, text: &str) {
        self.clear();
        eprintln!("{text}");
    }
}
