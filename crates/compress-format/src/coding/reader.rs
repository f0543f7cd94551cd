//! Reads bytes one piece at a time, and says where they are wrong.

use super::bits::BitReader;
use compress_core::{Error, Result};

#[cfg(test)]
mod tests;

/// A position in bytes that came from a file.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at `offset` of `bytes`.
    pub fn new(bytes: &'a [u8], offset: usize) -> Self {
        Reader { bytes, offset }
    }

    /// The position from the beginning of the bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    /// An error at the present position.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        Error::Format {
            offset: self.offset,
            reason: reason.into(),
        }
    }

    /// Takes the next `count` bytes. Errors call them `what`.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.offset.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.offset..end)) {
            Some(taken) => {
                self.offset += count;
                Ok(taken)
            }
            None => Err(self.error(format!(
                "{what} needs {count} bytes, but {} are left",
                self.remaining()
            ))),
        }
    }

    /// Takes the next byte. Errors call it `what`.
    ///
    /// # Errors
    /// Where none is left.
    pub fn byte(&mut self, what: &str) -> Result<u8> {
        Ok(self.take(1, what)?[0])
    }

    /// The next number as [`super::varint::write`] wrote it, at most `most`.
    ///
    /// # Errors
    /// Where the bytes end, or the number is larger.
    pub fn varint(&mut self, most: usize, what: &str) -> Result<usize> {
        let start = self.clone();
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let part = u64::from(byte & 0x7f);
            if part.leading_zeros() < shift {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return match usize::try_from(value) {
                    Ok(value) if value <= most => Ok(value),
                    _ => Err(start.error(format!("{what} is {value}, but at most {most} fits"))),
                };
            }
        }
        Err(start.error(format!("{what} takes more than 64 bits")))
    }

    /// Takes the next `count` numbers of `width` (at most 32) bits each. `number` converts the bits
    /// of each; errors call them `what`.
    ///
    /// # Errors
    /// Where the bytes end too early; no memory has been taken for the numbers then.
    pub(crate) fn packed<T>(
        &mut self,
        count: usize,
        width: u32,
        what: &str,
        number: impl Fn(u32) -> T,
    ) -> Result<Vec<T>> {
        self.bits(|bits| {
            bits.check(count, width, what)?;
            (0..count).map(|_| Ok(number(bits.take(width)?))).collect()
        })
    }

    /// Lets `read` take bits from the remaining bytes. Continues after the last byte that it took
    /// any bits from.
    ///
    /// # Errors
    /// Those of `read`. Their positions are converted, so that they count from the beginning of all
    /// bytes.
    pub fn bits<T>(&mut self, read: impl FnOnce(&mut BitReader<'a>) -> Result<T>) -> Result<T> {
        let mut bits = BitReader::new(self.bytes.get(self.offset..).unwrap_or_default());
        let value = read(&mut bits).map_err(|error| match error {
            Error::Format { offset, reason } => Error::Format {
                offset: self.offset.saturating_add(offset),
                reason,
            },
            other => other,
        })?;
        self.offset += bits.bytes_read();
        Ok(value)
    }
}
