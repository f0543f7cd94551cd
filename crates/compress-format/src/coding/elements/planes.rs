//! Elements to planes and back: a plane has one run of all elements.

use compress_core::Result;

use super::layout::Layout;
use crate::coding::huffman::{self, Counts};
use crate::coding::reader::Reader;

/// Bytes as they are.
const RAW: u8 = 0;
/// One byte, which all are.
const CONSTANT: u8 = 1;
/// A Huffman code.
const HUFFMAN: u8 = 2;

/// Appends elements, plane by plane.
pub(super) fn write(to: &mut Vec<u8>, layout: &Layout, bytes: &[u8]) {
    let mut plane = Vec::new();
    for (k, place) in layout.places().enumerate() {
        plane.clear();
        split(layout, bytes, k, place, &mut plane);
        write_one(to, &plane);
    }
}

/// Reads what [`write`] wrote of so many elements as fill `to`. `room` is memory that may be used
/// again.
pub(super) fn read(
    reader: &mut Reader<'_>,
    layout: &Layout,
    to: &mut [u8],
    room: &mut Vec<u8>,
) -> Result<()> {
    let count = to.len() / layout.size();
    if room.len() < to.len() {
        room.resize(to.len(), 0);
    }
    let (mut rest, mut planes) = (room.as_mut_slice(), Vec::new());
    for (_, run) in layout.places() {
        let (plane, others) = rest.split_at_mut(run * count);
        planes.push(read_one(reader, plane)?);
        rest = others;
    }
    join(layout, &planes, to);
    Ok(())
}

/// Appends bytes in the shortest way.
pub(super) fn write_one(to: &mut Vec<u8>, bytes: &[u8]) {
    let counts = huffman::count(bytes);
    if let Some(first) = bytes.first()
        && counts[usize::from(*first)] as usize == bytes.len()
    {
        return to.extend([CONSTANT, *first]);
    }
    to.push(HUFFMAN);
    if !is_noise(&counts, bytes.len()) && huffman::write(to, bytes, &counts) {
        return;
    }
    to.pop();
    to.push(RAW);
    to.extend_from_slice(bytes);
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

/// Whether no code can make bytes shorter by 1/350: their entropy is at least that of second order,
/// −log₂ Σp², and this is above 8 − log₂(1 + 1/64) bits.
fn is_noise(counts: &Counts, length: usize) -> bool {
    let squares: u128 = counts.iter().map(|&c| u128::from(c) * u128::from(c)).sum();
    let all = length as u128;
    squares * 256 * 64 < all * all * 65
}

/// Appends plane number `k` of elements, whose run begins at a byte and has so many.
fn split(layout: &Layout, bytes: &[u8], k: usize, place: (usize, usize), to: &mut Vec<u8>) {
    match (layout.word(), layout.moves_sign()) {
        (Some(1), _) => to.extend_from_slice(bytes),
        (Some(2), false) => split_u16::<0>(bytes, k, to),
        (Some(2), true) => split_u16::<1>(bytes, k, to),
        (Some(4), false) => split_u32::<0>(bytes, k, to),
        (Some(4), true) => split_u32::<1>(bytes, k, to),
        (Some(8), false) => split_u64::<0>(bytes, k, to),
        (Some(8), true) => split_u64::<1>(bytes, k, to),
        _ => {
            let (at, run) = place;
            for element in bytes.chunks_exact(layout.size()) {
                to.extend_from_slice(&element[at..at + run]);
            }
        }
    }
}

/// Elements from their planes.
fn join(layout: &Layout, planes: &[&[u8]], to: &mut [u8]) {
    match (layout.word(), planes, layout.moves_sign()) {
        (Some(_), &[a], _) => to.copy_from_slice(a),
        (Some(_), &[a, b], false) => join_u16::<0>([a, b], to),
        (Some(_), &[a, b], true) => join_u16::<1>([a, b], to),
        (Some(_), &[a, b, c, d], false) => join_u32::<0>([a, b, c, d], to),
        (Some(_), &[a, b, c, d], true) => join_u32::<1>([a, b, c, d], to),
        (Some(_), &[a, b, c, d, e, f, g, h], false) => {
            join_u64::<0>([a, b, c, d, e, f, g, h], to);
        }
        (Some(_), &[a, b, c, d, e, f, g, h], true) => {
            join_u64::<1>([a, b, c, d, e, f, g, h], to);
        }
        _ => join_runs(layout, planes, to),
    }
}

fn join_runs(layout: &Layout, planes: &[&[u8]], to: &mut [u8]) {
    for ((at, run), plane) in layout.places().zip(planes) {
        let elements = to.chunks_exact_mut(layout.size());
        for (element, from) in elements.zip(plane.chunks_exact(run)) {
            element[at..at + run].copy_from_slice(from);
        }
    }
}

/// Functions for elements that are one number: plane by plane or zipped, so that they become
/// instructions on vectors. `MOVED` bits are moved from the top to the bottom.
macro_rules! of_words {
    ($split:ident, $join:ident, $word:ty, $size:literal, $pattern:pat, [$($plane:ident)*], $zipped:expr) => {
        fn $split<const MOVED: u32>(bytes: &[u8], k: usize, to: &mut Vec<u8>) {
            let (words, _) = bytes.as_chunks::<$size>();
            let byte = |word: &[u8; $size]| {
                (<$word>::from_le_bytes(*word).rotate_left(MOVED) >> (8 * k)) as u8
            };
            to.extend(words.iter().map(byte));
        }

        fn $join<const MOVED: u32>([$($plane),*]: [&[u8]; $size], to: &mut [u8]) {
            let (words, _) = to.as_chunks_mut::<$size>();
            for (word, $pattern) in words.iter_mut().zip($zipped) {
                let joined = <$word>::from_le_bytes([$(*$plane),*]);
                *word = joined.rotate_right(MOVED).to_le_bytes();
            }
        }
    };
}

of_words!(split_u16, join_u16, u16, 2, (a, b), [a b], a.iter().zip(b));
of_words!(split_u32, join_u32, u32, 4, ((a, b), (c, d)), [a b c d], a.iter().zip(b).zip(c.iter().zip(d)));
of_words!(
    split_u64,
    join_u64,
    u64,
    8,
    (((a, b), (c, d)), ((e, f), (g, h))),
    [a b c d e f g h],
    a.iter().zip(b).zip(c.iter().zip(d)).zip(e.iter().zip(f).zip(g.iter().zip(h)))
);
