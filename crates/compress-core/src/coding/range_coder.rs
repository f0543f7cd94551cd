//! A binary range coder: any sequence of bits, each with its own probability, in close to as
//! many bits as the probabilities say.
//!
//! Integers only, so that every machine writes and reads the same bytes. [`BitCoder`] lets a
//! model be written once for both directions, so that the two cannot disagree.
//!
//! # References
//! Martin, *Range encoding: an algorithm for removing redundancy from a digitised message*
//! (1979), in the binary form, with carries, that LZMA made common.

/// Below this the range is refilled with a byte.
const REFILL: u32 = 1 << 24;

/// Writes bits, or reads them.
pub trait BitCoder {
    /// Codes one bit whose probability of being set is `probability / 65536`; 0 counts as 1.
    /// An encoder returns `bit`; a decoder ignores it and returns the bit that it read.
    fn code(&mut self, bit: bool, probability: u16) -> bool;

    /// Codes the lowest `count` bits of `value`, highest first, each as likely set as not.
    fn code_bits(&mut self, value: u32, count: u32) -> u32 {
        (0..count).rev().fold(0, |read, i| {
            (read << 1) | u32::from(self.code((value >> i) & 1 == 1, 1 << 15))
        })
    }
}

/// Turns bits into bytes.
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

/// Turns bytes back into bits. Any bytes decode to some bits: what is read past the end is zero.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;
    use proptest::prelude::*;

    fn decode(bytes: &[u8], probabilities: &[u16]) -> Vec<bool> {
        let mut decoder = Decoder::new(bytes);
        probabilities
            .iter()
            .map(|&p| decoder.code(false, p))
            .collect()
    }

    fn encode(bits: &[bool], probabilities: &[u16]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        for (&bit, &p) in bits.iter().zip(probabilities) {
            assert_eq!(encoder.code(bit, p), bit);
        }
        encoder.finish()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs in proptest::collection::vec((any::<bool>(), any::<u16>()), 0..2000)) {
            let (bits, probabilities): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let bytes = encode(&bits, &probabilities);
            prop_assert_ne!(bytes.last(), Some(&0));
            prop_assert_eq!(decode(&bytes, &probabilities), bits);
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..64), p in any::<u16>()) {
            prop_assert_eq!(decode(&bytes, &[p; 1000]).len(), 1000);
        }
    }

    #[test]
    fn carries_run_through_many_bytes() {
        // The least likely outcome each time drives the low end up against all ones.
        for p in [1, 2, 255, 32768, 65280, 65535] {
            let bits: Vec<bool> = (0..4000).map(|i| i % 517 == 516).collect();
            let probabilities = vec![p; bits.len()];
            let bytes = encode(&bits, &probabilities);
            assert_eq!(decode(&bytes, &probabilities), bits, "probability {p}");
        }
    }

    #[test]
    fn the_length_is_the_entropy() {
        let mut stream = rng::stream(1, "coding.range");
        for p in [655_u16, 6554, 32768] {
            let bits: Vec<bool> = (0..100_000)
                .map(|_| rng::below(&mut stream, 1 << 16) < u32::from(p))
                .collect();
            let ideal: f64 = bits
                .iter()
                .map(|&b| {
                    let q = f64::from(p) / 65536.0;
                    -(if b { q } else { 1.0 - q }).log2()
                })
                .sum();
            let bytes = encode(&bits, &vec![p; bits.len()]);
            let excess = bytes.len() as f64 * 8.0 - ideal;
            assert!(excess < 16.0 && excess > -16.0, "{excess} bits at {p}");
        }
    }

    #[test]
    fn nothing_takes_no_bytes_and_plain_bits_take_their_number() {
        assert!(Encoder::default().finish().is_empty());
        let mut encoder = Encoder::default();
        for i in 0..100 {
            encoder.code_bits(i * 2_654_435, 22);
        }
        let bytes = encoder.finish();
        assert!(bytes.len() <= 276, "{}", bytes.len());
        let mut decoder = Decoder::new(&bytes);
        for i in 0..100 {
            assert_eq!(decoder.code_bits(0, 22), (i * 2_654_435) & 0x3f_ffff);
        }
    }
}
