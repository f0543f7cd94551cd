//! The lengths of codes: the best ones for given counts, and as bytes.

use compress_core::Result;

use super::parts::{Counts, LONGEST};
use crate::coding::reader::Reader;

/// The length of each byte's code; 0 for a byte that does not occur. Their code is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lengths([u8; 256]);

/// The nibble before a number of zeros: 3 and the next nibble.
const ZEROS: u8 = 12;
/// The nibble before more zeros: 19 and the next two nibbles, the lower first.
const MANY_ZEROS: u8 = 13;
/// The nibble before repetitions of the length before: 3 and the next nibble.
const AGAIN: u8 = 14;
/// The fewest that are written as one.
const FEWEST: usize = 3;
/// The fewest zeros that take two nibbles.
const MANY: usize = FEWEST + 16;

impl Lengths {
    /// The lengths that take the fewest bits; none where fewer than two bytes occur.
    pub(super) fn of(counts: &Counts) -> Option<Self> {
        let mut leaves: Vec<(u32, u8)> = (0..=255_u8)
            .map(|byte| (counts[usize::from(byte)], byte))
            .filter(|(count, _)| *count > 0)
            .collect();
        if leaves.len() < 2 {
            return None;
        }
        leaves.sort_unstable();
        Some(free(&leaves).unwrap_or_else(|| limited(&leaves)))
    }

    /// The length of a byte's code.
    pub(super) fn of_byte(&self, byte: usize) -> u8 {
        self.0[byte]
    }

    /// Bytes and the lengths of their codes, in the order of the codes.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u8, u32)> {
        (1..=LONGEST).flat_map(move |length| {
            let all = (0..=255_u8).map(move |byte| (byte, u32::from(self.0[usize::from(byte)])));
            all.filter(move |(_, of_byte)| *of_byte == length)
        })
    }

    /// The longest of them.
    pub(super) fn longest(&self) -> u32 {
        self.0.iter().copied().max().unwrap_or(0).into()
    }

    /// Appends them as nibbles, the lower half of a byte first.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let mut nibbles = Vec::new();
        let mut before = 0;
        for run in self.0.chunk_by(|a, b| a == b) {
            let (length, mut left) = (run[0], run.len());
            if length != 0 && length != before {
                nibbles.push(length);
                left -= 1;
            }
            while left > 0 {
                let short = left.min(MANY - 1);
                let written = match (length, left) {
                    (_, ..FEWEST) => {
                        nibbles.push(length);
                        1
                    }
                    (0, MANY..) => {
                        let more = (left - MANY).min(255);
                        nibbles.extend([MANY_ZEROS, (more % 16) as u8, (more / 16) as u8]);
                        MANY + more
                    }
                    (0, _) => {
                        nibbles.extend([ZEROS, (short - FEWEST) as u8]);
                        short
                    }
                    _ => {
                        nibbles.extend([AGAIN, (short - FEWEST) as u8]);
                        short
                    }
                };
                left -= written;
            }
            before = length;
        }
        let (pairs, last) = nibbles.as_chunks::<2>();
        to.extend(pairs.iter().map(|[low, high]| low | high << 4));
        to.extend(last);
    }

    /// Reads what [`Lengths::write`] wrote.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let start = reader.clone();
        let mut high = None;
        let mut nibble = || -> Result<u8> {
            if let Some(nibble) = high.take() {
                return Ok(nibble);
            }
            let byte = reader.byte("the lengths of codes")?;
            high = Some(byte >> 4);
            Ok(byte & 15)
        };
        let (mut lengths, mut at) = ([0_u8; 256], 0_usize);
        while at < 256 {
            let kind = nibble()?;
            let (length, times) = match kind {
                ZEROS => (0, FEWEST + usize::from(nibble()?)),
                MANY_ZEROS => {
                    let low = usize::from(nibble()?);
                    (0, MANY + low + 16 * usize::from(nibble()?))
                }
                AGAIN if at > 0 => (lengths[at - 1], FEWEST + usize::from(nibble()?)),
                length if u32::from(length) <= LONGEST => (length, 1),
                _ => return Err(start.error(format!("the length of a code is {kind}"))),
            };
            let Some(run) = lengths.get_mut(at..at + times) else {
                return Err(start.error("there are lengths of more than 256 codes"));
            };
            run.fill(length);
            at += times;
        }
        let lengths = Lengths(lengths);
        let space: u32 = lengths.in_order().map(|(_, l)| 1 << (LONGEST - l)).sum();
        match space == 1 << LONGEST && high.unwrap_or(0) == 0 {
            true => Ok(lengths),
            false => Err(start.error("the lengths of codes are those of no complete code")),
        }
    }
}

/// The lengths without a limit, if none is above it: the two least weights become one, again and
/// again. `leaves` are in ascending order.
fn free(leaves: &[(u32, u8)]) -> Option<Lengths> {
    let count = leaves.len();
    // Weights of leaves and pairs, both ascending, and of each the number of its pair.
    let mut pairs: Vec<u64> = Vec::with_capacity(count);
    let mut parents = vec![0_usize; 2 * count];
    let (mut leaf, mut pair) = (0, 0);
    while pairs.len() + 1 < count {
        let mut weight = 0;
        for _ in 0..2 {
            let next = leaves.get(leaf).map(|(count, _)| u64::from(*count));
            match (next, pairs.get(pair)) {
                (Some(next), of_pair) if of_pair.is_none_or(|of_pair| next <= *of_pair) => {
                    parents[leaf] = pairs.len();
                    weight += next;
                    leaf += 1;
                }
                (_, of_pair) => {
                    parents[count + pair] = pairs.len();
                    weight += of_pair?;
                    pair += 1;
                }
            }
        }
        pairs.push(weight);
    }
    let mut depths = vec![0_u8; pairs.len()];
    for pair in (0..pairs.len() - 1).rev() {
        depths[pair] = depths[parents[count + pair]].saturating_add(1);
    }
    let mut lengths = [0; 256];
    for ((_, byte), parent) in leaves.iter().zip(&parents) {
        let length = depths[*parent].saturating_add(1);
        if u32::from(length) > LONGEST {
            return None;
        }
        lengths[usize::from(*byte)] = length;
    }
    Some(Lengths(lengths))
}

/// The best lengths of at most [`LONGEST`] bits, by package-merge. `leaves` are in ascending order.
fn limited(leaves: &[(u32, u8)]) -> Lengths {
    // Each list has the leaves and the pairs of the list before it, in ascending order.
    let mut weights: Vec<u64> = leaves.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut are_leaves = vec![vec![true; leaves.len()]];
    for _ in 1..LONGEST {
        let mut merged = Vec::with_capacity(2 * leaves.len());
        let mut kinds = Vec::with_capacity(2 * leaves.len());
        let mut pairs = weights.chunks_exact(2).map(|pair| pair[0] + pair[1]);
        let mut pair = pairs.next();
        for (count, _) in leaves {
            let count = u64::from(*count);
            while let Some(weight) = pair.filter(|weight| *weight < count) {
                merged.push(weight);
                kinds.push(false);
                pair = pairs.next();
            }
            merged.push(count);
            kinds.push(true);
        }
        let rest: Vec<u64> = pair.into_iter().chain(pairs).collect();
        kinds.resize(kinds.len() + rest.len(), false);
        merged.extend(rest);
        weights = merged;
        are_leaves.push(kinds);
    }
    // Of the last list the first 2·n − 2 are taken, of the one before the halves of the pairs
    // among them, and so on. A leaf's code has a bit for each list in which it is taken.
    let mut lengths = [0; 256];
    let mut taken = 2 * leaves.len() - 2;
    for kinds in are_leaves.iter().rev() {
        let count = kinds[..taken].iter().filter(|is_leaf| **is_leaf).count();
        for (_, byte) in &leaves[..count] {
            lengths[usize::from(*byte)] += 1;
        }
        taken = 2 * (taken - count);
    }
    Lengths(lengths)
}
