//! Writing arrays, alone and as an archive.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use compress_core::{Error, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{archive, array};
use crate::source::{Plan, Sink};
use crate::stream_file::StreamFile;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// Begins a file of one array. Its name is that of the file: the tensor's is lost. Metadata has no
/// place in it.
///
/// # Errors
/// Where there is not one tensor, it has a type that numpy lacks, or the file cannot be written.
pub fn create_array(path: &Path, plan: &Plan) -> Result<Box<dyn Sink>> {
    let [info] = plan.tensors.as_slice() else {
        let what = "the number of tensors of an npy file";
        return Err(Error::invalid(
            what,
            plan.tensors.len(),
            "1; npz has several",
        ));
    };
    let header = array::header(info)?;
    let tensors = vec![(info.name.clone(), info.bytes()?)];
    Ok(Box::new(StreamFile::create(path, &header, tensors, 1)?))
}

/// Begins an archive, in which arrays are stored as they are. Its bytes follow from the tensors
/// alone. Metadata has no place in it.
///
/// # Errors
/// Where a tensor has a type that numpy lacks or a name that another has, or the file cannot be
/// written.
pub fn create(path: &Path, plan: &Plan) -> Result<Box<dyn Sink>> {
    let mut names = HashSet::new();
    let mut pending = Vec::with_capacity(plan.tensors.len());
    for info in plan.tensors.iter().rev() {
        if info.name.is_empty() || !names.insert(&info.name) {
            let expected = "one that no other has";
            return Err(Error::invalid(
                "the name of a tensor",
                format!("{:?}", info.name),
                expected,
            ));
        }
        pending.push((info.name.clone(), array::header(info)?, info.bytes()?));
    }
    let file = File::create(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let mut writer = Writer {
        path: path.to_owned(),
        to: ZipWriter::new(BufWriter::with_capacity(BUFFER, file)),
        pending,
        current: String::new(),
        missing: 0,
    };
    writer.advance()?;
    Ok(Box::new(writer))
}

/// How many bytes stand before the values of one array.
pub(crate) fn array_header_bytes(plan: &Plan) -> Result<u64> {
    let headers = plan.tensors.iter().map(array::header);
    headers.map(|header| Ok(header?.len() as u64)).sum()
}

/// How many bytes an archive has beside the values: those of each member's header here and in the
/// directory, and the end. Members and archives beyond 4 GiB have some dozens more.
pub(crate) fn header_bytes(plan: &Plan) -> Result<u64> {
    const LOCAL: usize = 30;
    const CENTRAL: usize = 46;
    const END: u64 = 22;
    let names = plan
        .tensors
        .iter()
        .map(|info| info.name.len() + archive::ENDING.len());
    let names: usize = names.map(|name| LOCAL + CENTRAL + 2 * name).sum();
    Ok(array_header_bytes(plan)? + names as u64 + END)
}

/// Writes member after member.
struct Writer {
    path: PathBuf,
    to: ZipWriter<BufWriter<File>>,
    /// Names, headers and bytes behind them of those that are to come, the next one last.
    pending: Vec<(String, Vec<u8>, u64)>,
    /// The current one, and what is missing of it.
    current: String,
    missing: u64,
}

impl Writer {
    /// Begins members up to the first that has bytes.
    fn advance(&mut self) -> Result<()> {
        while self.missing == 0
            && let Some((name, header, bytes)) = self.pending.pop()
        {
            let is_large = bytes.saturating_add(header.len() as u64) >= u32::MAX.into();
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .last_modified_time(DateTime::default())
                .unix_permissions(0o644)
                .large_file(is_large);
            let begun = self
                .to
                .start_file(format!("{name}{}", archive::ENDING), options);
            begun.map_err(|error| Error::Other(format!("tensor {name}: {error}").into()))?;
            self.to.write_all(&header).map_err(|e| self.io(e))?;
            self.current = name;
            self.missing = bytes;
        }
        Ok(())
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl Sink for Writer {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.missing == 0 {
                let what = format!(
                    "the bytes behind the last tensor of {}",
                    self.path.display()
                );
                return Err(Error::invalid(what, bytes.len(), "none"));
            }
            let (now, later) = bytes.split_at(self.missing.min(bytes.len() as u64) as usize);
            self.to.write_all(now).map_err(|e| self.io(e))?;
            self.missing -= now.len() as u64;
            bytes = later;
            self.advance()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        if self.missing > 0 {
            let what = format!("the bytes that are missing of {}", self.current);
            return Err(Error::invalid(what, self.missing, "none"));
        }
        let Writer { path, to, .. } = *self;
        let io = |source| Error::Io {
            path: path.clone(),
            source,
        };
        let mut to = to.finish().map_err(|error| io(error.into()))?;
        to.flush().map_err(io)?;
        to.get_ref().sync_all().map_err(io)
    }
}
