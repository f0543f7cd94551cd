//! Sixteen numbers at once, one for each group of a search, with each level's vectors.
//!
//! The compiler does not find the vectors in loops over 16 lanes: it unrolls them first, and what
//! it makes of that is several times slower. So the operations are spelt out. Each is exact, or
//! rounded once, and does the same in a lane at every level.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;

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
    fn magnitude(self) -> Self;
    /// `self` where it is more than `other`, else, and where either is NaN, `other`.
    fn at_least(self, other: Self) -> Self;
    /// `self` where it is less than `other`, else, and where either is NaN, `other`.
    fn at_most(self, other: Self) -> Self;
    /// `yes` where `self` is positive, else `no`.
    fn if_positive(self, yes: Self, no: Self) -> Self;
    /// The whole part of a number from 0 to 2²².
    fn truncate(self) -> Self;
    /// The nearest of 16 levels; of two as near the higher, and of NaN the lowest.
    fn nearest_of(self, book: &Codebook) -> Self;
    /// The code of that level.
    fn code_of(self, book: &Codebook) -> Self;
    /// The nearest in half precision, ties to even.
    fn to_halves(self) -> [u16; LANES];
    /// Each lane's 16 bytes: eight whole numbers from 0 to 2¹⁶ − 1.
    fn to_bytes(pairs: &[Self; 8]) -> [[u8; 16]; LANES];
    /// Lane i of vector j becomes lane j of vector i.
    fn transpose(rows: &mut [Self; LANES]);

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
    codes: [f32; LANES],
}

impl Codebook {
    /// Levels and the code of each.
    pub(super) const fn new(levels: [f32; LANES], codes: [u8; LANES]) -> Self {
        let mut code_of = [0.0; LANES];
        let mut middles = [0.0; LANES - 1];
        let mut i = 0;
        while i < LANES - 1 {
            middles[i] = (levels[i] + levels[i + 1]) / 2.0;
            i += 1;
        }
        let mut i = 0;
        while i < LANES {
            code_of[i] = codes[i] as f32;
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

    #[inline(always)]
    fn nearest(&self, x: f32) -> usize {
        let at = usize::from(x >= self.half);
        let at = 2 * at + usize::from(x >= self.quarters[at]);
        let at = 2 * at + usize::from(x >= self.eighths[at]);
        2 * at + usize::from(x >= self.sixteenths[at])
    }
}

/// The specification. Plain loops: `array::from_fn` and `array::map` may become calls, which are
/// compiled without the level's instructions.
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
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i] + other[i];
        }
        out
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i] - other[i];
        }
        out
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i] * other[i];
        }
        out
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i] / other[i];
        }
        out
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i].mul_add(factor[i], term[i]);
        }
        out
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = self[i].abs();
        }
        out
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = if self[i] > other[i] {
                self[i]
            } else {
                other[i]
            };
        }
        out
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = if self[i] < other[i] {
                self[i]
            } else {
                other[i]
            };
        }
        out
    }
    #[inline(always)]
    fn if_positive(self, yes: Self, no: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = if self[i] > 0.0 { yes[i] } else { no[i] };
        }
        out
    }
    #[inline(always)]
    fn truncate(self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            let near = (self[i] + MAGIC) - MAGIC;
            out[i] = if near > self[i] { near - 1.0 } else { near };
        }
        out
    }
    #[inline(always)]
    fn nearest_of(self, book: &Codebook) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = book.levels[book.nearest(self[i])];
        }
        out
    }
    #[inline(always)]
    fn code_of(self, book: &Codebook) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out[i] = book.codes[book.nearest(self[i])];
        }
        out
    }
    #[inline(always)]
    fn to_halves(self) -> [u16; LANES] {
        let mut halves = [0; LANES];
        for i in 0..LANES {
            halves[i] = half::from_f32(self[i]);
        }
        halves
    }
    #[inline(always)]
    fn to_bytes(pairs: &[Self; 8]) -> [[u8; 16]; LANES] {
        // The low half of the bits of 2²³ is zero, and there neighbours are 1 apart.
        const MAGIC: f32 = 8_388_608.0;
        let mut bytes = [[0; 16]; LANES];
        for i in 0..8 {
            for lane in 0..LANES {
                let [low, high, ..] = (pairs[i][lane] + MAGIC).to_bits().to_le_bytes();
                (bytes[lane][2 * i], bytes[lane][2 * i + 1]) = (low, high);
            }
        }
        bytes
    }
    #[inline(always)]
    fn transpose(rows: &mut [Self; LANES]) {
        let from = *rows;
        for i in 0..LANES {
            for j in 0..LANES {
                rows[i][j] = from[j][i];
            }
        }
    }
}
