//! Stages that several threads work on, some of which begin only when others are finished.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The stages that no thread has begun yet.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: Vec<usize>,
    running: usize,
}

/// A stage that somebody works on. Dropped as a failure, it lets nobody begin another one.
pub(crate) struct Begun<'q> {
    queue: &'q Queue,
    pub(crate) number: usize,
    succeeded: bool,
}

impl Queue {
    /// With the numbers of the stages, the first of which are begun first.
    pub(crate) fn new(waiting: Vec<usize>) -> Self {
        Queue {
            state: Mutex::new(State {
                waiting,
                running: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// The first stage that can begin. Waits while there is none, but a running one may change
    /// that; none where there is nothing left to do.
    pub(crate) fn next(&self, can_begin: impl Fn(usize) -> bool) -> Option<Begun<'_>> {
        let mut state = self.state();
        loop {
            if let Some(first) = state.waiting.iter().position(|&i| can_begin(i)) {
                state.running += 1;
                return Some(Begun {
                    queue: self,
                    number: state.waiting.remove(first),
                    succeeded: false,
                });
            }
            if state.waiting.is_empty() || state.running == 0 {
                return None;
            }
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun<'_> {
    /// Its result is there for those that wait for it.
    pub(crate) fn succeed(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.running -= 1;
        if !self.succeeded {
            state.waiting.clear();
        }
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn whoever_finds_nothing_to_begin_waits_for_those_who_run() {
        let queue = Queue::new(vec![0, 1, 2]);
        let (finished, together) = (AtomicBool::new(false), AtomicUsize::new(0));
        let work = || {
            while let Some(stage) = queue.next(|i| i == 0 || finished.load(Ordering::SeqCst)) {
                if stage.number == 0 {
                    std::thread::sleep(Duration::from_millis(50));
                    finished.store(true, Ordering::SeqCst);
                } else {
                    // Both of the others, at the same time.
                    together.fetch_add(1, Ordering::SeqCst);
                    let began = Instant::now();
                    while together.load(Ordering::SeqCst) < 2 {
                        assert!(began.elapsed() < Duration::from_secs(20), "alone");
                        std::thread::yield_now();
                    }
                }
                stage.succeed();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
        assert_eq!(together.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn after_a_failure_nobody_begins_another() {
        let queue = Queue::new(vec![0, 1, 2]);
        let first = queue.next(|_| true).unwrap();
        let second = queue.next(|_| true).unwrap();
        drop(second);
        assert!(queue.next(|_| true).is_none());
        first.succeed();
        assert!(queue.next(|_| true).is_none());
    }

    #[test]
    fn what_can_never_begin_is_not_waited_for() {
        assert!(Queue::new(vec![3]).next(|_| false).is_none());
    }
}
