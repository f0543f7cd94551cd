//! What the next bits stand for, up to several bytes at once.

use super::lengths::Lengths;
use super::parts::LONGEST;

/// The most bytes that one entry gives.
pub(super) const MOST: usize = 6;

/// A table that bits index.
pub(super) struct Table {
    /// How many bits an index has: at least the longest code.
    width: u32,
    entries: Vec<Entry>,
}

/// The table of [`LONGEST`] bits.
pub(super) type Widest = [Entry; 1 << LONGEST];

/// The bytes of the codes that lie completely in the bits of an index, at most [`MOST`]: in the lowest
/// 8 bits how many bits their codes have, where the next look-up can use it at once; then 48 bits of
/// bytes, the first one lowest; and how many bytes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    /// The bytes, and two more.
    pub(super) fn bytes(self) -> [u8; 8] {
        (self.0 >> 8).to_le_bytes()
    }

    pub(super) fn count(self) -> u32 {
        (self.0 >> 56) as u32
    }

    pub(super) fn bits(self) -> u32 {
        u32::from(self.0 as u8)
    }

    /// This entry behind one more byte, whose code has `bits` bits.
    fn behind(self, byte: u8, bits: u32) -> Self {
        let bytes = (self.0 << 8) & 0x00ff_ffff_ffff_0000 | u64::from(byte) << 8;
        let counts = (self.0 & 0xff00_0000_0000_00ff) + (1 << 56) + u64::from(bits);
        Entry(bytes | counts)
    }
}

impl Table {
    /// The table of a code for indices of `width` bits.
    pub(super) fn new(lengths: &Lengths, width: u32) -> Self {
        let order: Vec<(u8, u32)> = lengths.in_order().collect();
        // Codes of two bits and more leave no room for too many bytes.
        let has_short = order.first().is_some_and(|(_, length)| *length == 1);
        // The tables of no bits, one bit and so on. Behind a code of a table come the entries of a
        // smaller one.
        let mut tables: Vec<Vec<Entry>> = vec![vec![Entry::default()]];
        for bits in 1..=width {
            let mut entries = Vec::with_capacity(1 << bits);
            for &(byte, length) in order.iter().take_while(|(_, length)| *length <= bits) {
                let smaller = (bits - length) as usize;
                match has_short {
                    true => entries.extend(
                        (0..1 << smaller).map(|i| few(&tables[..=smaller], i).behind(byte, length)),
                    ),
                    false => {
                        let rest = tables[smaller].iter();
                        entries.extend(rest.map(|entry| entry.behind(byte, length)));
                    }
                }
            }
            // Longer codes begin so.
            entries.resize(1 << bits, Entry::default());
            tables.push(entries);
        }
        Table {
            width,
            entries: tables.pop().unwrap_or_default(),
        }
    }

    /// The table as one of [`LONGEST`] bits, if it is.
    pub(super) fn widest(&self) -> Option<&Widest> {
        self.entries.as_slice().try_into().ok()
    }

    /// The entry of the highest bits.
    pub(super) fn entry(&self, bits: u64) -> Entry {
        let index = bits >> (64 - self.width);
        self.entries
            .get(index as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// The entry of index `i` of the last table, or as much of it as leaves room for another byte.
fn few(tables: &[Vec<Entry>], mut i: usize) -> Entry {
    for table in tables.iter().rev() {
        if table[i].count() < MOST as u32 {
            return table[i];
        }
        i >>= 1;
    }
    Entry::default()
}
