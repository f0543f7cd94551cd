//! Where the values of each layout come from.

use super::layout::{BLOCK, Columns, Form, Order};
use crate::{Error, Result};

/// The kept elements, row by row.
pub(super) struct Kept {
    starts: Vec<usize>,
    pub columns: Vec<u32>,
}

/// Stands for an element that is stored without being kept: it is zero.
pub(super) const FILLER: u32 = u32::MAX;

impl Kept {
    pub(super) fn new(n: usize, k: usize, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = Kept {
            starts: vec![0],
            columns: Vec::new(),
        };
        for row in 0..n {
            let columns = (0..k).filter(|column| keep(row * k + column));
            kept.columns.extend(columns.map(|column| column as u32));
            kept.starts.push(kept.columns.len());
        }
        kept
    }

    fn row(&self, row: usize) -> &[u32] {
        match self.starts.get(row + 1) {
            Some(&end) => &self.columns[self.starts[row]..end],
            None => &[],
        }
    }

    /// Where the entries are in a dense matrix.
    pub(super) fn positions(&self, k: usize) -> impl Iterator<Item = usize> {
        (0..self.starts.len() - 1)
            .flat_map(move |row| self.row(row).iter().map(move |&c| row * k + c as usize))
    }

    pub(super) fn csr(&self, k: usize) -> (Form, Vec<u32>) {
        let order = Order::new(&self.starts);
        let sources = order.sources(&self.starts);
        let columns = if k <= 1 << 16 {
            let columns: Vec<u16> = self.columns.iter().map(|&c| c as u16).collect();
            Columns::Narrow(pick(&columns, &sources))
        } else {
            Columns::Wide(pick(&self.columns, &sources))
        };
        (Form::Csr { order, columns }, sources)
    }

    pub(super) fn bitmask(&self, k: usize) -> (Form, Vec<u32>) {
        let per_row = k.div_ceil(64);
        let mut words = vec![0u64; (self.starts.len() - 1) * per_row];
        for row in 0..self.starts.len() - 1 {
            for &column in self.row(row) {
                words[row * per_row + column as usize / 64] |= 1 << (column % 64);
            }
        }
        let form = Form::Bitmask {
            order: Order::new(&self.starts),
            words,
            starts: self.starts.clone(),
        };
        (form, (0..self.columns.len() as u32).collect())
    }

    pub(super) fn blocks(&self) -> (Form, Vec<u32>) {
        let n = self.starts.len() - 1;
        let (mut starts, mut columns, mut sources) = (vec![0], Vec::new(), Vec::new());
        for first in (0..n).step_by(BLOCK) {
            let mut used: Vec<u32> = (first..first + BLOCK)
                .flat_map(|row| self.row(row))
                .copied()
                .collect();
            used.sort_unstable();
            used.dedup();
            for &column in &used {
                sources.extend((first..first + BLOCK).map(|row| self.source(row, column)));
            }
            columns.extend(used);
            starts.push(columns.len());
        }
        (Form::Blocks { starts, columns }, sources)
    }

    pub(super) fn two_of_four(&self, k: usize) -> Result<(Form, Vec<u32>)> {
        if !k.is_multiple_of(4) {
            return Err(Error::invalid(
                "number of columns in groups of 2 of 4",
                k,
                "a multiple of 4",
            ));
        }
        let n = self.starts.len() - 1;
        let (mut positions, mut sources) = (Vec::new(), Vec::new());
        for first in (0..n).step_by(BLOCK) {
            for group in 0..k / 4 {
                let mut slots = [0u32; 2];
                let mut of_slots = [[FILLER; BLOCK]; 2];
                for (r, row) in (first..first + BLOCK).enumerate() {
                    let pair = self.pair(row, group as u32)?;
                    for (slot, &place) in pair.iter().enumerate() {
                        slots[slot] |= place << (2 * r);
                        of_slots[slot][r] = self.source(row, group as u32 * 4 + place);
                    }
                }
                positions.extend(slots);
                sources.extend(of_slots.concat());
            }
        }
        Ok((Form::TwoOfFour { positions }, sources))
    }

    /// The two positions of a group of a row that are stored: those kept, and the lowest of the
    /// others where there are fewer.
    fn pair(&self, row: usize, group: u32) -> Result<[u32; 2]> {
        let columns = self.row(row);
        let begin = columns.partition_point(|&c| c / 4 < group);
        let kept = || columns[begin..].iter().take_while(|&&c| c / 4 == group);
        if kept().count() > 2 {
            return Err(Error::invalid(
                format!("number of values kept in group {group} of row {row}"),
                kept().count(),
                "at most 2 of 4",
            ));
        }
        let mut pair: Vec<u32> = kept().map(|c| c % 4).collect();
        for other in 0..4 {
            if pair.len() < 2 && !pair.contains(&other) {
                pair.push(other);
            }
        }
        pair.sort_unstable();
        Ok([pair[0], pair[1]])
    }

    /// The number of an entry, or [`FILLER`] where it is not kept.
    fn source(&self, row: usize, column: u32) -> u32 {
        match self.row(row).binary_search(&column) {
            Ok(i) => (self.starts[row] + i) as u32,
            Err(_) => FILLER,
        }
    }
}

/// The values that come from `sources`, and zeros for [`FILLER`].
pub(super) fn pick<T: Copy + Default>(values: &[T], sources: &[u32]) -> Vec<T> {
    let pick = |&source: &u32| values.get(source as usize).copied().unwrap_or_default();
    sources.iter().map(pick).collect()
}
