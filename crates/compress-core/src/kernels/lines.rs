//! Memory that begins at a cache line, so that no load of a whole vector crosses one.

use super::memory;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

impl Line {
    const ZERO: Line = Line([0; LINE]);
}

/// Bytes that begin at a cache line and fill whole ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Zeros: at least `bytes`, rounded up to whole lines.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let mut lines = Lines::default();
        lines.grow(bytes);
        lines
    }

    /// As [`Lines::zeroed`]; none where memory does not hold as many.
    pub(crate) fn try_zeroed(bytes: Option<usize>) -> Option<Self> {
        let mut lines = Lines::default();
        lines.try_grow(bytes)?;
        Some(lines)
    }

    /// Makes room for at least `bytes`. What is added is zero; what is there stays.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let lines = bytes.div_ceil(LINE);
        if self.0.len() < lines {
            self.0.resize(lines, Line::ZERO);
        }
    }

    /// As [`Lines::grow`]; none where memory does not hold as many.
    pub(crate) fn try_grow(&mut self, bytes: Option<usize>) -> Option<()> {
        memory::grow(&mut self.0, Some(bytes?.div_ceil(LINE)), Line::ZERO)
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a line is `LINE` bytes without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }

    /// All bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably; every value of a byte is one.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }

    /// All bytes as floats.
    pub(crate) fn floats(&self) -> &[f32] {
        let length = self.0.len() * LINE / size_of::<f32>();
        // SAFETY: a line is whole floats without padding, more than aligned for them.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), length) }
    }

    /// All bytes as floats.
    pub(crate) fn floats_mut(&mut self) -> &mut [f32] {
        let length = self.0.len() * LINE / size_of::<f32>();
        // SAFETY: as above, and borrowed mutably; any bytes are a float.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) }
    }

    /// All bytes as floats of 64 bits.
    pub(crate) fn doubles_mut(&mut self) -> &mut [f64] {
        let length = self.0.len() * LINE / size_of::<f64>();
        // SAFETY: a line is whole floats without padding, more than aligned for them; borrowed
        // mutably; any bytes are a float.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) }
    }
}

const _: () = assert!(size_of::<Line>() == LINE);
