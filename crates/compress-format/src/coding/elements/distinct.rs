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
use super::room::{Room, grown};
use crate::coding::reader::Reader;
use crate::coding::varint;

/// The bytes of elements whose values may be numbered.
const SIZES: [usize; 2] = [2, 4];
/// The most distinct values.
const MOST: usize = 1 << 16;
/// How many elements are looked at to see whether there are few values.
const SAMPLES: [usize; 2] = [512, 4096];

/// Elements as list and numbers, if they are numbers of 2 or 4 bytes and there are few.
pub(super) fn write(layout: &Layout, bytes: &[u8], room: &mut Room) -> Result<Option<Vec<u8>>> {
    let Some(size) = layout.word().filter(|size| SIZES.contains(size)) else {
        return Ok(None);
    };
    let count = bytes.len() / size;
    if count == 0 || !are_few(layout, bytes) {
        return Ok(None);
    }
    let words: Vec<u32> = (0..count).map(|i| word(layout, bytes, i)).collect();
    let (values, numbers) = numbered(&words);
    if values.len() > MOST {
        return Ok(None);
    }
    let mut to = Vec::new();
    varint::write(&mut to, values.len() as u64);
    let mut before = 0;
    let mut steps = Vec::with_capacity(values.len() * size);
    for &value in &values {
        steps.extend_from_slice(&(value - before).to_le_bytes()[..size]);
        before = value;
    }
    planes::write(&mut to, &Layout::integers(size)?, &steps, room)?;
    for k in 0..bytes_of_number(values.len()) {
        let plane = numbers.iter().map(|number| (number >> (8 * k)) as u8);
        planes::write_one(&mut to, plane, room);
    }
    Ok(Some(to))
}

/// The distinct words, ascending, and the number of each word's.
fn numbered(words: &[u32]) -> (Vec<u32>, Vec<u32>) {
    /// A place without a value.
    const FREE: u32 = u32::MAX;
    // At most half of the places of a hash table are taken.
    let bits = (2 * words.len()).next_power_of_two().ilog2().max(1);
    let mut places = vec![FREE; 1 << bits];
    let mut found: Vec<u32> = Vec::new();
    let mut numbers: Vec<u32> = Vec::with_capacity(words.len());
    for &word in words {
        let mut place = (word.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize;
        numbers.push(loop {
            let number = places[place];
            if number == FREE {
                places[place] = found.len() as u32;
                found.push(word);
                break places[place];
            }
            if found[number as usize] == word {
                break number;
            }
            place = (place + 1) % places.len();
        });
    }
    let mut order: Vec<(u32, usize)> = found.into_iter().zip(0..).collect();
    order.sort_unstable();
    let mut ranks = vec![0; order.len()];
    for (rank, &(_, number)) in (0..).zip(&order) {
        ranks[number] = rank;
    }
    numbers
        .iter_mut()
        .for_each(|number| *number = ranks[*number as usize]);
    (order.into_iter().map(|(value, _)| value).collect(), numbers)
}

/// Reads what [`write`] wrote of so many elements as fill `to`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    layout: &Layout,
    to: &mut [u8],
    room: &mut Room,
) -> Result<()> {
    let start = reader.clone();
    let Some(size) = layout.word().filter(|size| SIZES.contains(size)) else {
        return Err(start.error("numbered values that are no numbers of 2 or 4 bytes"));
    };
    let elements = to.len() / size;
    let count = reader.varint(MOST.min(elements), "the number of distinct values")?;
    let mut steps = vec![0; count * size];
    planes::read(reader, &Layout::integers(size)?, &mut steps, room)?;
    let planes = grown(&mut room.planes, 2 * elements);
    let (low, high) = planes.split_at_mut(elements);
    let low = planes::read_one(reader, low)?;
    let high = match bytes_of_number(count) {
        1 => None,
        _ => Some(planes::read_one(reader, high)?),
    };
    let moved = layout.rotated();
    let are_known = match size {
        2 => {
            let steps = steps
                .as_chunks()
                .0
                .iter()
                .map(|step| u16::from_le_bytes(*step));
            let list = summed(steps, u16::wrapping_add, |word| {
                word.rotate_right(moved).to_le_bytes()
            });
            pick(&list, low, high, to.as_chunks_mut().0)
        }
        _ => {
            let steps = steps
                .as_chunks()
                .0
                .iter()
                .map(|step| u32::from_le_bytes(*step));
            let list = summed(steps, u32::wrapping_add, |word| {
                word.rotate_right(moved).to_le_bytes()
            });
            pick(&list, low, high, to.as_chunks_mut().0)
        }
    };
    match are_known {
        true => Ok(()),
        false => Err(start.error(format!("a number that is none of {count} values"))),
    }
}

/// Values from the steps between them.
fn summed<W: Copy + Default, const SIZE: usize>(
    steps: impl Iterator<Item = W>,
    add: impl Fn(W, W) -> W,
    value: impl Fn(W) -> [u8; SIZE],
) -> Vec<[u8; SIZE]> {
    let sums = steps.scan(W::default(), |sum, step| {
        *sum = add(*sum, step);
        Some(value(*sum))
    });
    sums.collect()
}

/// Picks each element's value by its number; returns whether all are in the list.
fn pick<const SIZE: usize>(
    list: &[[u8; SIZE]],
    low: &[u8],
    high: Option<&[u8]>,
    to: &mut [[u8; SIZE]],
) -> bool {
    let mut is_known = true;
    let mut pick = |element: &mut [u8; SIZE], number: usize| match list.get(number) {
        Some(value) => *element = *value,
        None => is_known = false,
    };
    match high {
        None => {
            for (element, low) in to.iter_mut().zip(low) {
                pick(element, usize::from(*low));
            }
        }
        Some(high) => {
            for (element, (low, high)) in to.iter_mut().zip(low.iter().zip(high)) {
                pick(element, usize::from(*low) | usize::from(*high) << 8);
            }
        }
    }
    is_known
}

fn bytes_of_number(values: usize) -> usize {
    if values <= 256 { 1 } else { 2 }
}

/// Whether there are few values, as far as samples show: a small one, then a larger one.
fn are_few(layout: &Layout, bytes: &[u8]) -> bool {
    let size = layout.size();
    let count = bytes.len() / size;
    // A list of more than 256 values of 2 bytes leaves nothing to gain.
    let most = if size == 2 { 256 } else { count / 2 };
    SAMPLES.into_iter().all(|taken| {
        let taken = taken.min(count);
        // Spread without a period: steps of a golden ratio of the elements.
        let spread = |i: u32| {
            let place = u64::from(i.wrapping_mul(2_654_435_769));
            ((place * count as u64) >> 32) as usize
        };
        let sample = (0..taken as u32).map(|i| word(layout, bytes, spread(i)));
        let mut sample: Vec<u32> = sample.collect();
        // Of more than `most`; or so many that the estimate below is more than any list has.
        let fewest = taken.saturating_sub(most).max(4);
        if taken < count && count_twins(&sample) < fewest {
            return false;
        }
        sample.sort_unstable();
        estimate(&sample) <= most
    })
}

/// How many values have occurred before, or a few more: a fast look before the sample is sorted.
fn count_twins(sample: &[u32]) -> usize {
    const BITS: u32 = 18;
    let mut seen = [0_u64; 1 << (BITS - 6)];
    let mut twins = 0;
    for word in sample {
        let place = word.wrapping_mul(0x9e37_79b1) >> (32 - BITS);
        let (bit, seen) = (1 << (place % 64), &mut seen[(place / 64) as usize]);
        twins += usize::from(*seen & bit != 0);
        *seen |= bit;
    }
    twins
}

/// How many values there are of which these, in order, were drawn: those that are seen, and, by how
/// many are seen once and twice, those that are not.
fn estimate(sample: &[u32]) -> usize {
    let seen = |times: Option<usize>| {
        let runs = sample.chunk_by(|a, b| a == b);
        runs.filter(|run| times.is_none_or(|times| run.len() == times))
            .count()
    };
    let (once, twice) = (seen(Some(1)), seen(Some(2)));
    seen(None) + once * once / (2 * twice + 1)
}

/// Element number `i` as a whole number, its sign moved as the layout says.
fn word(layout: &Layout, bytes: &[u8], i: usize) -> u32 {
    let moved = layout.rotated();
    let two = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    match layout.size() {
        2 => two(2 * i).rotate_left(moved).into(),
        _ => (u32::from(two(4 * i)) | u32::from(two(4 * i + 2)) << 16).rotate_left(moved),
    }
}
