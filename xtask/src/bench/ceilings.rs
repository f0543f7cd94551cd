//! Times the work of [`compress_core::ceilings`]: the best of several repetitions, since a
//! ceiling is what the machine can do when nobody disturbs it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use compress_core::ceilings as work;
use compress_core::isa::Isa;
use rayon::ThreadPool;

use super::BenchError;
use super::timing::Patience;

/// What an operation works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// Fused multiply-adds of f32.
    #[default]
    F32,
    /// Fused multiply-adds of f64.
    F64,
    /// Multiply-adds of int8 into i32.
    Int8,
}

impl Arithmetic {
    /// 10⁹ of its operations a second.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Arithmetic::F32 | Arithmetic::F64 => "GFLOP/s",
            Arithmetic::Int8 => "GOP/s",
        }
    }
}

/// A way to multiply and add, and what needs it.
struct Way {
    name: &'static str,
    arithmetic: Arithmetic,
    isa: Isa,
    work: fn(u32) -> Option<u64>,
}

const WAYS: [Way; 7] = [
    Way {
        name: "fma_f32/avx2",
        arithmetic: Arithmetic::F32,
        isa: Isa::Avx2,
        work: |rounds| work::fma_f32(Isa::Avx2, rounds),
    },
    Way {
        name: "fma_f32/avx512",
        arithmetic: Arithmetic::F32,
        isa: Isa::Avx512,
        work: |rounds| work::fma_f32(Isa::Avx512, rounds),
    },
    Way {
        name: "fma_f64/avx2",
        arithmetic: Arithmetic::F64,
        isa: Isa::Avx2,
        work: |rounds| work::fma_f64(Isa::Avx2, rounds),
    },
    Way {
        name: "fma_f64/avx512",
        arithmetic: Arithmetic::F64,
        isa: Isa::Avx512,
        work: |rounds| work::fma_f64(Isa::Avx512, rounds),
    },
    Way {
        name: "widening_i8/avx2",
        arithmetic: Arithmetic::Int8,
        isa: Isa::Avx2,
        work: work::widening_i8,
    },
    Way {
        name: "vnni_i8/avx512",
        arithmetic: Arithmetic::Int8,
        isa: Isa::Avx512,
        work: work::vnni_i8,
    },
    Way {
        name: "amx_i8/amx",
        arithmetic: Arithmetic::Int8,
        isa: Isa::Amx,
        work: work::amx_i8,
    },
];

/// Working sets whose reading is timed, in bytes; of all threads together.
const WORKING_SETS: [usize; 6] = [32 << 10, 512 << 10, 4 << 20, 9 << 20, 64 << 20, 256 << 20];

/// Bytes that a copy reads and writes together: from memory, whatever the caches.
const COPIED: usize = 256 << 20;

/// Bytes that are changed in place, of all threads together: the weights of a layer, and more
/// than any cache holds.
const UPDATED: [usize; 2] = [64 << 20, 256 << 20];

/// What the machine can do on some threads.
#[derive(Clone, Debug)]
pub(crate) struct Ceilings {
    /// On how many, each with its own part of the work.
    pub(crate) threads: usize,
    /// Operations per second, for each way that the machine has.
    peaks: Vec<(&'static str, Arithmetic, Isa, f64)>,
    /// Bytes read and written per second by a copy from memory to memory.
    copy: f64,
    /// Bytes changed in place, ascending, and how many are read and written per second.
    update: Vec<(usize, f64)>,
    /// Bytes of a working set, ascending, and how many are read per second.
    read: Vec<(usize, f64)>,
}

impl Ceilings {
    /// Measures all of them on `threads` threads.
    pub(crate) fn measure(threads: usize, patience: &Patience) -> Result<Self, BenchError> {
        let pool = pool(threads)?;
        let peaks = WAYS.iter().filter_map(|way| {
            let peak = peak(&pool, patience, way.work)?;
            Some((way.name, way.arithmetic, way.isa, peak))
        });
        let peaks = peaks.collect();
        let mut read = Vec::new();
        for bytes in WORKING_SETS {
            read.push((bytes, read_bandwidth(&pool, patience, bytes)?));
        }
        let mut update = Vec::new();
        for bytes in UPDATED {
            update.push((bytes, update_bandwidth(&pool, patience, bytes)?));
        }
        Ok(Ceilings {
            threads,
            peaks,
            update,
            copy: copy_bandwidth(&pool, patience)?,
            read,
        })
    }

    /// Operations per second at `isa`, in the best way that it has; none where that is unknown.
    pub(crate) fn peak(&self, arithmetic: Arithmetic, isa: Isa) -> Option<f64> {
        let ways = self.peaks.iter();
        ways.filter(|way| way.1 == arithmetic && way.2 <= isa)
            .map(|way| way.3)
            .reduce(f64::max)
    }

    /// Bytes read and written per second where a working set of so many is changed in place or
    /// copied, whichever is faster.
    pub(crate) fn moving(&self, working_set: usize) -> f64 {
        self.copy.max(nearest(&self.update, working_set))
    }

    /// Bytes read per second from a working set of so many.
    pub(crate) fn read(&self, working_set: usize) -> f64 {
        nearest(&self.read, working_set)
    }

    /// Name, value and unit of each.
    pub(crate) fn list(&self) -> Vec<(String, f64, &'static str)> {
        let peaks = self.peaks.iter();
        let mut list: Vec<_> = peaks
            .map(|(name, arithmetic, _, peak)| ((*name).to_owned(), peak / 1e9, arithmetic.unit()))
            .collect();
        let sets = |kind, sets: &[(usize, f64)]| {
            let entry = |&(bytes, rate)| (format!("{kind}/{}", size(bytes)), rate / 1e9, "GB/s");
            sets.iter().map(entry).collect::<Vec<_>>()
        };
        list.extend(sets("copy", &[(COPIED, self.copy)]));
        list.extend(sets("update", &self.update));
        list.extend(sets("read", &self.read));
        list
    }

    /// As [`Ceilings::list`], for JSON.
    pub(crate) fn json(&self) -> BTreeMap<String, serde_json::Value> {
        let entry = |(name, value, unit)| (name, serde_json::json!({"value": value, "unit": unit}));
        self.list().into_iter().map(entry).collect()
    }
}

/// What was measured on the working set that is nearest in proportion.
fn nearest(sets: &[(usize, f64)], working_set: usize) -> f64 {
    let distance = |bytes: usize| {
        let (a, b) = (bytes.max(1) as f64, working_set.max(1) as f64);
        (a / b).max(b / a)
    };
    let nearest = sets
        .iter()
        .min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
    nearest.map_or(f64::INFINITY, |set| set.1)
}

/// `32KB`, `4MB`.
fn size(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{}KB", bytes >> 10),
        megabytes => format!("{megabytes}MB"),
    }
}

/// A pool of so many threads.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool, BenchError> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let built = builder.build();
    built.map_err(|source| BenchError::Pool { threads, source })
}

/// A repetition takes some of these, so that waking the threads does not count.
const REPETITION: Duration = Duration::from_millis(5);

/// How often `once` is timed.
fn repetitions(patience: &Patience) -> usize {
    3 * patience.repetitions
}

/// Amount per second of `work`, given how many rounds of it to do: the best of several times.
/// None where it does nothing.
fn best_rate(patience: &Patience, mut work: impl FnMut(u32) -> Option<f64>) -> Option<f64> {
    let mut timed = |rounds| {
        let begin = Instant::now();
        let amount = work(rounds)?;
        Some((amount, begin.elapsed()))
    };
    let mut rounds = 1;
    while timed(rounds)?.1 < REPETITION && rounds < 1 << 30 {
        rounds *= 2;
    }
    let mut best: f64 = 0.0;
    for _ in 0..repetitions(patience) {
        let (amount, time) = timed(rounds)?;
        best = best.max(amount / time.as_secs_f64());
    }
    Some(best)
}

fn peak(pool: &ThreadPool, patience: &Patience, work: fn(u32) -> Option<u64>) -> Option<f64> {
    best_rate(patience, |rounds| {
        let done = pool.broadcast(|_| work(rounds));
        let total: Option<u64> = done.into_iter().sum();
        total.map(|operations| operations as f64)
    })
}

/// Each thread reads its own part of `bytes`, over and over.
fn read_bandwidth(pool: &ThreadPool, patience: &Patience, bytes: usize) -> Result<f64, BenchError> {
    let make = |words| vec![1u64; words];
    bandwidth(pool, patience, bytes, make, |part| {
        std::hint::black_box(work::read(part)?);
        Ok(())
    })
}

/// Each thread changes its own part of `bytes`, over and over.
fn update_bandwidth(
    pool: &ThreadPool,
    patience: &Patience,
    bytes: usize,
) -> Result<f64, BenchError> {
    let make = |words| vec![1u64; words];
    let rate = bandwidth(pool, patience, bytes, make, |part| work::update(part));
    rate.map(|read| 2.0 * read)
}

/// Each thread copies its own part, half of the bytes to the other half.
fn copy_bandwidth(pool: &ThreadPool, patience: &Patience) -> Result<f64, BenchError> {
    let make = |words| (vec![1u64; words / 2], vec![0u64; words / 2]);
    bandwidth(pool, patience, COPIED, make, |(from, to)| {
        work::copy(from, to)
    })
}

/// Bytes per second where each thread goes through its own part of `bytes`, over and over; `make`
/// makes a part of so many words.
fn bandwidth<T: Send>(
    pool: &ThreadPool,
    patience: &Patience,
    bytes: usize,
    make: impl Fn(usize) -> T + Sync,
    pass: impl Fn(&mut T) -> compress_core::Result<()> + Sync,
) -> Result<f64, BenchError> {
    let words = bytes / size_of::<u64>() / pool.current_num_threads();
    // Written by the thread that will read it, so that it is near it. Nobody else locks it.
    let parts = pool.broadcast(|_| Mutex::new(make(words)));
    let total = parts.len() * words * size_of::<u64>();
    let mut failure = None;
    let rate = best_rate(patience, |rounds| {
        let done = pool.broadcast(|thread| {
            let part = parts[thread.index()].lock();
            let mut part = part.unwrap_or_else(PoisonError::into_inner);
            (0..rounds).try_for_each(|_| pass(&mut part))
        });
        failure = done.into_iter().find_map(Result::err);
        let moved = f64::from(rounds) * total as f64;
        failure.is_none().then_some(moved)
    });
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(rate.unwrap_or_default()),
    }
}

#[cfg(test)]
impl Ceilings {
    /// One of round numbers.
    pub(crate) fn of_test() -> Self {
        Ceilings {
            threads: 1,
            peaks: vec![
                ("fma_f32/avx2", Arithmetic::F32, Isa::Avx2, 100e9),
                ("fma_f32/avx512", Arithmetic::F32, Isa::Avx512, 200e9),
                ("vnni_i8/avx512", Arithmetic::Int8, Isa::Avx512, 800e9),
            ],
            copy: 20e9,
            update: vec![(1000, 40e9), (100_000, 10e9)],
            read: vec![(1000, 100e9), (10_000, 50e9)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_best_way_of_the_level() {
        let ceilings = Ceilings::of_test();
        let peak = |arithmetic, isa| ceilings.peak(arithmetic, isa);
        assert_eq!(peak(Arithmetic::F32, Isa::Scalar), None);
        assert_eq!(peak(Arithmetic::F32, Isa::Avx2), Some(100e9));
        assert_eq!(peak(Arithmetic::F32, Isa::Amx), Some(200e9));
        assert_eq!(peak(Arithmetic::Int8, Isa::Avx2), None);
        assert_eq!(peak(Arithmetic::Int8, Isa::Avx512), Some(800e9));
    }

    #[test]
    fn bandwidth_is_that_of_the_nearest_working_set() {
        let ceilings = Ceilings::of_test();
        for (bytes, rate) in [
            (0, 100e9),
            (1000, 100e9),
            (3000, 100e9),
            (3500, 50e9),
            (1 << 30, 50e9),
        ] {
            assert_eq!(ceilings.read(bytes), rate);
        }
    }

    #[test]
    fn bytes_move_at_the_faster_of_copying_and_changing_in_place() {
        let ceilings = Ceilings::of_test();
        assert_eq!(ceilings.moving(500), 40e9);
        assert_eq!(ceilings.moving(1 << 20), 20e9);
    }
}
