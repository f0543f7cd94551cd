//! Weights of other formats packed without loss, and unpacked.

use compress_core::Result;
use compress_format::coding::elements::{self, Layout};
use compress_format::coding::reader::Reader;

use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::weights;

/// How many weights: 64 chunks of f32.
const COUNT: usize = 1 << 22;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, size) in [("f32", 4), ("bf16", 2)] {
        for threads in ["", "/t1"] {
            let pack = move |bench: &Bench| pack(bench, size);
            let unpack = move |bench: &Bench| unpack(bench, size);
            let row = |verb: &str| format!("{verb}/{name}/{COUNT}{threads}");
            rows.push(Row::new(row("pack"), Unit::Milliseconds, pack));
            rows.push(Row::new(row("unpack"), Unit::Milliseconds, unpack));
        }
    }
    rows
}

/// The elements are read, and what they are coded in is written.
fn pack(bench: &Bench, size: usize) -> Outcome {
    let (layout, bytes, coded) = packed(size)?;
    let floor = Floor::reading(bytes.len()).moving(0, coded.len());
    bench.time(floor, || -> Result<()> {
        let mut to = Vec::with_capacity(bytes.len());
        elements::write(&mut to, &layout, &bytes)
    })
}

fn unpack(bench: &Bench, size: usize) -> Outcome {
    let (_, bytes, coded) = packed(size)?;
    let floor = Floor::reading(coded.len()).moving(0, bytes.len());
    bench.time(floor, || {
        elements::read(&mut Reader::new(&coded, 0)).map(drop)
    })
}

/// Floats of `size` bytes, the upper ones of f32, and the same packed.
fn packed(size: usize) -> Result<(Layout, Vec<u8>, Vec<u8>)> {
    let layout = Layout::floats(size)?;
    let upper = |value: f32| value.to_le_bytes().into_iter().skip(4 - size);
    let bytes: Vec<u8> = weights(COUNT).into_iter().flat_map(upper).collect();
    let mut coded = Vec::new();
    elements::write(&mut coded, &layout, &bytes)?;
    Ok((layout, bytes, coded))
}
