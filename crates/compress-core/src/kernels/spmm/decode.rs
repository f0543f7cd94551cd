//! Slices of the layouts that keep positions in fewer bits, or values in int8.

use std::cell::Cell;
use std::ops::Range;

use super::layout::{BLOCK, Form, SLICE, Stored};
use super::storage::Sparse;

thread_local! {
    /// What the last product on the thread decoded into.
    static KEPT: Cell<Decoded> = Cell::default();
}

/// A slice with whole columns and f32 values.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub columns: Vec<u32>,
    pub values: Vec<f32>,
    /// Where each slot of the slice begins.
    slots: Vec<usize>,
}

impl Decoded {
    /// Lends the thread's own, so that a product allocates nothing that one before has.
    pub(super) fn lend<R>(run: impl FnOnce(&mut Decoded) -> R) -> R {
        let mut decoded = KEPT.take();
        let result = run(&mut decoded);
        KEPT.set(decoded);
        result
    }

    /// A slice of a bitmask.
    pub(super) fn bitmask(&mut self, w: &Sparse, slice: usize) {
        let Form::Bitmask {
            order,
            words,
            starts,
        } = &w.form
        else {
            return;
        };
        let lengths = &order.lengths[slice];
        self.slots.clear();
        let mut count = 0;
        for slot in 0..lengths[0] {
            self.slots.push(count);
            count += lengths.iter().filter(|&&length| length > slot).count();
        }
        self.columns.resize(count, 0);
        self.values.resize(count, 0.0);
        let (per_row, window) = (w.k.div_ceil(64), order.window(slice));
        for (r, &row) in order.slice_rows(slice).iter().enumerate() {
            let row = window + row as usize;
            let mut slots = self.slots.iter();
            for (i, &word) in words[row * per_row..][..per_row].iter().enumerate() {
                let mut rest = word;
                while rest != 0 {
                    if let Some(slot) = slots.next() {
                        self.columns[slot + r] = i as u32 * 64 + rest.trailing_zeros();
                    }
                    rest &= rest - 1;
                }
            }
            let range = starts[row]..starts[row + 1];
            let slots = self.slots.iter();
            match &w.values {
                Stored::F32(v) => slots
                    .zip(&v[range])
                    .for_each(|(slot, &v)| self.values[slot + r] = v),
                Stored::I8(v) => slots
                    .zip(&v[range])
                    .for_each(|(slot, &v)| self.values[slot + r] = v.into()),
            }
        }
    }

    /// A slice of groups of 2 of 4: half of a block's rows.
    pub(super) fn two_of_four(&mut self, w: &Sparse, slice: usize) {
        let Form::TwoOfFour { positions } = &w.form else {
            return;
        };
        let slots = w.k / 2;
        let (block, half) = (slice * SLICE / BLOCK, slice * SLICE % BLOCK);
        self.columns.resize(slots * SLICE, 0);
        self.values.resize(slots * SLICE, 0.0);
        let of_block = block * slots..(block + 1) * slots;
        let columns = self.columns.chunks_exact_mut(SLICE);
        for (slot, (&bits, to)) in positions[of_block.clone()].iter().zip(columns).enumerate() {
            let first = (slot / 2 * 4) as u32;
            for (r, to) in to.iter_mut().enumerate() {
                *to = first + (bits >> (2 * (half + r)) & 3);
            }
        }
        let of_block = of_block.start * BLOCK..of_block.end * BLOCK;
        let to = self.values.chunks_exact_mut(SLICE);
        match &w.values {
            Stored::F32(v) => {
                for (to, from) in to.zip(v[of_block].chunks_exact(BLOCK)) {
                    to.copy_from_slice(&from[half..half + SLICE]);
                }
            }
            Stored::I8(v) => {
                for (to, from) in to.zip(v[of_block].chunks_exact(BLOCK)) {
                    let from = &from[half..half + SLICE];
                    to.iter_mut().zip(from).for_each(|(to, &v)| *to = v.into());
                }
            }
        }
    }
}

/// Some values as f32: where they lie, or converted into `buffer`.
pub(super) fn decode_values<'a>(
    values: &'a Stored,
    range: Range<usize>,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    match values {
        Stored::F32(v) => &v[range],
        Stored::I8(v) => {
            buffer.clear();
            buffer.extend(v[range].iter().map(|&v| f32::from(v)));
            buffer
        }
    }
}
