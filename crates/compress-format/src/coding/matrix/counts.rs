//! Codes how many non-zeros each row has, before the row itself.
//!
//! With the number known, the positions take fewer bits. In sorted rows a number takes two bits or
//! fewer.

use crate::coding::numbers::Numbers;
use crate::coding::predictor::{Counter, code_plain};
use crate::coding::range_coder::BitCoder;

#[cfg(test)]
mod tests;

/// Predicts each row's number from that of the row before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    before: Option<u32>,
    more: Counter,
    first: Numbers,
    above: Numbers,
    below: Numbers,
}

impl Counts {
    /// Codes the number of the next row, at most `most`.
    pub(crate) fn code(&mut self, coder: &mut impl BitCoder, count: u32, most: u32) -> u32 {
        let count = match self.before {
            None => self.first.code(coder, count, most),
            Some(before) => {
                let more = before < most && code_plain(coder, count > before, &mut self.more);
                if more {
                    let above = count.saturating_sub(before + 1);
                    before + 1 + self.above.code(coder, above, most - before - 1)
                } else {
                    before - self.below.code(coder, before.saturating_sub(count), before)
                }
            }
        };
        let count = count.min(most);
        self.before = Some(count);
        count
    }
}
