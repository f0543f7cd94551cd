//! Elements to planes and back: a plane has one run of all elements.

use compress_core::Result;
use compress_core::kernels::byte_planes;

use super::layout::Layout;
use super::room::{Room, grown};
use crate::coding::huffman;
use crate::coding::reader::Reader;

/// Bytes as they are.
const RAW: u8 = 0;
/// One byte, which all are.
const CONSTANT: u8 = 1;
/// A Huffman code.
const HUFFMAN: u8 = 2;

/// The code of a plane must save one of so many bytes, as reading it takes time.
const GAIN: usize = 20;
/// What Σp² of bytes is below, in parts of 1/256, where no code saves 1/20: 2^(8/20).
const NOISE: f64 = 1.3195;
/// Of so many bytes a run of [`RUN`] is a sample.
const SAMPLED: usize = 2048;
const RUN: usize = 256;

/// Appends elements, plane by plane.
pub(super) fn write(
    to: &mut Vec<u8>,
    layout: &Layout,
    bytes: &[u8],
    room: &mut Room,
) -> Result<()> {
    for (k, place) in layout.places().enumerate() {
        to.push(RAW);
        let start = to.len();
        split(layout, bytes, k, place, to)?;
        shorten(to, start, room);
    }
    Ok(())
}

/// Reads what [`write`] wrote of so many elements as fill `to`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    layout: &Layout,
    to: &mut [u8],
    room: &mut Room,
) -> Result<()> {
    let count = to.len() / layout.size();
    let mut rest = grown(&mut room.planes, to.len());
    let mut planes = Vec::new();
    for (_, run) in layout.places() {
        let (plane, others) = rest.split_at_mut(run * count);
        planes.push(read_one(reader, plane)?);
        rest = others;
    }
    join(layout, &planes, to)
}

/// Appends bytes in the shortest way.
pub(super) fn write_one(to: &mut Vec<u8>, bytes: impl Iterator<Item = u8>, room: &mut Room) {
    to.push(RAW);
    let start = to.len();
    to.extend(bytes);
    shorten(to, start, room);
}

/// Codes the plane that begins at `start`, behind its first byte, if that saves enough.
fn shorten(to: &mut Vec<u8>, start: usize, room: &mut Room) {
    let bytes = &to[start..];
    if is_noise(bytes, &mut room.planes) {
        return;
    }
    let counts = huffman::count(bytes);
    if let Some(&first) = bytes.first()
        && counts[usize::from(first)] as usize == bytes.len()
    {
        to.truncate(start - 1);
        to.extend([CONSTANT, first]);
        return;
    }
    let most = bytes.len() - bytes.len().div_ceil(GAIN);
    if huffman::replace(to, start, &counts, most, &mut room.streams) {
        to[start - 1] = HUFFMAN;
    }
}

/// Reads what [`write_one`] wrote of so many bytes as `to` has: into it, or where they lie.
pub(super) fn read_one<'a, 'b: 'a>(reader: &mut Reader<'b>, to: &'a mut [u8]) -> Result<&'a [u8]> {
    let start = reader.clone();
    match reader.byte("the coding of a plane")? {
        RAW => return reader.take(to.len(), "a plane"),
        CONSTANT => to.fill(reader.byte("a plane")?),
        HUFFMAN => huffman::read(reader, to)?,
        other => return Err(start.error(format!("a plane of the unknown coding {other}"))),
    }
    Ok(to)
}

/// Whether samples of many bytes show that no code saves enough: their entropy is at least that of
/// second order, −log₂ Σp².
fn is_noise(bytes: &[u8], room: &mut Vec<u8>) -> bool {
    if bytes.len() < 8 * SAMPLED {
        return false;
    }
    room.clear();
    for part in bytes.chunks_exact(SAMPLED) {
        room.extend_from_slice(&part[..RUN]);
    }
    let counts = huffman::count(room);
    let squares: u64 = counts.iter().map(|&c| u64::from(c) * u64::from(c)).sum();
    // Of a sample Σp² is too large by what it has alone.
    let taken = room.len() as u64;
    (((squares - taken) * 256) as f64) < NOISE * (taken * taken) as f64
}

/// Appends plane number `k` of elements, whose run begins at a byte and has so many.
fn split(
    layout: &Layout,
    bytes: &[u8],
    k: usize,
    (at, run): (usize, usize),
    to: &mut Vec<u8>,
) -> Result<()> {
    let start = to.len();
    match layout.word() {
        Some(1) => to.extend_from_slice(bytes),
        Some(size) => {
            to.resize(start + bytes.len() / size, 0);
            byte_planes::split(bytes, size, layout.rotated(), k, &mut to[start..])?;
        }
        None => {
            for element in bytes.chunks_exact(layout.size()) {
                to.extend_from_slice(&element[at..at + run]);
            }
        }
    }
    Ok(())
}

/// Elements from their planes.
fn join(layout: &Layout, planes: &[&[u8]], to: &mut [u8]) -> Result<()> {
    match (layout.word(), planes) {
        (Some(1), [plane]) => to.copy_from_slice(plane),
        (Some(_), planes) => byte_planes::join(planes, layout.rotated(), to)?,
        (None, planes) => {
            for ((at, run), plane) in layout.places().zip(planes) {
                let elements = to.chunks_exact_mut(layout.size());
                for (element, from) in elements.zip(plane.chunks_exact(run)) {
                    element[at..at + run].copy_from_slice(from);
                }
            }
        }
    }
    Ok(())
}
