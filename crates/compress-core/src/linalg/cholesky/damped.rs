//! Factorization of a matrix that may be singular, with something added to its diagonal.

use ndarray::ArrayView2;

use super::factor::factor;
use super::lower::{Cholesky, check, read};
use super::pivot::Pivot;
use super::rows::Rows;
use crate::isa::Isa;
use crate::{Error, Result};

/// What is added to each diagonal element: λ times the mean of the diagonal. λ begins at `start`
/// and grows as long as the matrix is not positive definite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damping {
    /// The first λ, 0 or more. After 0 comes [`Damping::AFTER_ZERO`].
    pub start: f64,
    /// By how much λ is multiplied after each failure; at least 1.5.
    pub growth: f64,
    /// The largest λ, at least `start`; it is tried last.
    pub limit: f64,
}

impl Damping {
    /// What comes after a λ of 0.
    pub const AFTER_ZERO: f64 = 1e-8;

    /// None: the matrix as it is, or an error.
    pub const NONE: Damping = Damping {
        start: 0.0,
        growth: 10.0,
        limit: 0.0,
    };

    fn check(&self) -> Result<()> {
        let Damping {
            start,
            growth,
            limit,
        } = *self;
        if !(start >= 0.0 && start.is_finite()) {
            return Err(Error::invalid(
                "start of the damping",
                start,
                "finite and at least 0",
            ));
        }
        if !(growth >= 1.5 && growth.is_finite()) {
            return Err(Error::invalid(
                "growth of the damping",
                growth,
                "finite and at least 1.5",
            ));
        }
        if !(limit >= start && limit.is_finite()) {
            let expected = format!("finite and at least the start, {start}");
            return Err(Error::invalid("limit of the damping", limit, expected));
        }
        Ok(())
    }

    /// What is tried after `last`.
    fn next(&self, last: f64) -> Option<f64> {
        let next = if last == 0.0 {
            Self::AFTER_ZERO
        } else {
            last * self.growth
        };
        (last < self.limit).then_some(next.min(self.limit))
    }
}

/// What GPTQ uses, 0.01 of the mean diagonal, then ten times as much, up to the mean itself.
impl Default for Damping {
    fn default() -> Self {
        Damping {
            start: 0.01,
            growth: 10.0,
            limit: 1.0,
        }
    }
}

impl Cholesky {
    /// As [`Cholesky::factor`], of `a` with λ times the mean of its diagonal added to the diagonal;
    /// λ is the first of `damping` with which that is positive definite. Returns it too.
    ///
    /// A dead column (zero throughout) then has the damping as its pivot: it changes nothing
    /// about the others, and its solution is 0 where the right-hand side is.
    ///
    /// # Errors
    /// As [`Cholesky::factor`], and where `damping` makes no sense. Where no λ serves,
    /// [`Error::NotPositiveDefinite`] lists those tried.
    pub fn factor_damped(
        what: &str,
        a: ArrayView2<'_, f64>,
        damping: &Damping,
    ) -> Result<(Self, f64)> {
        Self::factor_damped_at(Isa::active()?, what, a, damping)
    }

    /// As [`Cholesky::factor_damped`], at a given level.
    ///
    /// # Errors
    /// As [`Cholesky::factor_damped`], and where the machine lacks the level.
    pub fn factor_damped_at(
        isa: Isa,
        what: &str,
        a: ArrayView2<'_, f64>,
        damping: &Damping,
    ) -> Result<(Self, f64)> {
        check(isa, what, &a)?;
        let attempt = escalate(isa, what, a, damping)?;
        attempt.map_err(|(pivot, tried)| pivot.error(what, tried))
    }
}

/// The last pivot that failed, and what was tried.
pub(super) type Failure = (Pivot, Vec<f64>);

/// As [`Cholesky::factor_damped_at`] for a square matrix, with what failed apart from what makes no
/// sense.
pub(super) fn escalate(
    isa: Isa,
    what: &str,
    a: ArrayView2<'_, f64>,
    damping: &Damping,
) -> Result<Result<(Cholesky, f64), Failure>> {
    damping.check()?;
    let mut tried = Vec::new();
    let mut share = damping.start;
    loop {
        let mut rows = read(what, a)?;
        tried.push(share);
        let mean = mean_of_diagonal(&rows);
        if share > 0.0 {
            let stride = rows.stride();
            for (i, row) in rows.data_mut().chunks_exact_mut(stride).enumerate() {
                row[i] += share * mean;
            }
        }
        let pivot = match factor(isa, rows) {
            Ok(cholesky) => return Ok(Ok((cholesky, share))),
            Err(pivot) => pivot,
        };
        match damping.next(share) {
            // More of nothing is nothing.
            Some(next) if mean > 0.0 => share = next,
            _ => return Ok(Err((pivot, tried))),
        }
    }
}

/// Added in order; 0 for no rows. A sum that overflows is added again in parts of the mean.
fn mean_of_diagonal(rows: &Rows) -> f64 {
    let n = rows.count().max(1) as f64;
    let diagonal = || (0..rows.count()).map(|i| rows.row(i)[i]);
    let sum = diagonal().fold(0.0, |sum, d| sum + d);
    if sum.is_finite() {
        return sum / n;
    }
    diagonal().fold(0.0, |mean, d| mean + d / n)
}
