//! Codes of a fixed width, packed without gaps: lowest bit first, within and across bytes.

use compress_core::{Error, Result};

#[cfg(test)]
mod tests;

/// Appends bits to bytes.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `width` bits of `value`; a width above 32 counts as 32.
    pub fn push(&mut self, value: u32, width: u32) {
        let width = width.min(32);
        let kept = u64::from(value) & ((1 << width) - 1);
        self.pending |= kept << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Appends `number` in unary: as many zeros, then a one.
    pub fn push_unary(&mut self, mut number: u32) {
        while number >= 32 {
            self.push(0, 32);
            number -= 32;
        }
        self.push(0, number);
        self.push(1, 1);
    }

    /// The bytes; zeros fill up the last one.
    pub fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Reads bits from bytes.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, position: 0 }
    }

    /// The next `width` bits; a width above 32 counts as 32.
    ///
    /// # Errors
    /// Where the bytes end before.
    pub fn take(&mut self, width: u32) -> Result<u32> {
        let width = width.min(32);
        if width as usize > self.bits_left() {
            return Err(self.error("the packed bits end too early"));
        }
        let (first, shift) = (self.position / 8, self.position % 8);
        let mut window = [0; 8];
        let available = &self.bytes[first..self.bytes.len().min(first + 8)];
        window[..available.len()].copy_from_slice(available);
        self.position += width as usize;
        let value = (u64::from_le_bytes(window) >> shift) & ((1 << width) - 1);
        Ok(value as u32)
    }

    /// The next number in unary, at most `most`.
    ///
    /// # Errors
    /// Where the bytes end before, or the number is larger.
    pub fn take_unary(&mut self, most: u32) -> Result<u32> {
        for number in 0..=most {
            if self.take(1)? == 1 {
                return Ok(number);
            }
        }
        Err(self.error(format!("a number in unary is larger than {most}")))
    }

    /// Fails where fewer than `count` numbers of `width` bits are left. Errors call them `what`.
    pub(crate) fn check(&self, count: usize, width: u32, what: &str) -> Result<()> {
        match count.saturating_mul(width as usize) > self.bits_left() {
            true => Err(self.error(format!("{count} {what} are cut off"))),
            false => Ok(()),
        }
    }

    /// How many bits have not been read.
    pub fn bits_left(&self) -> usize {
        self.bytes.len().saturating_mul(8) - self.position
    }

    /// An error at the present position.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        Error::Format {
            offset: self.position / 8,
            reason: reason.into(),
        }
    }

    /// How many bytes have been read from, in part or whole.
    pub fn bytes_read(&self) -> usize {
        self.position.div_ceil(8)
    }
}
