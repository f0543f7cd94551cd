//! What a run shows while it works: a bar for the present stage on a terminal, a line for each
//! finished stage everywhere. All of it goes to standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows where a run is.
pub(crate) struct Progress {
    /// All bars that stand on the terminal, one below the other; none where there is no terminal.
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Bars where standard error is a terminal.
    pub(crate) fn new() -> Self {
        Progress {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }

    /// A bar of `steps` for `stage`; cleared when it is dropped.
    pub(crate) fn bar(&self, stage: &str, steps: usize) -> Bar {
        let Some(bars) = &self.bars else {
            return Bar {
                bar: ProgressBar::hidden(),
            };
        };
        let bar = bars.add(ProgressBar::new(steps as u64));
        let style = ProgressStyle::with_template(
            "{prefix:36} {bar:32} {percent:>3} %  {eta:>4} left  {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar }
    }

    /// Says that a stage is done.
    pub(crate) fn finished(&self, stage: &str, seconds: f64, resumed: bool) {
        let how = if resumed {
            "taken from the earlier run".into()
        } else {
            format!("{seconds:.1} s")
        };
        let say = || eprintln!("{stage:<36} {how}");
        match &self.bars {
            Some(bars) => bars.suspend(say),
            None => say(),
        }
    }
}

/// The bar of one stage.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Moves to `step` of `total`.
    pub(crate) fn at(&self, step: usize, total: usize, loss: f32) {
        self.reach(step, total);
        if step.is_multiple_of(50) {
            self.bar.set_message(format!("loss {loss:.4}"));
        }
    }
}

impl Bar {
    /// Moves to this step of so many.
    pub(crate) fn reach(&self, step: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(step as u64);
    }

    /// Says what is being done.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Runs `print`, whose lines stay above the bar.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
