//! Medians over enough repetitions.

use std::time::{Duration, Instant};

/// When a measurement has gone on long enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// At least so many samples.
    pub(crate) repetitions: usize,
    /// And at least so long in all.
    pub(crate) enough: Duration,
    /// But no further sample once this long has passed.
    pub(crate) too_long: Duration,
}

impl Patience {
    /// At least 5 samples and 0.3 s; fewer samples only where those take more than 10 s.
    pub(crate) fn full() -> Self {
        Patience {
            repetitions: 5,
            enough: Duration::from_millis(300),
            too_long: Duration::from_secs(10),
        }
    }

    /// One sample or two.
    pub(crate) fn quick() -> Self {
        Patience {
            repetitions: 1,
            enough: Duration::from_millis(5),
            too_long: Duration::ZERO,
        }
    }

    /// Whether `samples` that took `elapsed` in all are enough.
    pub(crate) fn is_over(&self, samples: usize, elapsed: Duration) -> bool {
        samples > 0
            && (elapsed >= self.too_long.max(self.enough)
                || (samples >= self.repetitions && elapsed >= self.enough))
    }
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Time {
    /// Of one call: the median.
    pub(crate) seconds: f64,
    /// How many calls were timed.
    pub(crate) repetitions: usize,
}

impl Time {
    /// Of calls that took so many seconds each.
    pub(crate) fn of(samples: Vec<f64>) -> Self {
        Time {
            repetitions: samples.len(),
            seconds: median(samples),
        }
    }
}

/// Times `run`, each call by itself; `prepare` makes its input before each call and is not timed.
/// The first call only warms up. Reading the clock adds some 25 ns to a call.
pub(crate) fn time<T, E>(
    patience: Patience,
    mut prepare: impl FnMut() -> T,
    mut run: impl FnMut(&mut T) -> Result<(), E>,
) -> Result<Time, E> {
    let mut once = || {
        let mut input = prepare();
        let begin = Instant::now();
        run(&mut input)?;
        Ok(begin.elapsed())
    };
    once()?;
    let (mut samples, mut elapsed) = (Vec::new(), Duration::ZERO);
    while !patience.is_over(samples.len(), elapsed) {
        let sample = once()?;
        elapsed += sample;
        samples.push(sample.as_secs_f64());
    }
    Ok(Time::of(samples))
}

/// Of 0 samples, 0.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => 0.0,
        n if n % 2 == 1 => samples[middle],
        _ => (samples[middle - 1] + samples[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
    }

    #[test]
    fn patience_ends_with_enough_of_both_or_when_it_takes_too_long() {
        let patience = Patience::full();
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(20));
        assert!(!patience.is_over(0, long));
        assert!(!patience.is_over(1000, short));
        assert!(!patience.is_over(4, Duration::from_secs(1)));
        assert!(patience.is_over(5, Duration::from_secs(1)));
        assert!(patience.is_over(1, long));
        assert!(!Patience::quick().is_over(0, short));
        assert!(Patience::quick().is_over(1, Duration::from_millis(5)));
    }

    #[test]
    fn what_is_prepared_is_not_timed() {
        // So long that no busy machine lets a call of 6 ms take as much.
        let slow = || std::thread::sleep(Duration::from_millis(500));
        let mut calls = 0;
        let found = time(Patience::quick(), slow, |()| {
            calls += 1;
            std::thread::sleep(Duration::from_millis(6));
            Ok::<_, ()>(())
        });
        let found = found.unwrap();
        assert_eq!(found.repetitions + 1, calls, "the first is not counted");
        assert!(found.seconds < 0.4, "{found:?}");
        assert_eq!(time(Patience::quick(), || (), |()| Err(7)), Err(7));
    }
}
