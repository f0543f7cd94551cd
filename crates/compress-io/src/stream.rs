//! Tensors from one file to another, in pieces: while some are written, the next are computed.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::mpsc;
use std::thread;

use compress_core::tensor::matrix_shape;
use compress_core::{Error, Result};
use rayon::prelude::*;

use crate::dtype::TensorInfo;
use crate::source::{Sink, Source};
use crate::values;

/// What becomes of a tensor.
pub struct Step<'a> {
    /// The tensor that is read, by its position.
    pub from: usize,
    /// The tensor that is written. It has as many values.
    pub to: TensorInfo,
    /// The order in which its rows are read; as they are stored where it is `None`.
    pub order: Option<RowOrder<'a>>,
    /// How it is written.
    pub how: How<'a>,
}

/// Which row of a tensor is read for a row that is written. The values of a tensor with one axis are
/// rows here.
pub type RowOrder<'a> = Box<dyn Fn(usize) -> usize + Send + Sync + 'a>;

/// How a tensor is written.
pub enum How<'a> {
    /// As it is.
    Copy,
    /// By its values.
    Encode(Box<dyn Encode + 'a>),
}

/// Makes stored bytes of values.
pub trait Encode: Send + Sync {
    /// Appends the bytes of some `values` of the tensor, which may be changed. `piece` says which
    /// they are. Called for each piece once, in any order, on any thread.
    ///
    /// # Errors
    /// Those of the encoder. Name the tensor.
    fn encode(&self, piece: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()>;
}

/// How the tensor `to` is made of `from` by rounding: a copy where they have one type, else `to` must
/// be of f16, bf16, f32 or f64.
pub(crate) fn rounded(from: &TensorInfo, to: &TensorInfo) -> How<'static> {
    match from.dtype == to.dtype {
        true => How::Copy,
        false => How::Encode(Box::new(Round(to.clone()))),
    }
}

/// Rounds values to the type of a tensor.
struct Round(TensorInfo);

impl Encode for Round {
    fn encode(&self, _: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        values::narrow_into(self.0.dtype, &self.0.name, values, bytes)
    }
}

/// Consecutive values of a tensor: whole rows, or a part of one row that begins and ends where a
/// block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The positions of the values.
    pub values: Range<usize>,
    /// The length of a row.
    pub columns: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The tensor that was written last.
    pub tensor: &'a str,
    /// Values that are written, and those of all tensors.
    pub done: u64,
    /// Values of all tensors.
    pub total: u64,
}

/// How much memory is used, about, and what is told of the progress.
pub struct Options<'a> {
    /// Bytes for pieces in work. At least one row in blocks of each thread is held at a time.
    pub memory: usize,
    /// Is called after each batch of pieces.
    pub progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            memory: 256 << 20,
            progress: &|_| {},
        }
    }
}

/// The CRC-32 of a tensor's bytes, as [`stream()`] returns it.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Batches that exist at a time: one is computed, one waits, one is written.
const BATCHES: usize = 3;
/// Pieces of a batch for each thread, so that none waits long for the others.
const PIECES: usize = 4;
/// Bytes that a value takes while it is worked on: as f32, and as it is written.
const BYTES: usize = 8;
/// Parts of rows begin at multiples of this, which all blocks divide.
const PART: usize = 256;

/// Streams the tensors of `source` into `sink`, in the order of `steps`, which is that of the sink's
/// plan. Returns a CRC-32 of the bytes of each tensor.
///
/// Pieces are computed on all threads of the current pool, and written in order. The bytes depend on
/// neither their number nor the memory.
///
/// # Errors
/// The first error of the source, an encoder or the sink.
pub fn stream(
    source: &dyn Source,
    steps: &[Step<'_>],
    sink: &mut dyn Sink,
    options: &Options<'_>,
) -> Result<Vec<u32>> {
    let batch = PIECES * rayon::current_num_threads();
    let values = (options.memory / (BYTES * BATCHES * batch)).clamp(PART, 1 << 20);
    let pieces = pieces(source, steps, values)?;
    let total = pieces
        .iter()
        .map(|(_, piece)| piece.values.len() as u64)
        .sum();
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel::<(usize, Vec<Vec<u8>>)>(BATCHES - 2);
        let pieces = &pieces;
        let writer = scope.spawn(move || -> Result<Vec<u32>> {
            let mut sums = vec![crc32fast::Hasher::new(); steps.len()];
            let mut done = 0;
            for (first, batch) in receive {
                for ((step, piece), bytes) in pieces[first..].iter().zip(&batch) {
                    sums[*step].update(bytes);
                    sink.write(bytes)?;
                    done += piece.values.len() as u64;
                }
                if let Some((step, _)) = pieces.get(first + batch.len() - 1) {
                    let tensor = &steps[*step].to.name;
                    (options.progress)(Progress {
                        tensor,
                        done,
                        total,
                    });
                }
            }
            Ok(sums.into_iter().map(crc32fast::Hasher::finalize).collect())
        });
        let mut failed = None;
        let mut stored = Vec::new();
        for first in (0..pieces.len()).step_by(batch) {
            let now = &pieces[first..pieces.len().min(first + batch)];
            match compute(source, steps, now, &mut stored) {
                // Where the writer is gone, it says why.
                Ok(bytes) => {
                    if send.send((first, bytes)).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        drop(send);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(Error::Other("the writer failed".into())));
        failed.map_or(written, Err)
    })
}

/// The pieces of each step, of about `values` values.
fn pieces(source: &dyn Source, steps: &[Step<'_>], values: usize) -> Result<Vec<(usize, Piece)>> {
    let mut pieces = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let from = &source.tensors()[step.from];
        Error::check_shape(&step.to.name, &[from.values()], &[step.to.values()])?;
        let (rows, columns) = match (&step.order, step.to.shape.as_slice()) {
            (Some(_), [rows]) => (*rows, 1),
            (_, shape) => matrix_shape(shape),
        };
        if step.order.is_some() && !is_whole(from, columns) {
            let what = format!("the length of a row of {} that is put elsewhere", from.name);
            let expected = format!("whole blocks and bytes of {}", from.dtype);
            return Err(Error::invalid(what, columns, expected));
        }
        let whole_rows = values / columns.max(1);
        let is_split = whole_rows == 0 && step.order.is_none();
        let length = match is_split {
            true => values / PART * PART,
            false => whole_rows.max(1) * columns,
        };
        let mut add = |values| pieces.push((number, Piece { values, columns }));
        match is_split {
            true => (0..rows).for_each(|row| {
                let (start, end) = (row * columns, (row + 1) * columns);
                (start..end)
                    .step_by(length)
                    .for_each(|at| add(at..end.min(at + length)));
            }),
            false => {
                let end = rows * columns;
                let mut at = 0;
                while at < end {
                    add(at..end.min(at + length));
                    at += length;
                }
            }
        }
    }
    Ok(pieces)
}

/// Whether so many values of a tensor are whole blocks, and whole bytes.
fn is_whole(info: &TensorInfo, values: usize) -> bool {
    let bits = info.dtype.bits_per_weight() * values as f64;
    values.is_multiple_of(info.dtype.block_len()) && bits % 8.0 == 0.0
}

/// The bytes of each piece. `stored` has the tensors of the batch before, and then those of this one:
/// each is asked for once.
fn compute<'a>(
    source: &'a dyn Source,
    steps: &[Step<'_>],
    pieces: &[(usize, Piece)],
    stored: &mut Vec<(usize, Cow<'a, [u8]>)>,
) -> Result<Vec<Vec<u8>>> {
    let first = pieces.first().map_or(0, |(step, _)| *step);
    stored.retain(|(step, _)| *step >= first);
    for (step, _) in pieces {
        if stored.last().is_none_or(|(last, _)| last != step) {
            stored.push((*step, source.bytes(steps[*step].from)?));
        }
    }
    let of = |step: usize| {
        stored
            .iter()
            .find(|(number, _)| *number == step)
            .map(|(_, b)| &**b)
    };
    let bytes: Result<Vec<Vec<u8>>> = pieces
        .par_iter()
        .map(|(step, piece)| {
            let bytes = of(*step).unwrap_or_default();
            let step = &steps[*step];
            let info = &source.tensors()[step.from];
            let made = make(info, step, piece, bytes);
            if step.order.is_none() {
                source.release(step.from, place(info, &piece.values));
            }
            made
        })
        .collect();
    // Rows in another order lie elsewhere: a piece cannot know which of them others still read.
    for (step, piece) in pieces {
        let step = &steps[*step];
        if step.order.is_some() && piece.values.end == step.to.values() {
            let info = &source.tensors()[step.from];
            let length = place(info, &(0..info.values())).end;
            source.release(step.from, 0..length);
        }
    }
    bytes
}

/// Where values are among the bytes of a tensor. Whole rows, or parts at multiples of a block, begin
/// at whole bytes; the end of a tensor of less than a byte a value is rounded up.
fn place(info: &TensorInfo, values: &Range<usize>) -> Range<usize> {
    let at = |values: usize| {
        let bits = info.dtype.bits_per_weight() * info.dtype.block_len() as f64;
        let blocks = values / info.dtype.block_len();
        (blocks as u128 * bits as u128).div_ceil(8) as usize
    };
    at(values.start)..at(values.end)
}

fn make(info: &TensorInfo, step: &Step<'_>, piece: &Piece, stored: &[u8]) -> Result<Vec<u8>> {
    let bytes = |range: Range<usize>| {
        stored.get(range.clone()).ok_or_else(|| {
            let what = format!("the number of bytes of {}", info.name);
            Error::invalid(what, stored.len(), format!("at least {}", range.end))
        })
    };
    let here = match &step.order {
        None => Cow::Borrowed(bytes(place(info, &piece.values))?),
        Some(order) => {
            let columns = piece.columns.max(1);
            let mut rows = Vec::new();
            for row in piece.values.start / columns..piece.values.end / columns {
                let from = order(row);
                rows.extend(bytes(place(info, &(from * columns..(from + 1) * columns)))?);
            }
            Cow::Owned(rows)
        }
    };
    match &step.how {
        How::Copy => Ok(here.into_owned()),
        How::Encode(encoder) => {
            let mut values = vec![0.0; piece.values.len()];
            values::widen_into(info.dtype, &info.name, &here, &mut values)?;
            let mut bytes = Vec::new();
            encoder.encode(piece, &mut values, &mut bytes)?;
            Ok(bytes)
        }
    }
}
