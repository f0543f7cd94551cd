//! Elements to planes and back: a plane has one run of all elements.

use std::borrow::Cow;

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
    for plane in split(layout, bytes) {
        write_one(to, &plane);
    }
}

/// Reads what [`write`] wrote of so many elements as fill `to`.
pub(super) fn read(reader: &mut Reader<'_>, layout: &Layout, to: &mut [u8]) -> Result<()> {
    let count = to.len() / layout.size();
    let planes = layout
        .places()
        .map(|(_, run)| read_one(reader, run * count));
    let planes: Vec<Cow<'_, [u8]>> = planes.collect::<Result<_>>()?;
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

/// Reads what [`write_one`] wrote of `length` bytes.
pub(super) fn read_one<'a>(reader: &mut Reader<'a>, length: usize) -> Result<Cow<'a, [u8]>> {
    let start = reader.clone();
    match reader.byte("the coding of a plane")? {
        RAW => Ok(Cow::Borrowed(reader.take(length, "a plane")?)),
        CONSTANT => Ok(Cow::Owned(vec![reader.byte("a plane")?; length])),
        HUFFMAN => {
            let mut bytes = vec![0; length];
            huffman::read(reader, &mut bytes)?;
            Ok(Cow::Owned(bytes))
        }
        other => Err(start.error(format!("a plane of the unknown coding {other}"))),
    }
}

/// Whether no code can make bytes shorter by 1/350: their entropy is at least that of second order,
/// −log₂ Σp², and this is above 8 − log₂(1 + 1/64) bits.
fn is_noise(counts: &Counts, length: usize) -> bool {
    let squares: u128 = counts.iter().map(|&c| u128::from(c) * u128::from(c)).sum();
    let all = length as u128;
    squares * 256 * 64 < all * all * 65
}

/// The planes of elements.
fn split(layout: &Layout, bytes: &[u8]) -> Vec<Vec<u8>> {
    match (layout.word(), layout.moves_sign()) {
        (Some(1), _) => vec![bytes.to_vec()],
        (Some(2), false) => split_u16::<0>(bytes),
        (Some(2), true) => split_u16::<1>(bytes),
        (Some(4), false) => split_u32::<0>(bytes),
        (Some(4), true) => split_u32::<1>(bytes),
        (Some(8), false) => split_u64::<0>(bytes),
        (Some(8), true) => split_u64::<1>(bytes),
        _ => split_runs(layout, bytes),
    }
}

/// Elements from their planes.
fn join(layout: &Layout, planes: &[Cow<'_, [u8]>], to: &mut [u8]) {
    let planes: Vec<&[u8]> = planes.iter().map(|plane| &plane[..]).collect();
    match (layout.word(), planes.as_slice(), layout.moves_sign()) {
        (Some(_), &[a], _) => to.copy_from_slice(a),
        (Some(_), &[a, b], false) => join_u16::<0>([a, b], to),
        (Some(_), &[a, b], true) => join_u16::<1>([a, b], to),
        (Some(_), &[a, b, c, d], false) => join_u32::<0>([a, b, c, d], to),
        (Some(_), &[a, b, c, d], true) => join_u32::<1>([a, b, c, d], to),
        (Some(_), &[a, b, c, d, e, f, g, h], false) => join_u64::<0>([a, b, c, d, e, f, g, h], to),
        (Some(_), &[a, b, c, d, e, f, g, h], true) => join_u64::<1>([a, b, c, d, e, f, g, h], to),
        _ => join_runs(layout, &planes, to),
    }
}

fn split_runs(layout: &Layout, bytes: &[u8]) -> Vec<Vec<u8>> {
    let elements = || bytes.chunks_exact(layout.size());
    let plane = |(at, run)| {
        let runs = elements().flat_map(|element| &element[at..at + run]);
        runs.copied().collect()
    };
    layout.places().map(plane).collect()
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
        fn $split<const MOVED: u32>(bytes: &[u8]) -> Vec<Vec<u8>> {
            let (words, _) = bytes.as_chunks::<$size>();
            let plane = |k: u32| {
                let byte = |word: &[u8; $size]| {
                    (<$word>::from_le_bytes(*word).rotate_left(MOVED) >> (8 * k)) as u8
                };
                words.iter().map(byte).collect()
            };
            (0..$size).map(plane).collect()
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
