//! What the squared error of each value counts.

use super::groups::Values;
use super::lanes::{LANES, Lanes};
use crate::kernels::block_format::BlockFormat;
use crate::{Error, Result};

/// The weight of each column of a row, or 1 for all.
#[derive(Clone, Copy)]
pub(super) struct Importance<'a> {
    columns: Option<&'a [f32]>,
    /// The column of the first value.
    first: usize,
}

impl<'a> Importance<'a> {
    pub(super) fn new(columns: Option<&'a [f32]>) -> Self {
        Importance { columns, first: 0 }
    }

    /// The columns' weights divided by the largest, so that sums of them neither overflow nor
    /// vanish; none where all are zero.
    pub(super) fn scaled(
        format: BlockFormat,
        what: &str,
        values: usize,
        columns: &[f32],
    ) -> Result<Option<Vec<f32>>> {
        let len = columns.len();
        if len == 0 && values == 0 {
            return Ok(None);
        }
        if !len.is_multiple_of(format.block_len()) || !values.is_multiple_of(len) {
            let expected = format!(
                "the length of a row: a multiple of {} that divides {values}",
                format.block_len()
            );
            let what = format!("number of importance weights of {what}");
            return Err(Error::invalid(what, len, expected));
        }
        if let Some(&bad) = columns.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            let what = format!("importance weight of {what}");
            return Err(Error::invalid(what, bad, "finite and at least 0"));
        }
        let most = columns.iter().fold(0.0, |most: f32, &w| most.max(w));
        let scaled = || columns.iter().map(|w| w / most).collect();
        Ok((most > 0.0).then(scaled))
    }

    /// From the value at `at` on.
    #[inline(always)]
    pub(super) fn from(self, at: usize) -> Self {
        let first = match self.columns {
            Some(columns) => (self.first + at) % columns.len(),
            None => 0,
        };
        Importance { first, ..self }
    }

    /// Whether all count the same.
    #[inline(always)]
    pub(super) fn is_even(self) -> bool {
        self.columns.is_none()
    }

    /// Those of the first 16 groups. A group lies in one row.
    #[inline(always)]
    pub(super) fn weights<L: Lanes, const GROUP: usize>(self) -> Values<L, GROUP> {
        let mut lanes = [L::all(1.0); GROUP];
        let Some(columns) = self.columns else {
            return lanes;
        };
        let mut weights = [[0.0; LANES]; GROUP];
        for lane in 0..LANES {
            let at = self.from(lane * GROUP).first;
            for (weights, &column) in weights.iter_mut().zip(&columns[at..]) {
                weights[lane] = column;
            }
        }
        for (lanes, weights) in lanes.iter_mut().zip(&weights) {
            *lanes = L::load(weights);
        }
        lanes
    }
}
