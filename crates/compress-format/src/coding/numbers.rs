//! Codes single whole numbers by the range coder.

use super::predictor::{Counter, code_plain};
use super::range_coder::BitCoder;

#[cfg(test)]
mod tests;

/// Digits below the first that have a probability of their own.
const MODELLED: u32 = 2;

/// Codes numbers of one kind: how many binary digits a number plus one has, in unary, then the
/// digits after the first. Each question remembers its answers, so that numbers like those
/// before get short. The first number takes as many bits as in Elias' gamma code.
///
/// # References
/// Elias, *Universal codeword sets and representations of the integers* (1975).
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    longer: [Counter; 33],
    digits: [Counter; 33 << MODELLED],
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            longer: [Counter::default(); 33],
            digits: [Counter::default(); 33 << MODELLED],
        }
    }
}

impl Numbers {
    /// Codes `number`, which is at most `most`. A decoder never returns a larger one.
    pub(crate) fn code(&mut self, coder: &mut impl BitCoder, number: u32, most: u32) -> u32 {
        let (plus_one, largest) = (u64::from(number.min(most)) + 1, u64::from(most) + 1);
        let mut length = 0;
        while length < largest.ilog2()
            && code_plain(
                coder,
                plus_one.ilog2() > length,
                &mut self.longer[length as usize],
            )
        {
            length += 1;
        }
        let mut prefix = 1_u64;
        for digit in (0..length).rev() {
            let bit = (plus_one >> digit) & 1;
            let given = length - 1 - digit;
            let bit = if given < MODELLED {
                let question = ((length as usize) << MODELLED) + prefix as usize;
                u64::from(code_plain(coder, bit == 1, &mut self.digits[question]))
            } else {
                u64::from(coder.code_bits(bit as u32, 1))
            };
            prefix = prefix << 1 | bit;
        }
        (prefix - 1).min(u64::from(most)) as u32
    }
}
