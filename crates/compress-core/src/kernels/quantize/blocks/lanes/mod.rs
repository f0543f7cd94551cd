//! Sixteen numbers at once, one for each group of a search, with each level's vectors.
//!
//! The compiler does not find the vectors in loops over 16 lanes: it unrolls them first, and what
//! it makes of that is several times slower. So the operations are spelt out. Each is exact, or
//! rounded once, and does the same in a lane at every level.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

/// Numbers at once.
pub(super) const LANES: usize = 16;

/// One number a group.
pub(super) trait Lanes: Copy {
    fn load(x: &[f32; LANES]) -> Self;
    fn store(self, x: &mut [f32; LANES]);
    fn all(x: f32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    /// `self · factor + term`, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    fn sqrt(self) -> Self;
    /// `self` where it is more than `other`, else, and where either is NaN, `other`.
    fn at_least(self, other: Self) -> Self;
    /// `self` where it is less than `other`, else, and where either is NaN, `other`.
    fn at_most(self, other: Self) -> Self;
    /// `yes` where `self` is positive, else `no`.
    fn if_positive(self, yes: Self, no: Self) -> Self;

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut x = [0.0; LANES];
        self.store(&mut x);
        x
    }
}

/// The specification.
impl Lanes for [f32; LANES] {
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        *x
    }
    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        *x = self;
    }
    #[inline(always)]
    fn all(x: f32) -> Self {
        [x; LANES]
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] - other[i])
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] * other[i])
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] / other[i])
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        std::array::from_fn(|i| self[i].mul_add(factor[i], term[i]))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        std::array::from_fn(|i| {
            if self[i] > other[i] {
                self[i]
            } else {
                other[i]
            }
        })
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        std::array::from_fn(|i| {
            if self[i] < other[i] {
                self[i]
            } else {
                other[i]
            }
        })
    }
    #[inline(always)]
    fn if_positive(self, yes: Self, no: Self) -> Self {
        std::array::from_fn(|i| if self[i] > 0.0 { yes[i] } else { no[i] })
    }
}
