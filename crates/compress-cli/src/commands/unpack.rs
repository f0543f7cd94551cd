//! `mcompress unpack`: packed files as they were.

use std::fs::File;
use std::path::{Path, PathBuf};

use compress_core::Error;
use compress_io::{Checkpoint, Format, Plan, Source, TensorInfo};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Done, Failure, usage};
use crate::interrupt;
use crate::packed::{self, Behind, Packed};
use crate::size::{self, show};

/// Unpacks what pack wrote: the same files, byte for byte, or a single tensor
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress unpack model.cmp -o folder/
  mcompress unpack model.cmp -o layer.safetensors --tensor model.layers.0.mlp.up_proj.weight

Of a single packed file, OUT is the name that the file gets, unless it is a folder or ends with a
slash. A tensor alone is read without the others.")]
pub(crate) struct Unpack {
    /// The file
    input: PathBuf,
    /// The folder that the files go into, which is made where it is missing; or a file
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    output: PathBuf,
    /// Take out this tensor alone, into a file of the format that its ending says
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// About how much memory may be used
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "512MB")]
    max_mem: u64,
}

#[derive(Serialize)]
struct Report {
    files: Vec<String>,
    bytes: u64,
}

impl Unpack {
    pub(super) fn run(self, console: &Console) -> Done {
        let mut packed = Packed::open(&self.input)?;
        let report = match &self.tensor {
            Some(name) => self.tensor(&mut packed, name)?,
            None => self.files(console, &mut packed)?,
        };
        let text = format!("{}: {}", report.files.join(", "), show(report.bytes));
        console.result(&report, &text)
    }

    fn memory(&self) -> usize {
        usize::try_from(self.max_mem).unwrap_or(usize::MAX)
    }

    fn files(&self, console: &Console, packed: &mut Packed) -> Done<Report> {
        let names: Vec<String> = packed
            .files()
            .iter()
            .map(|line| line.name.clone())
            .collect();
        let targets: Vec<PathBuf> = match names.as_slice() {
            [_] if !is_folder(&self.output) => vec![self.output.clone()],
            names => {
                let made = std::fs::create_dir_all(&self.output);
                made.map_err(|source| Failure::Output(io(&self.output, source)))?;
                names.iter().map(|name| self.output.join(name)).collect()
            }
        };
        let Some(first) = targets.first() else {
            return Err(usage("there are no files in it"));
        };
        let draft = interrupt::draft(first)?;
        let bytes = packed.files().iter().map(|line| line.bytes);
        let total = bytes.fold(0, u64::saturating_add);
        let mut done = 0;
        for (index, target) in targets.iter().enumerate() {
            let path = draft.beside(target.file_name().unwrap_or_default());
            let created =
                File::create(&path).map_err(|source| Failure::Output(io(&path, source)))?;
            let mut to = Behind::new(created);
            let copied = packed.copy(index, self.memory(), &mut to, |bytes| {
                done += bytes;
                console.progress("unpacking", &names[index], done, total);
            });
            let failed = to.failed();
            copied.map_err(|error| Failure::while_writing(failed.at(&path, error), &path))?;
            let written = to.finish();
            written.map_err(|source| Failure::Output(io(&path, source)))?;
        }
        let bytes = draft.publish().map_err(Failure::Output)?;
        let files = targets.iter().map(|path| path.display().to_string());
        Ok(Report {
            files: files.collect(),
            bytes,
        })
    }

    fn tensor(&self, packed: &mut Packed, name: &str) -> Done<Report> {
        let format = Format::by_ending(&self.output).map_err(usage)?;
        let mut parts = packed.parts(name).map_err(|error| match error {
            Error::UnknownTensor { .. } => usage(error),
            other => other.into(),
        })?;
        let dtype = packed::dtype(parts.label())?;
        let info = TensorInfo::new(name, dtype, parts.entry().shape.clone());
        let plan = Plan {
            tensors: vec![info],
            metadata: vec![("general.architecture".into(), "tensor".into())],
        };
        let draft = interrupt::draft(&self.output)?;
        let path = draft.path();
        let mut sink = format.create(&path, &plan).map_err(|error| match error {
            Error::Io { .. } => Failure::Output(error),
            other => usage(other),
        })?;
        let mut hasher = crc32fast::Hasher::new();
        while let Some(bytes) = packed.next_part(&mut parts, self.memory())? {
            hasher.update(bytes);
            sink.write(bytes).map_err(Failure::Output)?;
        }
        sink.finish().map_err(Failure::Output)?;
        let written = Checkpoint::open(&path).map_err(Failure::Output)?;
        let found = written.bytes(0).map_err(Failure::Output)?;
        if compress_io::checksum(&found) != hasher.finalize() {
            let what = format!("what was written of {name}");
            let error = Error::invalid(what, "other bytes", "as it was packed");
            return Err(Failure::Output(error));
        }
        drop(found);
        drop(written);
        let bytes = draft.publish().map_err(Failure::Output)?;
        Ok(Report {
            files: vec![self.output.display().to_string()],
            bytes,
        })
    }
}

/// Whether a path is a folder, or says by a slash at its end that it is to be one.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

fn io(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    Error::Io { path, source }
}
