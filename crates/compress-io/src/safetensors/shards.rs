//! Checkpoints of several files: an index that says in which file each tensor is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use compress_core::{Error, Result, file};
use serde::{Deserialize, Serialize};

use super::{Safetensors, create};
use crate::dtype::TensorInfo;
use crate::metadata::Metadata;
use crate::source::{Plan, Sink, Source};

/// The index.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Index {
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
    weight_map: BTreeMap<String, String>,
}

/// Several files, read as one.
#[derive(Debug)]
pub struct Shards {
    files: Vec<Safetensors>,
    paths: Vec<PathBuf>,
    tensors: Vec<TensorInfo>,
    /// File and position there of each tensor.
    places: Vec<(usize, usize)>,
    metadata: Metadata,
}

impl Shards {
    /// Opens the files that an index names, `model.safetensors.index.json`, which lie beside it.
    /// Tensors are in the order of the files' names.
    ///
    /// # Errors
    /// Where a file cannot be read or is none, the index names a file elsewhere, a tensor is not
    /// where the index says, or is in two files.
    pub fn open(index: impl AsRef<Path>) -> Result<Self> {
        let path = index.as_ref();
        let json = file::read(path)?;
        let parsed: std::result::Result<Index, _> = serde_json::from_slice(&json);
        let index = parsed.map_err(|e| file::at(path, Error::other(e)))?;
        let refuse = |what: String, value: &str, expected: &str| {
            file::at(path, Error::invalid(what, value, expected))
        };
        let names: HashSet<&String> = index.weight_map.values().collect();
        let mut names: Vec<&String> = names.into_iter().collect();
        names.sort();
        let mut shards = Shards {
            files: Vec::new(),
            paths: Vec::new(),
            tensors: Vec::new(),
            places: Vec::new(),
            metadata: Vec::new(),
        };
        let mut seen = BTreeMap::new();
        for (number, name) in names.into_iter().enumerate() {
            let mut parts = Path::new(name).components();
            let is_plain = matches!(parts.next(), Some(Component::Normal(_)));
            if !is_plain || parts.next().is_some() {
                let expected = "the name of a file beside the index";
                return Err(refuse("a shard".into(), name, expected));
            }
            let opened = Safetensors::open(path.with_file_name(name))?;
            for (position, info) in opened.tensors().iter().enumerate() {
                if seen.insert(info.name.clone(), name).is_some() {
                    let what = format!("the second shard with tensor {}", info.name);
                    return Err(refuse(what, name, "none"));
                }
                shards.places.push((number, position));
                shards.tensors.push(info.clone());
            }
            if number == 0 {
                shards.metadata.clone_from(opened.metadata());
            }
            shards.files.push(opened);
            shards.paths.push(path.with_file_name(name));
        }
        for (tensor, name) in &index.weight_map {
            if seen.get(tensor) != Some(&name) {
                let what = format!("the shard of tensor {tensor}");
                return Err(refuse(what, name, "a file that has it"));
            }
        }
        Ok(shards)
    }
}

impl Source for Shards {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let (file, position) = self.places[index];
        self.files[file].bytes(position)
    }

    fn more_files(&self) -> Vec<PathBuf> {
        self.paths.clone()
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        let (file, position) = self.places[index];
        self.files[file].release(position, bytes);
    }
}

/// Begins a checkpoint of several files and its index `NAME.safetensors.index.json`, each file with
/// as many tensors as fit into `most` bytes, at least one: `NAME-00001-of-00003.safetensors`.
///
/// # Errors
/// As [`create`]; where `index` is not so named.
pub fn create_shards(index: &Path, plan: &Plan, most: u64) -> Result<Box<dyn Sink>> {
    let name = index.file_name().unwrap_or_default().to_string_lossy();
    let Some(stem) = name.strip_suffix(".safetensors.index.json") else {
        let expected = "NAME.safetensors.index.json";
        return Err(Error::invalid("the name of an index", &*name, expected));
    };
    let mut parts: Vec<(u64, Plan)> = Vec::new();
    for info in &plan.tensors {
        let bytes = info.bytes()?;
        let fits = parts
            .last()
            .is_some_and(|(used, _)| used.saturating_add(bytes) <= most);
        if !fits {
            let metadata = plan.metadata.clone();
            let tensors = Vec::new();
            parts.push((0, Plan { tensors, metadata }));
        }
        if let Some((used, part)) = parts.last_mut() {
            *used = used.saturating_add(bytes);
            part.tensors.push(info.clone());
        }
    }
    let mut written = Index::default();
    let total = parts
        .iter()
        .fold(0_u64, |sum, (bytes, _)| sum.saturating_add(*bytes));
    written.metadata.insert("total_size".into(), total.into());
    let count = parts.len();
    let mut files = Vec::new();
    for (number, (bytes, part)) in parts.into_iter().enumerate() {
        let name = format!("{stem}-{:05}-of-{count:05}.safetensors", number + 1);
        for info in &part.tensors {
            written.weight_map.insert(info.name.clone(), name.clone());
        }
        files.push((index.with_file_name(name), bytes, part));
    }
    files.reverse();
    let mut sink = Writer {
        index: index.to_owned(),
        json: serde_json::to_vec_pretty(&written).map_err(Error::other)?,
        pending: files,
        current: None,
    };
    sink.advance()?;
    Ok(Box::new(sink))
}

/// Writes file after file.
struct Writer {
    index: PathBuf,
    json: Vec<u8>,
    /// Path, bytes and content of the files that are to come, the next one last.
    pending: Vec<(PathBuf, u64, Plan)>,
    current: Option<(Box<dyn Sink>, u64)>,
}

impl Writer {
    /// Completes the current file if it is full, and begins the next.
    fn advance(&mut self) -> Result<()> {
        while self
            .current
            .as_ref()
            .is_none_or(|(_, missing)| *missing == 0)
        {
            if let Some((full, _)) = self.current.take() {
                full.finish()?;
            }
            let Some((path, bytes, part)) = self.pending.pop() else {
                return Ok(());
            };
            self.current = Some((create(&path, &part)?, bytes));
        }
        Ok(())
    }
}

impl Sink for Writer {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let Some((sink, missing)) = &mut self.current else {
                let what = "the bytes behind the last tensor";
                return Err(Error::invalid(what, bytes.len(), "none"));
            };
            let (now, later) = bytes.split_at((*missing).min(bytes.len() as u64) as usize);
            sink.write(now)?;
            *missing -= now.len() as u64;
            bytes = later;
            self.advance()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if let Some((sink, _)) = self.current.take() {
            sink.finish()?;
        }
        if let Some((path, ..)) = self.pending.last() {
            let what = "a file that is missing";
            return Err(Error::invalid(what, path.display(), "written"));
        }
        file::write(&self.index, &self.json)
    }
}
