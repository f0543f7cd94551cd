//! `mcompress pack`: files into a smaller one, without loss.

use std::fs::File;
use std::path::{Path, PathBuf};

use compress_core::{Error, Result};
use compress_io::Source;
use compress_io::safetensors::Shards;
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Done, Failure};
use crate::interrupt;
use crate::packed::{self, Packed};
use crate::size::{self, show};

/// Packs files into a smaller one, without loss: unpack gives the same bytes again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress pack model.safetensors -o model.cmp
  mcompress pack folder -o model.cmp

With an index model.safetensors.index.json go the files that it names; of a folder all files go, but
not those of folders in it. Each tensor is packed by itself, and can be taken out alone: see unpack.
What is pruned or quantized becomes smaller by as much.")]
pub(crate) struct Pack {
    /// A file, an index of several, or a folder
    input: PathBuf,
    /// The file that is written
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    output: PathBuf,
    /// About how much memory may be used
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "512MB")]
    max_mem: u64,
}

#[derive(Serialize)]
struct Report {
    file: String,
    files: Vec<Line>,
    /// Of the files together.
    from: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Line {
    name: String,
    bytes: u64,
    tensors: usize,
}

impl Pack {
    pub(super) fn run(self, console: &Console) -> Done {
        let mut files = files(&self.input)?;
        // A file that is packed into itself would grow each time.
        let output = std::fs::canonicalize(&self.output).ok();
        files.retain(|path| output.is_none() || std::fs::canonicalize(path).ok() != output);
        let draft = interrupt::draft(&self.output)?;
        let path = draft.path();
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let memory = usize::try_from(self.max_mem).unwrap_or(usize::MAX);
        let packed = packed::pack(console, &paths, &path, memory);
        let packed = packed.map_err(|error| Failure::while_writing(error, &path))?;
        console.clear();
        let checked = std::thread::scope(|scope| {
            // Meanwhile it goes to the disk; what fails there fails again when it is published.
            scope.spawn(|| File::open(&path).and_then(|file| file.sync_all()));
            check(console, &path, memory)
        });
        checked.map_err(Failure::Output)?;
        let bytes = draft.publish().map_err(Failure::Output)?;
        let lines = packed.iter().map(|line| Line {
            name: line.name.clone(),
            bytes: line.bytes,
            tensors: line.tensors,
        });
        let report = Report {
            file: self.output.display().to_string(),
            files: lines.collect(),
            from: packed.iter().map(|line| line.bytes).sum(),
            bytes,
        };
        console.result(&report, &text(&report))
    }
}

fn text(report: &Report) -> String {
    let tensors: usize = report.files.iter().map(|line| line.tensors).sum();
    let share = 100.0 * report.bytes as f64 / (report.from as f64).max(1.0);
    format!(
        "{}: {} files, {tensors} tensors, {} -> {}, {share:.1} %",
        report.file,
        report.files.len(),
        show(report.from),
        show(report.bytes)
    )
}

/// The files that are packed.
fn files(input: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io {
        path: input.to_owned(),
        source,
    };
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    if input.is_dir() {
        let entries: std::io::Result<Vec<_>> = std::fs::read_dir(input).and_then(Iterator::collect);
        let paths = entries.map_err(io)?.into_iter().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
        files.sort();
        return match files.is_empty() {
            true => Err(io(std::io::Error::other("a folder without files"))),
            false => Ok(files),
        };
    }
    let mut files = vec![input.to_owned()];
    if name.ends_with(".safetensors.index.json") {
        // Names elsewhere, or of files that are none, are refused here.
        files.extend(Shards::open(input)?.more_files());
    }
    Ok(files)
}

/// Opens a packed file again, and unpacks all of it to nowhere.
fn check(console: &Console, path: &Path, memory: usize) -> Result<()> {
    let mut packed = Packed::open(path)?;
    let total = packed.files().iter().map(|line| line.bytes).sum();
    let mut done = 0;
    for index in 0..packed.files().len() {
        let name = packed.files()[index].name.clone();
        packed.copy(index, memory, &mut std::io::sink(), |bytes| {
            done += bytes;
            console.progress("checking", &name, done, total);
        })?;
    }
    console.clear();
    Ok(())
}
