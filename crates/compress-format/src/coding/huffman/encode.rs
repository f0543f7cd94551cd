//! Bytes to codes.

use super::lengths::Lengths;
use super::parts::{LONGEST, STREAMS, part_length};

/// Codes that are appended between two writes: with the bits that wait, at most 64.
const AT_ONCE: usize = 5;

/// Bits, and in the lowest byte of `count` how many they are; above it is what additions leave there.
#[derive(Clone, Copy, Default)]
struct Bits {
    bits: u64,
    count: u32,
}

impl Bits {
    /// These bits and behind them others.
    fn and(self, other: Bits) -> Bits {
        Bits {
            bits: self.bits.wrapping_shl(other.count) | other.bits,
            count: self.count.wrapping_add(other.count),
        }
    }
}

/// A byte's code: the length below, the bits above.
type Codes = [u32; 256];

fn code(codes: &Codes, byte: u8) -> Bits {
    let code = codes[usize::from(byte)];
    Bits {
        bits: u64::from(code >> 8),
        count: code,
    }
}

/// Puts the streams one after the other into `room`, which grows where it must; returns the length of
/// each.
pub(super) fn streams(bytes: &[u8], lengths: &Lengths, room: &mut Vec<u8>) -> [usize; STREAMS] {
    let codes = codes(lengths);
    // The most that codes take, and room for a whole write behind each stream.
    let most = (bytes.len() * LONGEST as usize).div_ceil(8) + 16 * STREAMS;
    if room.len() < most {
        room.resize(most, 0);
    }
    let (mut at, mut sizes) = (0, [0; STREAMS]);
    let parts = bytes.chunks(part_length(bytes.len()));
    for (size, part) in sizes.iter_mut().zip(parts) {
        *size = stream(part, &codes, &mut room[at..]);
        at += *size;
    }
    sizes
}

/// Writes a stream, and returns how many bytes it has. What is behind them in `to` may change.
fn stream(bytes: &[u8], codes: &Codes, to: &mut [u8]) -> usize {
    let (mut waiting, mut at) = (Bits::default(), 0);
    let (fives, rest) = bytes.as_chunks::<AT_ONCE>();
    for five in fives {
        // In pairs, so that the codes do not wait for each other.
        let [a, b, c, d, e] = five.map(|byte| code(codes, byte));
        waiting = waiting.and(a.and(b).and(c.and(d)).and(e));
        flush(&mut waiting, &mut at, to);
    }
    for &byte in rest {
        waiting = waiting.and(code(codes, byte));
    }
    flush(&mut waiting, &mut at, to);
    at + usize::from(waiting.count > 0)
}

/// Writes whole bytes, and one that is begun; at most 7 bits wait then. Bits above those that wait
/// are those of before, and leave the word in time.
fn flush(waiting: &mut Bits, at: &mut usize, to: &mut [u8]) {
    let count = waiting.count & 0xff;
    let aligned = (waiting.bits << 1).wrapping_shl(63 - count);
    if let Some(place) = to.get_mut(*at..).and_then(|to| to.first_chunk_mut::<8>()) {
        *place = aligned.to_be_bytes();
    }
    *at += (count / 8) as usize;
    waiting.count = count % 8;
}

/// The codes: numbers that ascend with length and byte.
fn codes(lengths: &Lengths) -> Codes {
    let (mut codes, mut next) = ([0; 256], 0);
    for (byte, length) in lengths.in_order() {
        codes[usize::from(byte)] = (next >> (LONGEST - length)) << 8 | length;
        next += 1 << (LONGEST - length);
    }
    codes
}
