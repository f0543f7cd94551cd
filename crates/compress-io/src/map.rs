//! A file as memory. The only unsafe code of this crate.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use compress_core::{Error, Result};
use memmap2::{Advice, Mmap};

/// A file that is read as if it were memory. Pages come in as they are read; [`Map::release`] gives
/// them back.
#[derive(Debug)]
pub(crate) struct Map {
    map: Mmap,
}

impl Map {
    /// Maps a file. Nobody may shorten or change it while it is mapped: a reader could then see
    /// bytes that change, or be ended by the system. All programs that map files share this.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is only read, and as bytes, for which every value is valid. That the file
        // stays as it is while it is mapped is asked of the caller above, and of the user in the
        // crate's documentation.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        // Advice is best effort: without it reading is slower, not wrong.
        let _ = map.advise(Advice::Sequential);
        Ok(Map { map })
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Gives pages back that lie in `range` as a whole. They come in again when they are read.
    pub(crate) fn release(&self, range: Range<usize>) {
        let page = 4096_usize;
        let start = range.start.next_multiple_of(page);
        let end = range.end.min(self.map.len()) / page * page;
        if start >= end {
            return;
        }
        // SAFETY: the pages are those of a file that is mapped for reading alone. Dropping them
        // loses nothing: what is read next is the file's content again.
        #[cfg(unix)]
        let _ = unsafe {
            self.map
                .unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
        };
    }
}
