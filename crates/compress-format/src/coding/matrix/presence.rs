//! The price of each non-zero.

use super::code::{LARGEST, code_nonzeros};
use super::geometry::Geometry;
use super::magnitude::Magnitude;
use crate::coding::logistic::{UNIT, log2};
use crate::coding::part::Part;
use crate::coding::range_coder::BitCoder;

/// The bits that each non-zero of a matrix costs for not being zero, without its magnitude: the
/// bits of its sign, plus those of its place minus those of a zero there, as the coder sees it at
/// that point. For a zero the price is 0.
///
/// The effect on later values is left out: without the value, those of its cluster would cost more.
/// So a file becomes shorter by less than this: by half to all of it in the tests.
///
/// `values` are row-major, with columns arranged as `geometry`, each of at most [`LARGEST`].
pub fn presence_bits(geometry: &Geometry, values: &[i32]) -> Vec<f32> {
    let columns = geometry.columns().max(1);
    let most = values.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
    let most = most.min(LARGEST);
    let mut bits = vec![0.0; values.len()];
    let mut magnitude = Magnitude::new(geometry);
    let mut row = usize::MAX;
    let mut copy = values.to_vec();
    let mut probe = Probe::default();
    code_nonzeros(&mut probe, geometry, &mut copy, |probe, position, value| {
        if position / columns != row {
            row = position / columns;
            magnitude.begin_row();
        }
        probe.sign = 0;
        let value = magnitude.code(probe, position % columns, value, (most, most));
        // Places that follow from the number of the row's non-zeros are not coded.
        let place = probe.places.get(position % columns).copied().unwrap_or(0);
        bits[position] = (place + probe.sign) as f32 / UNIT as f32;
        value
    });
    bits
}

/// Sums up what it is asked to code, in units of 1/[`UNIT`] bits.
#[derive(Default)]
struct Probe {
    part: Option<Part>,
    /// For each coded place of the row, how much more it cost than the opposite bit.
    places: Vec<i32>,
    sign: i32,
}

impl BitCoder for Probe {
    fn code(&mut self, bit: bool, probability: u16) -> bool {
        let set = u64::from(probability.max(1));
        let [yes, no] = [set, (1 << 16) - set].map(|p| 16 * UNIT - log2(p));
        match self.part {
            Some(Part::Positions) => self.places.push(if bit { yes - no } else { no - yes }),
            Some(Part::Signs) => self.sign += if bit { yes } else { no },
            _ => {}
        }
        bit
    }

    fn begin(&mut self, part: Part) {
        if part == Part::Counts {
            self.places.clear();
        }
        self.part = Some(part);
    }
}
