//! The members of a zip archive, and their bytes.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::ops::Range;

use compress_core::{Error, Result};
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

/// How the names of members end.
pub(super) const ENDING: &str = ".npy";

/// A file within the archive.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name without [`ENDING`].
    pub(super) name: String,
    /// Where its bytes are, as they are stored.
    pub(super) range: Range<usize>,
    is_deflated: bool,
    /// The bytes that it has, or claims to have once inflated.
    pub(super) size: u64,
    crc: u32,
}

/// The members of the archive `file`.
pub(super) fn members(file: &[u8]) -> Result<Vec<Member>> {
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(Error::other)?;
    if archive.has_duplicate_names() {
        return Err(Error::invalid(
            "a name of the archive",
            "there twice",
            "there once",
        ));
    }
    let members = (0..archive.len()).map(|number| member(&mut archive, number, file.len()));
    let members: Vec<Member> = members.collect::<Result<_>>()?;
    let mut order: Vec<&Member> = members.iter().collect();
    order.sort_by_key(|member| (member.range.start, member.range.end));
    if let Some(pair) = order
        .windows(2)
        .find(|pair| pair[1].range.start < pair[0].range.end)
    {
        let what = format!("the place of member {}", pair[1].name);
        let found = format!("upon that of {}", pair[0].name);
        return Err(Error::invalid(what, found, "its own"));
    }
    Ok(members)
}

/// Room for as many bytes as a member claims.
fn memory(bytes: u64, name: &str) -> Result<Vec<u8>> {
    let mut room = Vec::new();
    let reserved = usize::try_from(bytes).map(|bytes| room.try_reserve_exact(bytes));
    match reserved {
        Ok(Ok(())) => Ok(room),
        _ => Err(Error::invalid(
            format!("the claimed size of member {name}"),
            bytes,
            "within this machine's memory",
        )),
    }
}

fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, number: usize, length: usize) -> Result<Member> {
    let entry = archive.by_index_raw(number).map_err(Error::other)?;
    let name = str::from_utf8(entry.name_raw()).map_err(Error::other)?;
    let refuse = |what: &str, value: String, expected: String| {
        Err(Error::invalid(
            format!("{what} of member {name}"),
            value,
            expected,
        ))
    };
    let Some(tensor) = name
        .strip_suffix(ENDING)
        .filter(|tensor| !tensor.is_empty())
    else {
        let expected = "NAME.npy, as all of an npz archive";
        return refuse("the name", format!("{name:?}"), expected.into());
    };
    if entry.encrypted() {
        return refuse("the encryption", "there".into(), "none".into());
    }
    let is_deflated = match entry.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::DEFLATE => true,
        other => {
            return refuse(
                "the compression",
                other.to_string(),
                "none or deflate".into(),
            );
        }
    };
    let size = entry.size();
    let most = most(length);
    if size > most {
        let expected = format!("at most {most}: 16 times the archive and 64 MiB");
        return refuse("the claimed size", size.to_string(), expected);
    }
    let start = entry
        .data_start()
        .and_then(|start| usize::try_from(start).ok());
    let stored = usize::try_from(entry.compressed_size()).ok();
    let range = start
        .zip(stored)
        .and_then(|(start, stored)| Some(start..start.checked_add(stored)?));
    let Some(range) = range.filter(|range| range.end <= length) else {
        return refuse("the end", "beyond the archive".into(), "within it".into());
    };
    if !is_deflated && range.len() as u64 != size {
        let expected = format!("{}, the bytes that are stored", range.len());
        return refuse("the claimed size", size.to_string(), expected);
    }
    Ok(Member {
        name: tensor.to_owned(),
        range,
        is_deflated,
        size,
        crc: entry.crc32(),
    })
}

/// The most bytes that a member may inflate to.
fn most(archive: usize) -> u64 {
    (archive as u64).saturating_mul(16).saturating_add(64 << 20)
}

impl Member {
    /// Its bytes one after another, of those of the archive: at most as many as it claims.
    pub(super) fn reader<'a>(&self, file: &'a [u8]) -> Box<dyn Read + 'a> {
        let stored = &file[self.range.clone()];
        match self.is_deflated {
            true => Box::new(DeflateDecoder::new(stored).take(self.size)),
            false => Box::new(stored),
        }
    }

    /// All of its bytes, whose checksum agrees.
    pub(super) fn bytes<'a>(&self, file: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let stored = &file[self.range.clone()];
        let bytes = match self.is_deflated {
            true => Cow::Owned(self.inflated(stored)?),
            false => Cow::Borrowed(stored),
        };
        let found = crc32fast::hash(&bytes);
        if found != self.crc {
            let what = format!("the checksum of member {}", self.name);
            return Err(Error::invalid(
                what,
                format!("{found:08x}"),
                format!("{:08x}", self.crc),
            ));
        }
        Ok(bytes)
    }

    fn inflated(&self, stored: &[u8]) -> Result<Vec<u8>> {
        // One byte more, so that a member of more than it claims is seen.
        let mut bytes = memory(self.size.saturating_add(1), &self.name)?;
        let mut from = DeflateDecoder::new(stored).take(self.size.saturating_add(1));
        from.read_to_end(&mut bytes).map_err(Error::other)?;
        if bytes.len() as u64 != self.size {
            let what = format!("the claimed size of member {}", self.name);
            let found = match bytes.len() as u64 > self.size {
                true => "what it inflates to, which is more".to_owned(),
                false => format!("{}, what it inflates to", bytes.len()),
            };
            return Err(Error::invalid(what, self.size, found));
        }
        Ok(bytes)
    }
}
