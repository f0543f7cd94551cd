//! What the bytes of an element are.

use compress_core::{Error, Result};

use crate::coding::reader::Reader;
use crate::coding::varint;

/// The most bytes of an element.
pub(super) const LARGEST: usize = 4096;
/// The bytes of elements in a chunk.
pub(super) const CHUNK: usize = 1 << 18;

/// How the bytes of an element are cut into runs. The bytes of a run are alike in all elements, so
/// they are coded together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    runs: Vec<usize>,
    /// Whether the sign, the top bit, becomes the lowest one, so that the exponent begins at the top.
    moves_sign: bool,
}

impl Layout {
    /// Floating-point numbers of 2, 4 or 8 bytes.
    ///
    /// # Errors
    /// Where `size` is another.
    pub fn floats(size: usize) -> Result<Self> {
        Self::new(vec![1; size], true)
    }

    /// Elements each of whose bytes is a run: whole numbers.
    ///
    /// # Errors
    /// Where `size` is 0 or more than 4096.
    pub fn integers(size: usize) -> Result<Self> {
        Self::new(vec![1; size], false)
    }

    /// Elements of runs of so many bytes: blocks.
    ///
    /// # Errors
    /// Where there is none, one is empty, or they are more than 4096 bytes.
    pub fn runs(runs: &[usize]) -> Result<Self> {
        Self::new(runs.to_vec(), false)
    }

    fn new(runs: Vec<usize>, moves_sign: bool) -> Result<Self> {
        let layout = Layout { runs, moves_sign };
        let size = layout
            .runs
            .iter()
            .try_fold(0_usize, |a, &b| a.checked_add(b));
        let wrong = match size {
            Some(1..=LARGEST) => layout.runs.contains(&0) || moves_sign && !layout.has_sign(),
            _ => true,
        };
        match wrong {
            false => Ok(layout),
            true => {
                let expected = "1 to 4096 bytes in runs that are not empty; 2, 4 or 8 single bytes \
                                where a sign is moved";
                Err(Error::invalid(
                    "the runs of an element",
                    format!("{:?}", layout.runs),
                    expected,
                ))
            }
        }
    }

    fn has_sign(&self) -> bool {
        matches!(self.word(), Some(2 | 4 | 8))
    }

    /// Fails where the bytes are no whole elements.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len().is_multiple_of(self.size()) {
            return Ok(());
        }
        let expected = format!("a multiple of {}", self.size());
        Err(Error::invalid("the number of bytes", bytes.len(), expected))
    }

    /// The bytes of an element.
    pub fn size(&self) -> usize {
        self.runs.iter().sum()
    }

    /// The bytes of elements in a chunk, of which there is at least one.
    pub(super) fn chunk_bytes(&self) -> usize {
        CHUNK / self.size() * self.size()
    }

    /// The bytes of an element that is one number: each is a run, and they are 1, 2, 4 or 8.
    pub(super) fn word(&self) -> Option<usize> {
        let is_word =
            matches!(self.runs.len(), 1 | 2 | 4 | 8) && self.runs.iter().all(|&run| run == 1);
        is_word.then_some(self.runs.len())
    }

    /// By how many bits elements that are one number are rotated to the left.
    pub(super) fn rotated(&self) -> u32 {
        self.moves_sign.into()
    }

    /// Where each run begins in an element, and how many bytes it has.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.runs.iter().scan(0, |at, &run| {
            *at += run;
            Some((*at - run, run))
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.push(self.moves_sign.into());
        varint::write(to, self.runs.len() as u64);
        for &run in &self.runs {
            varint::write(to, run as u64);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let start = reader.clone();
        let moves_sign = match reader.byte("whether signs are moved")? {
            flag @ (0 | 1) => flag == 1,
            flag => return Err(start.error(format!("whether signs are moved is {flag}"))),
        };
        let count = reader.varint(LARGEST, "the number of runs")?;
        let runs = (0..count).map(|_| reader.varint(LARGEST, "the bytes of a run"));
        let layout = Self::new(runs.collect::<Result<_>>()?, moves_sign);
        layout.map_err(|fault| start.error(fault.to_string()))
    }
}
