//! Sixteen numbers at once: one for each group of a search.

use std::ops::{Add, Mul, Sub};

/// Numbers at once.
pub(super) const LANES: usize = 16;

/// One number a group.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes(pub(super) [f32; LANES]);

impl Lanes {
    #[inline(always)]
    pub(super) fn all(x: f32) -> Self {
        Lanes([x; LANES])
    }

    #[inline(always)]
    fn with(self, other: Lanes, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = [0.0; LANES];
        for (out, (&a, &b)) in out.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *out = f(a, b);
        }
        Lanes(out)
    }

    #[inline(always)]
    pub(super) fn map(self, f: impl Fn(f32) -> f32) -> Self {
        self.with(self, |x, _| f(x))
    }

    /// `self · factor + term`, rounded once.
    #[inline(always)]
    pub(super) fn mul_add(self, factor: Lanes, term: Lanes) -> Self {
        let mut out = term.0;
        for (out, (&a, &b)) in out.iter_mut().zip(self.0.iter().zip(&factor.0)) {
            *out = a.mul_add(b, *out);
        }
        Lanes(out)
    }

    /// `self` unless it is NaN or less.
    #[inline(always)]
    pub(super) fn at_least(self, other: Lanes) -> Self {
        self.with(other, |a, b| if a > b { a } else { b })
    }

    /// `self` unless it is NaN or more.
    #[inline(always)]
    pub(super) fn at_most(self, other: Lanes) -> Self {
        self.with(other, |a, b| if a < b { a } else { b })
    }

    /// `yes` where `self` is positive, else `no`.
    #[inline(always)]
    pub(super) fn if_positive(self, yes: Lanes, no: Lanes) -> Self {
        let mut out = no.0;
        for (out, (&test, &yes)) in out.iter_mut().zip(self.0.iter().zip(&yes.0)) {
            *out = if test > 0.0 { yes } else { *out };
        }
        Lanes(out)
    }

    #[inline(always)]
    pub(super) fn divide(self, by: Lanes) -> Self {
        self.with(by, |a, b| a / b)
    }
}

impl Add for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn add(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn sub(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn mul(self, other: Lanes) -> Lanes {
        self.with(other, |a, b| a * b)
    }
}
