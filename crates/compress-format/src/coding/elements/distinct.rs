//! Elements of few distinct values: a list of the values, and the number of each element's.
//!
//! | part | what |
//! | --- | --- |
//! | count | of distinct values, a varint, 1 to 65536 |
//! | values | as whole numbers whose signs are moved as the layout says, ascending: the first one, then how far each is above the one before; a plane for each byte, the lowest first |
//! | numbers | a plane of the lower bytes, and one of the upper where there are more than 256 values |
//!
//! # References
//! A. Chao (1984), "Nonparametric estimation of the number of classes in a population": the estimate
//! of how many values there are.

use compress_core::Result;

use super::layout::Layout;
use super::planes;
use crate::coding::reader::Reader;
use crate::coding::varint;

/// The bytes of elements whose values may be numbered.
const SIZES: [usize; 2] = [2, 4];
/// The most distinct values.
const MOST: usize = 1 << 16;
/// How many elements are looked at to see whether there are few values.
const SAMPLES: [usize; 2] = [512, 4096];

/// Elements as list and numbers, if they are numbers of 2 or 4 bytes and there are few.
pub(super) fn write(layout: &Layout, bytes: &[u8]) -> Option<Vec<u8>> {
    let size = layout.word().filter(|size| SIZES.contains(size))?;
    let count = bytes.len() / size;
    let word = |i: usize| to_word(layout, &bytes[i * size..(i + 1) * size]);
    if count == 0 || !are_few(size, count, word) {
        return None;
    }
    // The value above, its position below: a chunk has fewer than 2³² elements.
    let mut order: Vec<u64> = (0..count).map(|i| word(i) << 32 | i as u64).collect();
    order.sort_unstable();
    let mut values: Vec<u64> = Vec::new();
    let mut numbers = vec![0; count];
    for same in order.chunk_by(|a, b| a >> 32 == b >> 32) {
        for position in same {
            numbers[*position as u32 as usize] = values.len();
        }
        values.extend(same.first().map(|first| first >> 32));
    }
    if values.len() > MOST {
        return None;
    }
    let mut to = Vec::new();
    varint::write(&mut to, values.len() as u64);
    let mut before = 0;
    let mut steps = Vec::with_capacity(values.len() * size);
    for &value in &values {
        steps.extend_from_slice(&(value - before).to_le_bytes()[..size]);
        before = value;
    }
    planes::write(&mut to, &Layout::integers(size).ok()?, &steps);
    for k in 0..bytes_of_number(values.len()) {
        let plane: Vec<u8> = numbers
            .iter()
            .map(|number| (number >> (8 * k)) as u8)
            .collect();
        planes::write_one(&mut to, &plane);
    }
    Some(to)
}

/// Reads what [`write`] wrote of so many elements as fill `to`. `room` is memory that may be used
/// again.
pub(super) fn read(
    reader: &mut Reader<'_>,
    layout: &Layout,
    to: &mut [u8],
    room: &mut Vec<u8>,
) -> Result<()> {
    let start = reader.clone();
    let Some(size) = layout.word().filter(|size| SIZES.contains(size)) else {
        return Err(start.error("numbered values that are no numbers of 2 or 4 bytes"));
    };
    let elements = to.len() / size;
    let count = reader.varint(MOST.min(elements), "the number of distinct values")?;
    let mut list = vec![0; count * size];
    planes::read(reader, &Layout::integers(size)?, &mut list, room)?;
    let mut value = 0_u64;
    for step in list.chunks_exact_mut(size) {
        value = value.wrapping_add(whole(step));
        step.copy_from_slice(&from_word(layout, value).to_le_bytes()[..size]);
    }
    let (mut low, mut high) = (vec![0; elements], vec![0; elements]);
    let low = planes::read_one(reader, &mut low)?;
    let high = match bytes_of_number(count) {
        1 => &high,
        _ => planes::read_one(reader, &mut high)?,
    };
    for (i, element) in to.chunks_exact_mut(size).enumerate() {
        let number = usize::from(low[i]) | usize::from(high[i]) << 8;
        let value = list.get(number * size..(number + 1) * size);
        element.copy_from_slice(
            value.ok_or_else(|| start.error(format!("value number {number} of {count}")))?,
        );
    }
    Ok(())
}

fn bytes_of_number(values: usize) -> usize {
    if values <= 256 { 1 } else { 2 }
}

/// Whether there are few values, as far as samples show: a small one, then a larger one.
fn are_few(size: usize, count: usize, word: impl Fn(usize) -> u64) -> bool {
    // A list of more than 256 values of 2 bytes leaves nothing to gain.
    let most = if size == 2 { 256 } else { count / 2 };
    SAMPLES.into_iter().all(|taken| {
        let taken = taken.min(count);
        // Spread without a period: steps of a golden ratio of the elements.
        let spread = |i: u64| (i * 2_654_435_769 % count as u64) as usize;
        let mut sample: Vec<u64> = (0..taken as u64).map(|i| word(spread(i))).collect();
        sample.sort_unstable();
        estimate(&sample) <= most
    })
}

/// How many values there are of which these, in order, were drawn: those that are seen, and, by how
/// many are seen once and twice, those that are not.
fn estimate(sample: &[u64]) -> usize {
    let seen = |times: Option<usize>| {
        let runs = sample.chunk_by(|a, b| a == b);
        runs.filter(|run| times.is_none_or(|times| run.len() == times))
            .count()
    };
    let (once, twice) = (seen(Some(1)), seen(Some(2)));
    seen(None) + once * once / (2 * twice + 1)
}

/// Little-endian bytes as a number.
fn whole(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// An element as a whole number, its sign moved as the layout says.
fn to_word(layout: &Layout, element: &[u8]) -> u64 {
    let word = whole(element);
    if !layout.moves_sign() {
        return word;
    }
    let (bits, unused) = bits_of(layout);
    (word << 1 | word >> (bits - 1)) << unused >> unused
}

/// Undoes [`to_word`]; the bits beyond those of an element are of no account.
fn from_word(layout: &Layout, word: u64) -> u64 {
    if !layout.moves_sign() {
        return word;
    }
    let (bits, unused) = bits_of(layout);
    word << unused >> unused >> 1 | word << (bits - 1)
}

/// The bits of an element, and those of a word that it leaves.
fn bits_of(layout: &Layout) -> (u32, u32) {
    let bits = 8 * layout.size() as u32;
    (bits, 64 - bits)
}
