//! Codes of a tensor, in the narrowest type that holds them.

use serde::{Deserialize, Serialize};

use crate::kernels::quantize::CodesMut;
use crate::{Error, Result};

/// Codes, one for each value, in the narrowest of four types that holds their range: `i8`, `u8`,
/// `i16` or `u16`. All of them fit into an `i32`, which is how single ones are read.
///
/// Codes are equal where they are the same numbers, whatever type holds them.
///
/// ```
/// use compress_core::codec::Codes;
/// let codes = Codes::new((-7, 7), [7, -3, 0])?;
/// assert_eq!(codes, [7, -3, 0]);
/// assert_eq!(codes.as_slice().bytes(), 3);
/// assert!(Codes::new((-7, 7), [8]).is_err());
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Codes(Repr);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Repr {
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
}

/// Codes in the type that holds them.
#[derive(Clone, Copy, Debug)]
pub enum CodeSlice<'a> {
    /// From −128 to 127.
    I8(&'a [i8]),
    /// From 0 to 255.
    U8(&'a [u8]),
    /// From −32,768 to 32,767.
    I16(&'a [i16]),
    /// From 0 to 65,535.
    U16(&'a [u16]),
}

/// The same expression for the array of each type.
macro_rules! each {
    ($enum:ident, $codes:expr, $array:ident => $value:expr) => {
        match $codes {
            $enum::I8($array) => $value,
            $enum::U8($array) => $value,
            $enum::I16($array) => $value,
            $enum::U16($array) => $value,
        }
    };
}
pub(super) use each;

impl Codes {
    /// `count` codes of zero, in the narrowest type for codes of this range, both ends included.
    /// A range that none of the types holds is that of `i16` or `u16`.
    pub fn zeros(range: (i32, i32), count: usize) -> Self {
        Codes(match range {
            (0.., ..=255) => Repr::U8(vec![0; count]),
            (-128.., ..=127) => Repr::I8(vec![0; count]),
            (..0, _) => Repr::I16(vec![0; count]),
            _ => Repr::U16(vec![0; count]),
        })
    }

    /// Codes of this range, both ends included, which is at most that of `i16` or `u16`.
    ///
    /// # Errors
    /// Where a code lies outside of the range, or the range is wider than any of the types.
    pub fn new(range: (i32, i32), codes: impl IntoIterator<Item = i32>) -> Result<Self> {
        let text = || format!("{} to {}", range.0, range.1);
        let widest = if range.0 < 0 {
            (-0x8000, 0x7fff)
        } else {
            (0, 0xffff)
        };
        if range.0 < widest.0 || range.1 > widest.1 {
            return Err(Error::invalid(
                "the range of codes",
                text(),
                "of at most 16 bits",
            ));
        }
        let mut outside = None;
        let codes = codes.into_iter().inspect(|code| {
            if !(range.0..=range.1).contains(code) {
                outside.get_or_insert(*code);
            }
        });
        let found = Self::saturating(range, codes);
        match outside {
            None => Ok(found),
            Some(code) => Err(Error::invalid("a code", code, text())),
        }
    }

    /// As [`Codes::new`], but codes outside of what the type holds are moved to its nearest code.
    pub fn saturating(range: (i32, i32), codes: impl IntoIterator<Item = i32>) -> Self {
        fn collect<T>(
            codes: impl IntoIterator<Item = i32>,
            range: std::ops::RangeInclusive<i32>,
            narrow: impl Fn(i32) -> T,
        ) -> Vec<T> {
            let (low, high) = range.into_inner();
            codes
                .into_iter()
                .map(|code| narrow(code.clamp(low, high)))
                .collect()
        }
        Codes(match Self::zeros(range, 0).0 {
            Repr::I8(_) => Repr::I8(collect(codes, -0x80..=0x7f, |c| c as i8)),
            Repr::U8(_) => Repr::U8(collect(codes, 0..=0xff, |c| c as u8)),
            Repr::I16(_) => Repr::I16(collect(codes, -0x8000..=0x7fff, |c| c as i16)),
            Repr::U16(_) => Repr::U16(collect(codes, 0..=0xffff, |c| c as u16)),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        each!(Repr, &self.0, codes => codes.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code at this position, where there is one.
    pub fn get(&self, position: usize) -> Option<i32> {
        each!(Repr, &self.0, codes => codes.get(position).map(|&code| code.into()))
    }

    /// Changes the code at this position.
    ///
    /// # Errors
    /// Where there is no such position, or the type does not hold the code.
    pub fn set(&mut self, position: usize, code: i32) -> Result<()> {
        let count = self.len();
        let narrow = each!(Repr, &mut self.0, codes => {
            let there = codes.get_mut(position).ok_or_else(|| {
                Error::invalid("the position of a code", position, format!("below {count}"))
            })?;
            code.try_into().map(|code| *there = code)
        });
        narrow.map_err(|_| Error::invalid("a code", code, "held by the type of the others"))
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.as_slice().iter()
    }

    /// All of them, in order.
    pub fn to_vec(&self) -> Vec<i32> {
        each!(Repr, &self.0, codes => codes.iter().map(|&code| code.into()).collect())
    }

    /// The codes in the type that holds them.
    pub fn as_slice(&self) -> CodeSlice<'_> {
        match &self.0 {
            Repr::I8(codes) => CodeSlice::I8(codes),
            Repr::U8(codes) => CodeSlice::U8(codes),
            Repr::I16(codes) => CodeSlice::I16(codes),
            Repr::U16(codes) => CodeSlice::U16(codes),
        }
    }

    /// For a kernel to write codes of `range` to.
    pub fn as_codes_mut(&mut self, range: (i32, i32)) -> CodesMut<'_> {
        match &mut self.0 {
            Repr::I8(codes) => CodesMut::I8Within(codes, range),
            Repr::U8(codes) => CodesMut::U8Within(codes, range),
            Repr::I16(codes) => CodesMut::I16Within(codes, range),
            Repr::U16(codes) => CodesMut::U16Within(codes, range),
        }
    }

    /// The first code outside of `range`, both ends included.
    pub(super) fn outside(&self, range: (i32, i32)) -> Option<i32> {
        fn find<T: Copy + Into<i32>>(codes: &[T], (low, high): (i32, i32)) -> Option<i32> {
            let outside = |code: &&T| !(low..=high).contains(&(**code).into());
            codes.iter().find(outside).map(|&code| code.into())
        }
        each!(Repr, &self.0, codes => find(codes, range))
    }
}

impl<'a> CodeSlice<'a> {
    /// All of them, in order.
    pub fn iter(self) -> Iter<'a> {
        Iter {
            codes: self,
            next: 0,
            end: each!(CodeSlice, self, codes => codes.len()),
        }
    }

    /// The memory that they take.
    pub fn bytes(self) -> usize {
        each!(CodeSlice, self, codes => size_of_val(codes))
    }
}

/// Codes one by one.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    codes: CodeSlice<'a>,
    next: usize,
    end: usize,
}

impl Iterator for Iter<'_> {
    type Item = i32;

    #[inline]
    fn next(&mut self) -> Option<i32> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        Some(each!(CodeSlice, self.codes, codes => codes[self.next - 1].into()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Codes {
    type Item = i32;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl PartialEq for Codes {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::I8(a), Repr::I8(b)) => a == b,
            (Repr::U8(a), Repr::U8(b)) => a == b,
            (Repr::I16(a), Repr::I16(b)) => a == b,
            (Repr::U16(a), Repr::U16(b)) => a == b,
            _ => self.iter().eq(other),
        }
    }
}

impl PartialEq<[i32]> for Codes {
    fn eq(&self, other: &[i32]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

impl<const N: usize> PartialEq<[i32; N]> for Codes {
    fn eq(&self, other: &[i32; N]) -> bool {
        *self == other[..]
    }
}

impl PartialEq<Vec<i32>> for Codes {
    fn eq(&self, other: &Vec<i32>) -> bool {
        *self == other[..]
    }
}

macro_rules! from_vec {
    ($($type:ty, $variant:ident;)*) => {$(
        impl From<Vec<$type>> for Codes {
            fn from(codes: Vec<$type>) -> Self {
                Codes(Repr::$variant(codes))
            }
        }
    )*};
}
from_vec! { i8, I8; u8, U8; i16, I16; u16, U16; }
