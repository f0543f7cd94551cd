//! The least that a row must do, whoever does it.

use compress_core::isa::Isa;

use super::ceilings::{Arithmetic, Ceilings};

/// Bytes that must be moved, and operations that must be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor {
    /// Bytes read, from the cache that holds the working set.
    read: f64,
    /// Bytes read and written.
    moved: f64,
    /// Bytes that the row touches again and again.
    working_set: usize,
    arithmetic: Arithmetic,
    operations: f64,
    /// Seconds of a part that no ceiling tells, timed by itself.
    part: f64,
}

impl Floor {
    /// Reads `bytes`, which are all that the row touches.
    pub(crate) fn reading(bytes: usize) -> Self {
        Floor {
            read: bytes as f64,
            working_set: bytes,
            ..Floor::default()
        }
    }

    /// Takes at least so many seconds, which a part of it took by itself.
    pub(crate) fn part(seconds: f64) -> Self {
        Floor {
            part: seconds,
            ..Floor::default()
        }
    }

    /// And reads and writes so many bytes; what is changed in place is both.
    pub(crate) fn moving(mut self, read: usize, written: usize) -> Self {
        self.moved += (read + written) as f64;
        self.working_set = self.working_set.max(read).max(written);
        self
    }

    /// And does so many operations; a multiplication and an addition are two.
    pub(crate) fn computing(mut self, arithmetic: Arithmetic, operations: f64) -> Self {
        self.arithmetic = arithmetic;
        self.operations = operations;
        self
    }

    /// How many operations; 0 where they do not count.
    pub(crate) fn operations(&self) -> f64 {
        self.operations
    }

    /// What kind they are of.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Seconds at the ceilings, of bytes or of operations, or those of a part, whichever are most. None where
    /// the peak is unknown at `isa`.
    pub(crate) fn seconds(&self, ceilings: &Ceilings, isa: Isa) -> Option<f64> {
        let reading = self.read / ceilings.read(self.working_set);
        let moving = reading + self.moved / ceilings.moving(self.working_set);
        let moving = moving.max(self.part);
        if self.operations == 0.0 {
            return Some(moving);
        }
        let peak = ceilings.peak(self.arithmetic, isa)?;
        Some(moving.max(self.operations / peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_bytes_and_operations_decides() {
        let ceilings = Ceilings::of_test();
        let seconds = |floor: Floor, isa| floor.seconds(&ceilings, isa);
        assert_eq!(seconds(Floor::reading(500), Isa::Scalar), Some(5e-9));
        assert_eq!(seconds(Floor::reading(5000), Isa::Scalar), Some(1e-7));
        let moved = Floor::reading(500).moving(60, 20);
        assert_eq!(seconds(moved, Isa::Scalar), Some(5e-9 + 2e-9));
        let many = Floor::reading(500).computing(Arithmetic::F32, 1e6);
        assert_eq!(seconds(many, Isa::Avx2), Some(1e-5));
        assert_eq!(seconds(many, Isa::Avx512), Some(5e-6));
        assert_eq!(seconds(many, Isa::Scalar), None);
        assert_eq!(seconds(Floor::part(2.0), Isa::Scalar), Some(2.0));
        let few = Floor::reading(500).computing(Arithmetic::F32, 1.0);
        assert_eq!(seconds(few, Isa::Avx2), Some(5e-9));
    }
}
