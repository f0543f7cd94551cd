//! Numbers and texts from bytes, each checked.

use compress_core::{Error, Result};

/// A place in bytes.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        let (offset, reason) = (self.at, reason.into());
        Error::Format { offset, reason }
    }

    pub(crate) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            let left = self.bytes.len() - self.at;
            return Err(self.error(format!("{what} has {length} bytes, the file {left} more")));
        };
        self.at += length;
        Ok(taken)
    }

    /// `N` bytes, as a number has them.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let taken = self.take(N, what)?;
        taken.try_into().map_err(Error::other)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things that take at least `least` bytes each, so that no file can claim more than
    /// it has.
    pub(crate) fn count(&mut self, least: usize, what: &str) -> Result<usize> {
        let count = self.u64(what)?;
        let left = (self.bytes.len() - self.at) as u64;
        match count.checked_mul(least as u64) {
            Some(bytes) if bytes <= left => Ok(count as usize),
            _ => Err(self.error(format!(
                "{what} is {count}, but the file has {left} more bytes"
            ))),
        }
    }

    pub(crate) fn text(&mut self, what: &str) -> Result<String> {
        let length = self.count(1, &format!("the length of {what}"))?;
        let bytes = self.take(length, what)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned)
            .map_err(|_| self.error(format!("{what} is not UTF-8")))
    }
}
