//! Memory that a thread keeps from one product to the next.

use std::cell::RefCell;

/// Floats of a cache line.
const LINE: usize = 16;

thread_local! {
    /// Buffers that nobody uses at the moment.
    static BUFFERS: RefCell<Vec<Vec<f32>>> = RefCell::default();
}

/// Floats from the beginning of a cache line on, which go back to the thread in the end.
pub(super) struct Buffer {
    floats: Vec<f32>,
    skip: usize,
    length: usize,
}

impl Buffer {
    /// `length` floats of any value.
    pub(super) fn take(length: usize) -> Self {
        let kept = BUFFERS.with_borrow_mut(Vec::pop);
        let mut floats = kept.unwrap_or_default();
        if floats.len() < length + LINE {
            floats.resize(length + LINE, 0.0);
        }
        let skip = floats.as_ptr().align_offset(LINE * size_of::<f32>());
        Buffer {
            floats,
            skip: skip.min(LINE),
            length,
        }
    }

    pub(super) fn floats(&self) -> &[f32] {
        &self.floats[self.skip..][..self.length]
    }

    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        &mut self.floats[self.skip..][..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let floats = std::mem::take(&mut self.floats);
        BUFFERS.with_borrow_mut(|buffers| buffers.push(floats));
    }
}
