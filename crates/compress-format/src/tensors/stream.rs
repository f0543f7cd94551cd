//! The bytes of a range coder within the file: their number, one flag, themselves.

use crate::coding::matrix::geometry::Geometry;
use crate::coding::reader::Reader;
use crate::coding::varint;
use crate::front::Pooling;
use compress_core::Result;

/// Appends `coded`, and a flag that the reader needs to decode it.
pub(crate) fn write(bytes: &mut Vec<u8>, coded: &[u8], flag: bool) {
    varint::write(bytes, (coded.len() as u64) << 1 | u64::from(flag));
    bytes.extend_from_slice(coded);
}

/// Reads what [`write`] wrote.
pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], bool)> {
    let header = reader.varint(usize::MAX, "the length of coded bytes")?;
    Ok((reader.take(header >> 1, "what is coded")?, header & 1 == 1))
}

/// How the columns of a tensor may be arranged: in a line, or as the pixels of images.
#[derive(Clone, Debug)]
pub(crate) struct Arrangements {
    pub(crate) line: Geometry,
    pub(crate) image: Option<Geometry>,
}

impl Arrangements {
    /// For a tensor whose columns have no order of their own.
    pub(crate) fn line(columns: usize) -> Self {
        Arrangements {
            line: Geometry::line(columns),
            image: None,
        }
    }

    /// For a tensor with a column for each (selected) feature. The columns are the pixels of a
    /// pyramid if a front gives one. Otherwise the image is taken to be square, with one channel or
    /// three; the writer tries it with and without the image. The output of [`Pooling::TentPool`] is
    /// also taken to be square, even where it is not, because existing files were written so.
    pub(crate) fn features(
        front: Option<Pooling>,
        features: usize,
        selected: Option<&[u32]>,
    ) -> Self {
        let line = Geometry::line(selected.map_or(features, <[u32]>::len));
        if let Some(front @ Pooling::TentPyramid { .. }) = front {
            let image = Geometry::images(front.images(), selected);
            return Arrangements { line, image };
        }
        let width = [1, 3].into_iter().find_map(|channels| {
            let width = (features / channels).isqrt();
            (width > 1 && channels * width * width == features).then_some(width)
        });
        Arrangements {
            line,
            image: width.and_then(|width| Geometry::image(features, selected, width)),
        }
    }

    /// Appends the shorter output of `encode` over all arrangements.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>, encode: impl Fn(&Geometry) -> Vec<u8>) {
        let line = encode(&self.line);
        match self.image.as_ref().map(encode) {
            Some(image) if image.len() < line.len() => write(bytes, &image, true),
            _ => write(bytes, &line, false),
        }
    }

    /// Reads what [`Arrangements::write`] wrote: the coded bytes, and how they were arranged.
    pub(crate) fn read<'a>(&self, reader: &mut Reader<'a>) -> Result<(&'a [u8], &Geometry)> {
        let start = reader.clone();
        let (coded, image) = read(reader)?;
        match (image, &self.image) {
            (false, _) => Ok((coded, &self.line)),
            (true, Some(image)) => Ok((coded, image)),
            (true, None) => Err(start.error("columns that are no image are coded as one")),
        }
    }
}
