//! Codes to bytes.

use std::cmp::Reverse;

use super::lengths::Lengths;
use super::parts::{LONGEST, STREAMS, part_count, part_length};
use super::table::{MOST, Table, Widest};

/// Look-ups between two reads: so many of [`LONGEST`] bits fit into what a read gives at least.
const AT_ONCE: usize = 5;
/// The bytes that those consume at most.
const CONSUMED: usize = (AT_ONCE * LONGEST as usize).div_ceil(8);
/// The bytes that they write at most, with what each writes too much.
const WRITTEN: usize = MOST * (AT_ONCE - 1) + 8;

/// Fills `to` from the bytes of its streams, of these lengths; none where they do not hold so many
/// bytes exactly.
pub(super) fn streams(
    bytes: &[u8],
    sizes: &[usize; STREAMS],
    lengths: &Lengths,
    to: &mut [u8],
) -> Option<()> {
    let is_several = part_count(to.len()) == STREAMS;
    let width = if is_several {
        LONGEST
    } else {
        lengths.longest()
    };
    let table = Table::new(lengths, width);
    let part = part_length(to.len());
    let (mut parts, mut start) = ([Part::default(); STREAMS], 0);
    for (s, (part_of, size)) in parts.iter_mut().zip(sizes).enumerate() {
        *part_of = Part {
            bits: word(bytes, start, 0),
            from: start,
            end: start + size,
            at: to.len().min(s * part),
            full: to.len().min((s + 1) * part),
        };
        start += size;
    }
    if is_several {
        let table = table.widest()?;
        // Streams end at different times.
        loop {
            parts.sort_unstable_by_key(|part| Reverse(part.safe_rounds()));
            let are_open = parts.iter().take_while(|part| part.safe_rounds() > 0);
            match are_open.count() {
                0 => break,
                1 => together::<1>(bytes, table, &mut parts[..1], to),
                2 => together::<2>(bytes, table, &mut parts[..2], to),
                3 => together::<3>(bytes, table, &mut parts[..3], to),
                _ => together::<STREAMS>(bytes, table, &mut parts, to),
            }
        }
    }
    parts
        .iter()
        .try_for_each(|part| alone(bytes, &table, lengths, *part, to))
}

/// How far a stream has been read.
#[derive(Clone, Copy, Default)]
struct Part {
    /// The next bits, highest first, and behind the last of them a 1: so the zeros below it are as many
    /// as have been used.
    bits: u64,
    /// The byte that those began in.
    from: usize,
    /// Where the stream ends, in bytes.
    end: usize,
    /// Where the next byte goes.
    at: usize,
    /// Where the last one ends.
    full: usize,
}

impl Part {
    /// The next bit.
    fn bit(&self) -> usize {
        8 * self.from + self.bits.trailing_zeros() as usize
    }

    /// How often [`AT_ONCE`] look-ups are possible without a look at the ends.
    fn safe_rounds(&self) -> usize {
        let read = self.end.saturating_sub(self.from + 8) / CONSUMED;
        let written = self.full.saturating_sub(self.at + WRITTEN) / (MOST * AT_ONCE);
        read.min(written)
    }
}

/// Reads streams, so many side by side, until one nears its end.
fn together<const COUNT: usize>(bytes: &[u8], table: &Widest, parts: &mut [Part], to: &mut [u8]) {
    loop {
        let rounds = parts.iter().map(Part::safe_rounds).min().unwrap_or(0);
        if rounds == 0 {
            return;
        }
        let (groups, _) = parts.as_chunks_mut::<COUNT>();
        for _ in 0..rounds {
            for group in &mut *groups {
                look_up(bytes, table, group, to);
            }
        }
    }
}

/// Looks up [`AT_ONCE`] entries of each stream.
#[inline(always)]
fn look_up<const COUNT: usize>(
    bytes: &[u8],
    table: &Widest,
    parts: &mut [Part; COUNT],
    to: &mut [u8],
) {
    let mut bits = parts.map(|part| part.bits);
    // Of 32 bits, so that 8 more cannot be too large.
    let mut at = parts.map(|part| part.at as u32);
    for _ in 0..AT_ONCE {
        for s in 0..COUNT {
            let entry = table[(bits[s] >> (64 - LONGEST)) as usize];
            let start = at[s] as usize;
            if let Some(to) = to.get_mut(start..start + 8) {
                to.copy_from_slice(&entry.bytes());
            }
            at[s] += entry.count();
            bits[s] = bits[s].wrapping_shl(entry.bits());
        }
    }
    for (s, part) in parts.iter_mut().enumerate() {
        let used = bits[s].trailing_zeros() as usize;
        part.from += used / 8;
        part.bits = word(bytes, part.from, used % 8);
        part.at = at[s] as usize;
    }
}

/// The 8 bytes from `from` on, but for `used` bits, highest first; behind them a 1.
fn word(bytes: &[u8], from: usize, used: usize) -> u64 {
    let word = bytes.get(from..).and_then(|rest| rest.first_chunk::<8>());
    word.map_or(1, |word| u64::from_be_bytes(*word) | 1) << used
}

/// Reads what is left of a stream, byte by byte.
fn alone(bytes: &[u8], table: &Table, lengths: &Lengths, part: Part, to: &mut [u8]) -> Option<()> {
    let (bytes, mut bit) = (bytes.get(..part.end)?, part.bit());
    for byte in to.get_mut(part.at..part.full)? {
        let next = last_word(bytes, bit / 8) << (bit % 8);
        *byte = table.entry(next).bytes()[0];
        bit += usize::from(lengths.of_byte(usize::from(*byte)));
        if bit > 8 * part.end {
            return None;
        }
    }
    let rest = last_word(bytes, bit / 8) << (bit % 8);
    (bit.div_ceil(8) == part.end && rest == 0).then_some(())
}

/// The next 8 bytes, the first one highest; zeros behind the end.
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(word) => u64::from_be_bytes(*word),
        None => {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(word)
        }
    }
}
