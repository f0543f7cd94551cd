//! A chunk of elements.
//!
//! | part | what |
//! | --- | --- |
//! | flags | 1 byte: bit 0, zeros are left out; bit 1, values are numbered |
//! | for zeros left out | the number of other elements, a varint; a plane with a bit for each element, lowest first, set for the others |
//! | elements that are left | their planes; or the list of values and the numbers (`distinct`) |

use compress_core::Result;

use super::layout::Layout;
use super::room::Room;
use super::{distinct, planes};
use crate::coding::reader::Reader;
use crate::coding::varint;

const WITHOUT_ZEROS: u8 = 1;
const NUMBERED: u8 = 2;

/// Of so many elements one must be zero, or they are not left out.
const FEWEST_ZEROS: usize = 16;

/// Appends a chunk, in the shortest of its forms.
pub(super) fn write(
    to: &mut Vec<u8>,
    layout: &Layout,
    bytes: &[u8],
    room: &mut Room,
) -> Result<()> {
    let start = to.len();
    to.push(0);
    write_elements(to, start, layout, bytes, room)?;
    let count = bytes.len() / layout.size();
    if count_zeros(layout, bytes) * FEWEST_ZEROS < count.max(1) {
        return Ok(());
    }
    let (mask, others) = without_zeros(layout.size(), bytes);
    let mut few = std::mem::take(&mut room.other);
    few.clear();
    few.push(WITHOUT_ZEROS);
    varint::write(&mut few, (others.len() / layout.size()) as u64);
    planes::write_one(&mut few, mask.into_iter(), room);
    write_elements(&mut few, 0, layout, &others, room)?;
    if few.len() < to.len() - start {
        to.truncate(start);
        to.extend_from_slice(&few);
    }
    room.other = few;
    Ok(())
}

/// Appends elements to a chunk, whose flags at `flags` say how.
fn write_elements(
    to: &mut Vec<u8>,
    flags: usize,
    layout: &Layout,
    bytes: &[u8],
    room: &mut Room,
) -> Result<()> {
    let start = to.len();
    planes::write(to, layout, bytes, room)?;
    let numbered = distinct::write(layout, bytes, room)?;
    if let Some(numbered) = numbered.filter(|numbered| numbered.len() < to.len() - start) {
        to.truncate(start);
        to[flags] |= NUMBERED;
        to.extend(numbered);
    }
    Ok(())
}

/// Reads what [`write`] wrote of so many elements as fill `to`.
pub(super) fn read(layout: &Layout, bytes: &[u8], to: &mut [u8], room: &mut Room) -> Result<()> {
    let mut reader = Reader::new(bytes, 0);
    let flags = reader.byte("the flags of a chunk")?;
    if flags & !(WITHOUT_ZEROS | NUMBERED) != 0 {
        return Err(reader.error(format!("a chunk has the unknown flags {flags}")));
    }
    let read_elements = match flags & NUMBERED {
        0 => planes::read,
        _ => distinct::read,
    };
    if flags & WITHOUT_ZEROS == 0 {
        read_elements(&mut reader, layout, to, room)?;
    } else {
        let count = to.len() / layout.size();
        let left = reader.varint(count, "the number of elements that are not zero")?;
        let start = reader.clone();
        let mut mask = vec![0; count.div_ceil(8)];
        let mask = planes::read_one(&mut reader, &mut mask)?;
        let set: usize = mask.iter().map(|byte| byte.count_ones() as usize).sum();
        if set != left
            || !count.is_multiple_of(8) && mask.last().is_some_and(|&b| b >> (count % 8) != 0)
        {
            return Err(start.error("the bits of elements that are not zero are not so many"));
        }
        let mut others = vec![0; left * layout.size()];
        read_elements(&mut reader, layout, &mut others, room)?;
        scatter(layout.size(), mask, &others, to);
    }
    match reader.remaining() {
        0 => Ok(()),
        more => Err(reader.error(format!("{more} bytes follow the elements of a chunk"))),
    }
}

/// How many elements are zero.
fn count_zeros(layout: &Layout, bytes: &[u8]) -> usize {
    fn of<const SIZE: usize>(bytes: &[u8]) -> usize {
        let (elements, _) = bytes.as_chunks::<SIZE>();
        elements
            .iter()
            .filter(|element| **element == [0; SIZE])
            .count()
    }
    match layout.size() {
        1 => of::<1>(bytes),
        2 => of::<2>(bytes),
        4 => of::<4>(bytes),
        8 => of::<8>(bytes),
        size => bytes
            .chunks_exact(size)
            .filter(|element| is_zero(element))
            .count(),
    }
}

fn is_zero(element: &[u8]) -> bool {
    element.iter().all(|&byte| byte == 0)
}

/// A bit for each element, and those elements that are not zero.
fn without_zeros(size: usize, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut mask = vec![0; (bytes.len() / size).div_ceil(8)];
    let mut others = Vec::new();
    for (mask, eight) in mask.iter_mut().zip(bytes.chunks(8 * size)) {
        for (i, element) in eight.chunks_exact(size).enumerate() {
            if !is_zero(element) {
                *mask |= 1 << i;
                others.extend_from_slice(element);
            }
        }
    }
    (mask, others)
}

/// Puts elements where the bits of a mask are set, and zeros elsewhere.
fn scatter(size: usize, mask: &[u8], others: &[u8], to: &mut [u8]) {
    let mut others = others.chunks_exact(size);
    for (&mask, eight) in mask.iter().zip(to.chunks_mut(8 * size)) {
        eight.fill(0);
        for (i, element) in eight.chunks_exact_mut(size).enumerate() {
            if mask >> i & 1 == 1
                && let Some(other) = others.next()
            {
                element.copy_from_slice(other);
            }
        }
    }
}
