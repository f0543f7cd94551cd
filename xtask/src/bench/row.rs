//! What a row is, and what its function is given.

use super::BenchError;
use super::floor::Floor;
use super::timing::{Patience, Time, time};

/// What a row's value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// 10⁹ operations a second, of the kind that the row's floor counts.
    Rate,
    /// Of one call.
    Microseconds,
    /// Of one call.
    Milliseconds,
    /// Of one call.
    Seconds,
}

impl Unit {
    /// As printed.
    pub(crate) fn name(self, floor: &Floor) -> &'static str {
        match self {
            Unit::Rate => floor.arithmetic().unit(),
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
        }
    }

    /// The value of `seconds` for `operations`.
    pub(crate) fn of(self, seconds: f64, operations: f64) -> f64 {
        match self {
            Unit::Rate => operations / seconds / 1e9,
            Unit::Microseconds => seconds * 1e6,
            Unit::Milliseconds => seconds * 1e3,
            Unit::Seconds => seconds,
        }
    }
}

/// What a row's function is given; it runs inside of the pool that the row asks for.
pub(crate) struct Bench {
    patience: Patience,
}

/// What a row's function found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Seconds of one call, the median.
    pub(crate) seconds: f64,
    /// How many calls that is the median of.
    pub(crate) repetitions: usize,
    /// The least that a call must do.
    pub(crate) floor: Floor,
}

/// What a row's function returns.
pub(crate) type Outcome = Result<Measured, BenchError>;

impl Bench {
    pub(crate) fn new(patience: Patience) -> Self {
        Bench { patience }
    }

    /// Times `run`.
    pub(crate) fn time<E: Into<BenchError>>(
        &self,
        floor: Floor,
        mut run: impl FnMut() -> Result<(), E>,
    ) -> Outcome {
        self.time_on(floor, || (), |()| run())
    }

    /// Times `run` on what `prepare` makes before each call; preparing is not timed.
    pub(crate) fn time_on<T, E: Into<BenchError>>(
        &self,
        floor: Floor,
        prepare: impl FnMut() -> T,
        run: impl FnMut(&mut T) -> Result<(), E>,
    ) -> Outcome {
        let time = time(self.patience, prepare, run).map_err(Into::into)?;
        Ok(Measured::new(time, floor))
    }
}

impl Measured {
    pub(crate) fn new(time: Time, floor: Floor) -> Self {
        Measured {
            seconds: time.seconds,
            repetitions: time.repetitions,
            floor,
        }
    }
}

/// A line of the table: its name, and how to measure it.
pub(crate) struct Row {
    name: String,
    unit: Unit,
    measure: Box<dyn Fn(&Bench) -> Outcome + Sync>,
}

impl Row {
    /// A name that ends in `/t1`, `/t2`… says on how many threads to run; any other row runs on
    /// as many as the call asks for.
    pub(crate) fn new(
        name: impl Into<String>,
        unit: Unit,
        measure: impl Fn(&Bench) -> Outcome + Sync + 'static,
    ) -> Self {
        Row {
            name: name.into(),
            unit,
            measure: Box::new(measure),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// How many threads it runs on; `all` unless its name says otherwise.
    pub(crate) fn threads(&self, all: usize) -> usize {
        let (_, last) = self.name.rsplit_once('/').unwrap_or_default();
        let said = last.strip_prefix('t').and_then(|n| n.parse().ok());
        said.filter(|&threads| threads > 0).unwrap_or(all)
    }

    /// Measures it on the current pool.
    pub(crate) fn measure(&self, bench: &Bench) -> Outcome {
        (self.measure)(bench)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_says_the_threads() {
        let threads = |name: &str| {
            let row = Row::new(name, Unit::Seconds, |bench| {
                bench.time(Floor::default(), || Ok::<_, BenchError>(()))
            });
            row.threads(7)
        };
        assert_eq!(threads("gemm_f32/1024x1024x1024/t1"), 1);
        assert_eq!(threads("gemm_f32/1024x1024x1024/t12"), 12);
        for name in ["a/t0", "a/train", "t", "a/t1/b", "a/t", ""] {
            assert_eq!(threads(name), 7, "{name}");
        }
    }

    #[test]
    fn units_scale() {
        assert_eq!(Unit::Rate.of(0.5, 1e9), 2.0);
        assert_eq!(Unit::Microseconds.of(0.5, 0.0), 5e5);
        assert_eq!(Unit::Milliseconds.of(0.5, 0.0), 500.0);
    }
}
