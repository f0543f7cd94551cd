//! Sixteen numbers at once, one for each group of a search, with each level's vectors.
//!
//! The compiler does not find the vectors in loops over 16 lanes: it unrolls them first, and what
//! it makes of that is several times slower. So the operations are spelt out. Each is exact, or
//! rounded once, and does the same in a lane at every level.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use super::bytes::byte;

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
    /// The nearest of 16 levels; of two as near the higher, and of NaN the lowest.
    fn nearest_of(self, book: &Codebook) -> Self;

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut x = [0.0; LANES];
        self.store(&mut x);
        x
    }
}

/// Sixteen levels, ascending, and the middles between them in the order of a search by halves: the
/// eighth, the fourth and twelfth, and so on.
pub(super) struct Codebook {
    levels: [f32; LANES],
    half: f32,
    /// Two, and two that no search looks at.
    quarters: [f32; 4],
    eighths: [f32; 4],
    sixteenths: [f32; 8],
    codes: [u8; 256],
}

impl Codebook {
    /// Whole numbers of at most 128 in magnitude, and the code of each.
    pub(super) const fn new(levels: [f32; LANES], codes: [u8; LANES]) -> Self {
        let mut code_of = [0; 256];
        let mut middles = [0.0; LANES - 1];
        let mut i = 0;
        while i < LANES - 1 {
            middles[i] = (levels[i] + levels[i + 1]) / 2.0;
            i += 1;
        }
        let mut i = 0;
        while i < LANES {
            code_of[(levels[i] as i32 & 255) as usize] = codes[i];
            i += 1;
        }
        let m = middles;
        Codebook {
            levels,
            half: m[7],
            quarters: [m[3], m[11], 0.0, 0.0],
            eighths: [m[1], m[5], m[9], m[13]],
            sixteenths: [m[0], m[2], m[4], m[6], m[8], m[10], m[12], m[14]],
            codes: code_of,
        }
    }

    /// The code of a level.
    #[inline(always)]
    pub(super) fn code(&self, level: f32) -> u8 {
        self.codes[usize::from(byte(level))]
    }

    #[inline(always)]
    fn nearest(&self, x: f32) -> usize {
        let at = usize::from(x >= self.half);
        let at = 2 * at + usize::from(x >= self.quarters[at]);
        let at = 2 * at + usize::from(x >= self.eighths[at]);
        2 * at + usize::from(x >= self.sixteenths[at])
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
    #[inline(always)]
    fn nearest_of(self, book: &Codebook) -> Self {
        self.map(|x| book.levels[book.nearest(x)])
    }
}
