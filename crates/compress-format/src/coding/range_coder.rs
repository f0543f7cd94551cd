//! A binary range coder (arithmetic coding): codes any sequence of bits, each with its own
//! probability, in close to as few bits as the probabilities allow.
//!
//! Integers only, so that every machine writes and reads the same bytes. [`BitCoder`] lets a
//! model be written once for both directions, so that the two cannot disagree.
//!
//! # References
//! Martin, *Range encoding: an algorithm for removing redundancy from a digitised message*
//! (1979), in the binary form, with carries, that LZMA made common.

use super::logistic::{UNIT, log2};
use super::part::Part;

#[cfg(test)]
mod tests;

/// When the range falls below this, it is refilled with a byte.
const REFILL: u32 = 1 << 24;

/// Writes bits, or reads them.
pub trait BitCoder {
    /// Codes one bit whose probability of being set is `probability / 65536`; 0 counts as 1.
    /// An encoder returns `bit`; a decoder ignores it and returns the bit that it read.
    fn code(&mut self, bit: bool, probability: u16) -> bool;

    /// Says which part the next bits belong to; only a [`Meter`](super::meter) uses it.
    fn begin(&mut self, _: Part) {}

    /// Codes the lowest `count` bits of `value`, highest first, with even odds.
    fn code_bits(&mut self, value: u32, count: u32) -> u32 {
        (0..count).rev().fold(0, |read, i| {
            (read << 1) | u32::from(self.code((value >> i) & 1 == 1, 1 << 15))
        })
    }
}

/// The encoder: turns bits into bytes.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: u32,
    range: u32,
    bytes: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder {
            low: 0,
            range: u32::MAX,
            bytes: Vec::new(),
        }
    }
}

impl Encoder {
    /// Ends the sequence and returns its bytes, the fewest that decode to it. Trailing zeros are
    /// left out, as a decoder reads zeros past the end.
    pub fn finish(mut self) -> Vec<u8> {
        let (low, high) = (
            u64::from(self.low),
            u64::from(self.low) + u64::from(self.range) - 1,
        );
        // The number within the range that has the most trailing zero bytes.
        for kept in 0..=4 {
            let mask = (1_u64 << (32 - 8 * kept)) - 1;
            let value = (low + mask) & !mask;
            if value <= high {
                if value >> 32 != 0 {
                    self.carry();
                }
                self.bytes
                    .extend_from_slice(&(value as u32).to_be_bytes()[..kept]);
                break;
            }
        }
        while self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.bytes
    }

    /// How much has been written, in bits over [`UNIT`]. Of what is still open in the range, the
    /// settled part counts.
    pub(crate) fn position(&self) -> u64 {
        let settled = 32 * UNIT - log2(self.range.into());
        8 * self.bytes.len() as u64 * UNIT as u64 + settled.max(0) as u64
    }

    /// Adds one to the number that the bytes so far are. It cannot overflow, as the number plus
    /// the range stays below one.
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

impl BitCoder for Encoder {
    fn code(&mut self, bit: bool, probability: u16) -> bool {
        let bound = split(self.range, probability);
        if bit {
            self.range = bound;
        } else {
            let (low, carried) = self.low.overflowing_add(bound);
            self.low = low;
            self.range -= bound;
            if carried {
                self.carry();
            }
        }
        while self.range < REFILL {
            self.bytes.push((self.low >> 24) as u8);
            self.low <<= 8;
            self.range <<= 8;
        }
        bit
    }
}

/// The decoder: turns bytes back into bits. Any bytes decode to some bits; zeros are read past the
/// end.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    code: u32,
    range: u32,
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Decoder {
            code: 0,
            range: u32::MAX,
            bytes,
        };
        for _ in 0..4 {
            decoder.shift_in();
        }
        decoder
    }

    fn shift_in(&mut self) {
        let (byte, rest) = match self.bytes {
            [first, rest @ ..] => (*first, rest),
            [] => (0, self.bytes),
        };
        self.bytes = rest;
        self.code = (self.code << 8) | u32::from(byte);
    }
}

impl BitCoder for Decoder<'_> {
    fn code(&mut self, _: bool, probability: u16) -> bool {
        let bound = split(self.range, probability);
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        while self.range < REFILL {
            self.range <<= 8;
            self.shift_in();
        }
        bit
    }
}

/// The part of the range that stands for a set bit: at least 1 and less than the range, as the
/// range is at least [`REFILL`].
fn split(range: u32, probability: u16) -> u32 {
    ((u64::from(range) * u64::from(probability.max(1))) >> 16) as u32
}
