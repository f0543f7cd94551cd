//! What is shown: the result on standard output, progress on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

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
    /// Results in JSON that are printed together, while there are to be several.
    together: Mutex<Option<Vec<Value>>>,
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
            together: Mutex::default(),
        }
    }

    /// Prints a result: as JSON where that was asked for, else the text.
    pub(crate) fn result(&self, result: &impl Serialize, text: &str) -> Done {
        self.clear();
        if !self.json {
            return print(text.trim_end());
        }
        let value = serde_json::to_value(result).map_err(failed)?;
        if let Ok(mut together) = self.together.lock()
            && let Some(together) = together.as_mut()
        {
            together.push(value);
            return Ok(());
        }
        print(&serde_json::to_string_pretty(&value).map_err(failed)?)
    }

    /// Keeps results in JSON from now on, so that they are one list.
    pub(crate) fn collect(&self) {
        if let Ok(mut together) = self.together.lock() {
            *together = Some(Vec::new());
        }
    }

    /// Prints what was kept.
    pub(crate) fn collected(&self) -> Done {
        let kept = self
            .together
            .lock()
            .ok()
            .and_then(|mut together| together.take());
        match kept {
            Some(kept) if self.json => print(&serde_json::to_string_pretty(&kept).map_err(failed)?),
            _ => Ok(()),
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

fn print(text: &str) -> Done {
    match writeln!(std::io::stdout(), "{text}") {
        // Whoever reads no more, as `head`, has what they want.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(failed),
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Output(compress_core::Error::other(error))
}
