//! Arrays of codes, by their type.

use super::cut::Cut;

/// The type of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeType {
    /// Symmetric, −127 to 127, a byte each.
    I8,
    /// Affine, 0 to 255, a byte each.
    U8,
    /// Symmetric, −7 to 7, in two's complement, two in a byte.
    I4,
    /// Affine, 0 to 15, two in a byte.
    U4,
}

impl CodeType {
    /// All types.
    pub const ALL: [CodeType; 4] = [CodeType::I8, CodeType::U8, CodeType::I4, CodeType::U4];

    /// The smallest and the largest code that quantization gives.
    pub fn range(self) -> (i32, i32) {
        match self {
            CodeType::I8 => (-127, 127),
            CodeType::U8 => (0, 255),
            CodeType::I4 => (-7, 7),
            CodeType::U4 => (0, 15),
        }
    }

    /// Whether two codes share a byte.
    pub fn is_packed(self) -> bool {
        matches!(self, CodeType::I4 | CodeType::U4)
    }

    /// Whether sets of values have no zero point.
    pub fn is_symmetric(self) -> bool {
        matches!(self, CodeType::I8 | CodeType::I4)
    }
}

/// Codes to be read: a byte for each, or for two where they are packed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Codes<'a> {
    /// [`CodeType::I8`].
    I8(&'a [i8]),
    /// [`CodeType::U8`].
    U8(&'a [u8]),
    /// [`CodeType::I4`]: bytes of two codes.
    I4(&'a [u8]),
    /// [`CodeType::U4`]: bytes of two codes.
    U4(&'a [u8]),
}

/// Codes to be written.
#[derive(Debug)]
pub enum CodesMut<'a> {
    /// [`CodeType::I8`].
    I8(&'a mut [i8]),
    /// [`CodeType::U8`].
    U8(&'a mut [u8]),
    /// [`CodeType::I4`]: bytes of two codes.
    I4(&'a mut [u8]),
    /// [`CodeType::U4`]: bytes of two codes.
    U4(&'a mut [u8]),
    /// Codes from the first to the second of these numbers, all of which the type holds: symmetric
    /// where the first is negative, else affine.
    I8Within(&'a mut [i8], (i32, i32)),
    /// As [`CodesMut::I8Within`].
    U8Within(&'a mut [u8], (i32, i32)),
    /// As [`CodesMut::I8Within`].
    I16Within(&'a mut [i16], (i32, i32)),
    /// As [`CodesMut::I8Within`].
    U16Within(&'a mut [u16], (i32, i32)),
}

/// Codes that own their memory.
#[derive(Clone, Debug, PartialEq)]
pub enum CodeBuffer {
    /// [`CodeType::I8`].
    I8(Vec<i8>),
    /// [`CodeType::U8`].
    U8(Vec<u8>),
    /// [`CodeType::I4`]: bytes of two codes.
    I4(Vec<u8>),
    /// [`CodeType::U4`]: bytes of two codes.
    U4(Vec<u8>),
}

impl<'a> Codes<'a> {
    /// The type of the codes.
    pub fn code_type(&self) -> CodeType {
        match self {
            Codes::I8(_) => CodeType::I8,
            Codes::U8(_) => CodeType::U8,
            Codes::I4(_) => CodeType::I4,
            Codes::U4(_) => CodeType::U4,
        }
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Codes::I8(c) => c.len(),
            Codes::U8(c) | Codes::I4(c) | Codes::U4(c) => c.len(),
        }
    }
}

impl Cut for Codes<'_> {
    fn cut(self, at: usize) -> (Self, Self) {
        match self {
            Codes::I8(c) => both(c.split_at(at), Codes::I8),
            Codes::U8(c) => both(c.split_at(at), Codes::U8),
            Codes::I4(c) => both(c.split_at(at), Codes::I4),
            Codes::U4(c) => both(c.split_at(at), Codes::U4),
        }
    }
}

impl CodesMut<'_> {
    /// The smallest and the largest code.
    pub(super) fn range(&self) -> (i32, i32) {
        match self {
            CodesMut::I8(_) => CodeType::I8.range(),
            CodesMut::U8(_) => CodeType::U8.range(),
            CodesMut::I4(_) => CodeType::I4.range(),
            CodesMut::U4(_) => CodeType::U4.range(),
            CodesMut::I8Within(_, range)
            | CodesMut::U8Within(_, range)
            | CodesMut::I16Within(_, range)
            | CodesMut::U16Within(_, range) => *range,
        }
    }

    /// The smallest and the largest code that the type holds.
    pub(super) fn held(&self) -> (i32, i32) {
        match self {
            CodesMut::I8(_) | CodesMut::I8Within(..) => (i8::MIN.into(), i8::MAX.into()),
            CodesMut::I16Within(..) => (i16::MIN.into(), i16::MAX.into()),
            CodesMut::U16Within(..) => (0, u16::MAX.into()),
            CodesMut::U8(_) | CodesMut::U8Within(..) => (0, u8::MAX.into()),
            CodesMut::I4(_) => (-8, 7),
            CodesMut::U4(_) => (0, 15),
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        matches!(self, CodesMut::I4(_) | CodesMut::U4(_))
    }

    /// Elements.
    pub(super) fn len(&self) -> usize {
        match self {
            CodesMut::I8(c) | CodesMut::I8Within(c, _) => c.len(),
            CodesMut::I16Within(c, _) => c.len(),
            CodesMut::U16Within(c, _) => c.len(),
            CodesMut::U8(c) | CodesMut::U8Within(c, _) | CodesMut::I4(c) | CodesMut::U4(c) => {
                c.len()
            }
        }
    }
}

impl Cut for CodesMut<'_> {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        match self {
            CodesMut::I8(c) => both(c.split_at_mut(at), CodesMut::I8),
            CodesMut::U8(c) => both(c.split_at_mut(at), CodesMut::U8),
            CodesMut::I4(c) => both(c.split_at_mut(at), CodesMut::I4),
            CodesMut::U4(c) => both(c.split_at_mut(at), CodesMut::U4),
            CodesMut::I8Within(c, of) => both(c.split_at_mut(at), |c| CodesMut::I8Within(c, of)),
            CodesMut::U8Within(c, of) => both(c.split_at_mut(at), |c| CodesMut::U8Within(c, of)),
            CodesMut::I16Within(c, of) => both(c.split_at_mut(at), |c| CodesMut::I16Within(c, of)),
            CodesMut::U16Within(c, of) => both(c.split_at_mut(at), |c| CodesMut::U16Within(c, of)),
        }
    }
}

impl CodeBuffer {
    /// `len` elements of zero.
    pub fn zeroed(code_type: CodeType, len: usize) -> Self {
        match code_type {
            CodeType::I8 => CodeBuffer::I8(vec![0; len]),
            CodeType::U8 => CodeBuffer::U8(vec![0; len]),
            CodeType::I4 => CodeBuffer::I4(vec![0; len]),
            CodeType::U4 => CodeBuffer::U4(vec![0; len]),
        }
    }

    /// To be read.
    pub fn as_codes(&self) -> Codes<'_> {
        match self {
            CodeBuffer::I8(c) => Codes::I8(c),
            CodeBuffer::U8(c) => Codes::U8(c),
            CodeBuffer::I4(c) => Codes::I4(c),
            CodeBuffer::U4(c) => Codes::U4(c),
        }
    }

    /// To be written.
    pub fn as_codes_mut(&mut self) -> CodesMut<'_> {
        match self {
            CodeBuffer::I8(c) => CodesMut::I8(c),
            CodeBuffer::U8(c) => CodesMut::U8(c),
            CodeBuffer::I4(c) => CodesMut::I4(c),
            CodeBuffer::U4(c) => CodesMut::U4(c),
        }
    }
}

/// Both parts of a cut slice, as codes again.
fn both<T, C>((first, rest): (T, T), codes: impl Fn(T) -> C) -> (C, C) {
    (codes(first), codes(rest))
}
