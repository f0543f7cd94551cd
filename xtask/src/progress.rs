//! What a run shows while it works, on standard error. On a terminal: a bar for each thing that is
//! being done. Elsewhere: a line when a stage begins, one when it ends, and at least one every ten
//! seconds in between.

use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::note;

/// The longest silence where there is no terminal: a second less than ten, in which lines are late.
const SILENCE: Duration = Duration::from_secs(9);

/// Shows where a run is.
#[derive(Clone)]
pub(crate) struct Progress {
    /// All bars that stand on the terminal, one below the other; none where there is no terminal.
    bars: Option<MultiProgress>,
    board: Arc<Board>,
}

/// What is being done now.
#[derive(Default)]
struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    works: Vec<Work>,
    begun: usize,
    last_line: Option<Instant>,
}

struct Work {
    number: usize,
    /// The thread that does it: a training within a stage has the stage's.
    thread: ThreadId,
    name: String,
    /// Steps done and steps in all, where they are known.
    steps: Option<(usize, usize)>,
    message: String,
    since: Instant,
}

impl Progress {
    /// Bars where standard error is a terminal, else lines.
    pub(crate) fn new() -> Self {
        Progress::on(std::io::stderr().is_terminal(), SILENCE)
    }

    fn on(terminal: bool, silence: Duration) -> Self {
        let board = Arc::new(Board::default());
        if !terminal {
            let board = Arc::clone(&board);
            // It ends with the program.
            std::thread::spawn(move || board.break_silences(silence));
        }
        Progress {
            bars: terminal.then(MultiProgress::new),
            board,
        }
    }

    /// Does a stage's `work` and says when it begins and when it is done.
    pub(crate) fn during<T, E>(
        &self,
        stage: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let shown = self.begin(stage);
        let done = work()?;
        drop(shown);
        self.finished(stage, began.elapsed().as_secs_f64(), false);
        Ok(done)
    }

    /// Says that `stage` begins; it ends with [`Progress::finished`]. What is shown of it meanwhile
    /// goes when the result is dropped.
    pub(crate) fn begin(&self, stage: &str) -> Bar {
        if self.bars.is_none() {
            self.line(format_args!("{stage:<40} begins"));
        }
        self.bar(stage, None)
    }

    /// A bar of `steps`, where it is known how many there are; cleared when it is dropped.
    pub(crate) fn bar(&self, name: &str, steps: Option<usize>) -> Bar {
        let number = self.board.add(name, steps);
        let bar = match &self.bars {
            Some(bars) => {
                let bar = match steps {
                    Some(steps) => bars.add(ProgressBar::new(steps as u64)),
                    None => bars.add(ProgressBar::new_spinner()),
                };
                show(&bar, name, steps);
                bar
            }
            None => ProgressBar::hidden(),
        };
        Bar {
            bar,
            number,
            board: Arc::clone(&self.board),
        }
    }

    /// Says that a stage is done.
    pub(crate) fn finished(&self, stage: &str, seconds: f64, resumed: bool) {
        match resumed {
            true => self.line(format_args!("{stage:<40} taken from the earlier run")),
            false => self.line(format_args!("{stage:<40} {seconds:.1} s")),
        }
    }

    /// Writes a line above the bars.
    pub(crate) fn line(&self, text: std::fmt::Arguments<'_>) {
        let mut state = self.board.state();
        state.last_line = Some(Instant::now());
        match &self.bars {
            Some(bars) => bars.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Writes a line where the bars were, and ends the program.
    pub(crate) fn exit(&self, text: std::fmt::Arguments<'_>, code: i32) -> ! {
        // Held to the end, so that nobody writes a line behind this one.
        let _state = self.board.state();
        let last = || {
            note(text);
            std::process::exit(code)
        };
        match &self.bars {
            Some(bars) => bars.suspend(last),
            None => last(),
        }
    }
}

/// Draws the bar from now on. Only what a [`MultiProgress`] has may be drawn.
fn show(bar: &ProgressBar, name: &str, steps: Option<usize>) {
    let template = match steps {
        Some(_) => "{prefix:40} {bar:28} {percent:>3} %  {eta:>4} left  {msg}",
        None => "{prefix:40} {spinner} {elapsed}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str, steps: Option<usize>) -> usize {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.works.push(Work {
            number,
            thread: std::thread::current().id(),
            name: name.to_owned(),
            steps: steps.map(|steps| (0, steps)),
            message: String::new(),
            since: Instant::now(),
        });
        self.changed.notify_all();
        number
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Work)) {
        let mut state = self.state();
        if let Some(work) = state.works.iter_mut().find(|work| work.number == number) {
            change(work);
        }
    }

    /// Says what is being done whenever nothing was said for so long.
    fn break_silences(&self, silence: Duration) {
        let mut state = self.state();
        loop {
            let since = state.last_line.map_or(silence, |last| last.elapsed());
            let said = state.said();
            state = if since < silence {
                let waited = self.changed.wait_timeout(state, silence - since);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else if said.is_empty() {
                let waited = self.changed.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            } else {
                state.last_line = Some(Instant::now());
                // Under the lock: no line of a stage that is over may follow the one of its end.
                note(format_args!("{said}"));
                state
            };
        }
    }
}

impl State {
    /// What is being done, in a line. A stage is left out where a part of it, done by the same
    /// thread, counts steps.
    fn said(&self) -> String {
        let counts = |stage: &Work| {
            let mut parts = self.works.iter().filter(|work| work.thread == stage.thread);
            parts.any(|work| work.steps.is_some())
        };
        let works = self.works.iter();
        let shown = works.filter(|work| work.steps.is_some() || !counts(work));
        let said: Vec<String> = shown.map(Work::said).collect();
        said.join("; ")
    }
}

impl Work {
    fn said(&self) -> String {
        let how_far = match self.steps {
            Some((done, of)) => format!("{} %", (100 * done).checked_div(of).unwrap_or(0)),
            None => format!("{:.0} s so far", self.since.elapsed().as_secs_f64()),
        };
        match self.message.as_str() {
            "" => format!("{:<40} {how_far}", self.name),
            message => format!("{:<40} {how_far}, {message}", self.name),
        }
    }
}

/// What is shown of one thing that is being done.
pub(crate) struct Bar {
    bar: ProgressBar,
    number: usize,
    board: Arc<Board>,
}

impl Bar {
    /// Moves to `step` of `total` of a training.
    pub(crate) fn at(&self, step: usize, total: usize, loss: f32) {
        self.reach(step, total);
        if step.is_multiple_of(50) {
            self.say(&format!("loss {loss:.4}"));
        }
    }

    /// Moves to this step of so many.
    pub(crate) fn reach(&self, step: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(step as u64);
        let steps = Some((step, total));
        self.board.change(self.number, |work| work.steps = steps);
    }

    /// Says what is being done.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.board
            .change(self.number, |work| work.message = what.to_owned());
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        self.board.change(self.number, |work| {
            if let Some((done, _)) = &mut work.steps {
                *done += 1;
            }
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let number = self.number;
        self.board
            .state()
            .works
            .retain(|work| work.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_works_are_said_with_how_far_they_are() {
        let progress = Progress::on(false, Duration::from_secs(600));
        let said = || progress.board.state().said();
        assert_eq!(said(), "");
        let stage = progress.bar("teacher", None);
        assert!(said().starts_with("teacher") && said().ends_with("0 s so far"));
        let training = progress.bar("first part", Some(10));
        training.at(0, 8, 0.5);
        training.reach(2, 8);
        let words: Vec<String> = said().split_whitespace().map(Into::into).collect();
        assert_eq!(words.join(" "), "first part 25 %, loss 0.5000");
        let other = progress.bar("other", Some(4));
        other.step();
        assert!(said().contains("; other") && said().ends_with("25 %"));
        drop((training, other));
        // A training on another thread is of another stage.
        let elsewhere = progress.clone();
        let training = std::thread::spawn(move || elsewhere.bar("elsewhere", Some(2)));
        let training = training.join().unwrap();
        assert!(said().starts_with("teacher") && said().contains("; elsewhere"));
        drop(training);
        assert!(said().starts_with("teacher"), "{}", said());
        drop(stage);
        assert_eq!(said(), "");
    }

    #[test]
    fn silences_are_broken_while_something_is_done() {
        let progress = Progress::on(false, Duration::from_millis(20));
        let last = || progress.board.state().last_line;
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(last(), None, "there was nothing to say");
        let _work = progress.bar("work", None);
        let began = Instant::now();
        let mut lines = 0;
        let mut before = None;
        while lines < 3 {
            assert!(began.elapsed() < Duration::from_secs(20), "silent");
            std::thread::sleep(Duration::from_millis(5));
            if last() != before {
                before = last();
                lines += 1;
            }
        }
        assert!(began.elapsed() >= Duration::from_millis(40), "too often");
    }
}
