//! The IDX format of MNIST's images and labels, plain or compressed with gzip.
//!
//! # References
//! LeCun, Cortes, Burges, *The MNIST database of handwritten digits*, "File formats".

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::{Error, Result};

/// Where the bytes of an IDX file are. They may be gzip, which the first two bytes tell.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// On disk.
    Path(&'a Path),
    /// In memory.
    Bytes(&'a [u8]),
}

/// The images of an IDX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// `[images, height, width]`, row-major.
    pub pixels: Vec<u8>,
}

/// Reads images: unsigned bytes in three dimensions.
///
/// # Errors
/// Where the file cannot be read, is cut off or too long, is of another kind, or holds no image.
/// Allocates no more than a bounded multiple of the file's length.
pub fn read_images<'a>(source: impl Into<Source<'a>>) -> Result<Images> {
    let ([_, height, width], pixels) = read::<3>(source.into(), "images")?;
    Ok(Images {
        height,
        width,
        pixels,
    })
}

/// Reads labels: unsigned bytes in one dimension.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels<'a>(source: impl Into<Source<'a>>) -> Result<Vec<u32>> {
    let ([_], labels) = read::<1>(source.into(), "labels")?;
    Ok(labels.into_iter().map(u32::from).collect())
}

impl<'a> From<&'a Path> for Source<'a> {
    fn from(path: &'a Path) -> Self {
        Source::Path(path)
    }
}

impl<'a> From<&'a PathBuf> for Source<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Source::Path(path)
    }
}

impl<'a> From<&'a str> for Source<'a> {
    fn from(path: &'a str) -> Self {
        Source::Path(Path::new(path))
    }
}

impl<'a> From<&'a [u8]> for Source<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Source::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Source<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Source::Bytes(bytes)
    }
}

/// How a member of a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a file of `RANK` dimensions; returns them and its bytes.
fn read<const RANK: usize>(source: Source<'_>, kind: &str) -> Result<([usize; RANK], Vec<u8>)> {
    let (name, bytes) = match source {
        Source::Bytes(bytes) => ("the IDX data".to_owned(), Cow::Borrowed(bytes)),
        Source::Path(path) => {
            let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
            (path.display().to_string(), Cow::Owned(bytes))
        }
    };
    let parsed = if bytes.starts_with(&GZIP) {
        parse(Gzip::new(&bytes), most_inflated(bytes.len()), kind)
    } else {
        parse(&*bytes, bytes.len(), kind)
    };
    parsed.map_err(|reason| Error::Idx { name, reason })
}

/// What is compressed in a gzip file: one member or several, then nothing but padding with zeros,
/// which tapes and some tools leave.
struct Gzip<'a>(GzDecoder<&'a [u8]>);

impl<'a> Gzip<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Gzip(GzDecoder::new(bytes))
    }
}

impl Read for Gzip<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.0.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            let rest: &[u8] = self.0.get_ref();
            if rest.iter().all(|byte| *byte == 0) {
                return Ok(0);
            }
            if !rest.starts_with(&GZIP) {
                let count = rest.len();
                let reason = format!("{count} bytes that are not gzip follow the compressed data");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
            }
            self.0 = GzDecoder::new(rest);
        }
    }
}

/// Deflate makes at most 1,032 bytes from one.
fn most_inflated(compressed: usize) -> usize {
    compressed.saturating_mul(1032)
}

/// Parses the bytes of `reader`, of which there are at most `most`.
fn parse<const RANK: usize>(
    mut reader: impl Read,
    most: usize,
    kind: &str,
) -> Result<([usize; RANK], Vec<u8>), String> {
    /// The third byte of the magic number: unsigned bytes.
    const UNSIGNED_BYTES: u8 = 8;
    let mut word = |what: &str| {
        let mut word = [0; 4];
        let read = reader.read_exact(&mut word);
        read.map_err(|error| format!("cannot read {what}: {error}"))?;
        Ok::<_, String>(word)
    };
    let magic = word("the magic number")?;
    let expected = [0, 0, UNSIGNED_BYTES, RANK as u8];
    if magic != expected {
        return Err(format!(
            "the magic number is {magic:02x?}, but {kind} need {expected:02x?}"
        ));
    }
    let mut shape = [0; RANK];
    for length in &mut shape {
        *length = u32::from_be_bytes(word("the lengths")?) as usize;
    }
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &length| count.checked_mul(length));
    let count = match count {
        Some(0) => return Err(format!("it holds no {kind}: the lengths are {shape:?}")),
        Some(count) if count < most => count,
        _ => {
            return Err(format!(
                "the lengths {shape:?} need more bytes than there are"
            ));
        }
    };
    let mut values = Vec::new();
    reader
        .take(count as u64 + 1)
        .read_to_end(&mut values)
        .map_err(|error| format!("cannot read the values: {error}"))?;
    match values.len() {
        found if found < count => Err(format!("it is cut off: {found} of {count} values")),
        found if found > count => Err(format!("it goes on after its {count} values")),
        _ => Ok((shape, values)),
    }
}
