//! Weights in bf16 streamed from a file into one of ggml's blocks.
//!
//! The limit is the slowest of reading the one file, writing and syncing the other, and encoding
//! what is in memory, each timed by itself.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::quantize::blocks;
use compress_core::{Error, Result};
use compress_io::stream::{Encode, How, Options, Piece, Step, stream};
use compress_io::{Checkpoint, Dtype, Format, Plan, TensorInfo};
use rayon::prelude::*;

use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::{SIDE, weights};

/// Layers of [`SIDE`] × [`SIDE`]: 268 MB in bf16.
const LAYERS: usize = 8;
/// Bytes that are read or written at a time, and values that are encoded.
const PIECE: usize = 1 << 20;

pub(super) fn rows() -> Vec<Row> {
    let row = |format: BlockFormat| {
        let name = format!("stream/bf16_{}/{LAYERS}x{SIDE}x{SIDE}", format.name());
        Row::new(name, Unit::Milliseconds, move |bench| {
            measure(bench, format)
        })
    };
    vec![row(BlockFormat::Q8_0), row(BlockFormat::Q4_K)]
}

fn measure(bench: &Bench, format: BlockFormat) -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| io(&std::env::temp_dir(), error))?;
    let (from, to) = (
        folder.path().join("m.safetensors"),
        folder.path().join("m.gguf"),
    );
    let layer = weights(SIDE * SIDE);
    let plan = |dtype| Plan {
        tensors: (0..LAYERS)
            .map(|i| TensorInfo::new(format!("layers.{i}.weight"), dtype, [SIDE, SIDE]))
            .collect(),
        metadata: vec![("general.architecture".into(), "made".into())],
    };
    write_source(&from, &plan(Dtype::BF16), &layer)?;
    let plan = plan(Dtype::Block(format));
    let source = Checkpoint::open(&from)?;
    let steps: Vec<Step<'_>> = plan
        .tensors
        .iter()
        .map(|info| step(&source, info))
        .collect::<Result<_>>()?;
    let run = || -> Result<()> {
        let mut sink = Format::by_ending(&to)?.create(&to, &plan)?;
        stream(&source, &steps, &mut *sink, &Options::default())?;
        sink.finish()
    };
    run()?;
    let size = to.metadata().map_err(|error| io(&to, error))?.len() as usize;
    let parts = [
        bench.time(Floor::default(), || read(&from))?,
        bench.time(Floor::default(), || {
            write(&folder.path().join("copy"), size)
        })?,
        bench.time(Floor::default(), || encode(format, &layer))?,
    ];
    let slowest = parts.iter().map(|part| part.seconds).fold(0.0, f64::max);
    bench.time(Floor::part(slowest), run)
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}

/// The upper halves of a layer's values, for each layer.
fn write_source(path: &Path, plan: &Plan, layer: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = layer
        .iter()
        .flat_map(|v| v.to_le_bytes().into_iter().skip(2))
        .collect();
    let mut sink = Format::by_ending(path)?.create(path, plan)?;
    for _ in &plan.tensors {
        sink.write(&bytes)?;
    }
    sink.finish()
}

/// The tensor of the same name in blocks.
fn step<'a>(source: &Checkpoint, info: &'a TensorInfo) -> Result<Step<'a>> {
    Ok(Step {
        from: source.position(&info.name)?,
        to: info.clone(),
        order: None,
        how: How::Encode(Box::new(Blocks(info))),
    })
}

/// Encodes a tensor of blocks.
struct Blocks<'a>(&'a TensorInfo);

impl Encode for Blocks<'_> {
    fn encode(&self, _: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        let Dtype::Block(format) = self.0.dtype else {
            return Err(Error::invalid("the type", self.0.dtype, "one of blocks"));
        };
        let start = bytes.len();
        bytes.resize(
            start + values.len() / format.block_len() * format.block_bytes(),
            0,
        );
        blocks::quantize_into(format, &self.0.name, values, &mut bytes[start..])
    }
}

fn read(path: &Path) -> Result<()> {
    let mut file = File::open(path).map_err(|error| io(path, error))?;
    let mut piece = vec![0; PIECE];
    while file.read(&mut piece).map_err(|error| io(path, error))? > 0 {}
    Ok(())
}

fn write(path: &Path, bytes: usize) -> Result<()> {
    let piece = vec![0x35; PIECE];
    let write = || {
        let mut file = File::create(path)?;
        for start in (0..bytes).step_by(PIECE) {
            file.write_all(&piece[..PIECE.min(bytes - start)])?;
        }
        file.sync_all()
    };
    write().map_err(|error| io(path, error))
}

/// Encodes as many values as all layers have, which are in memory.
fn encode(format: BlockFormat, layer: &[f32]) -> Result<()> {
    (0..LAYERS * layer.len() / PIECE)
        .into_par_iter()
        .try_for_each(|i| {
            let start = i * PIECE % layer.len();
            blocks::quantize(format, "w", &layer[start..start + PIECE]).map(drop)
        })
}
