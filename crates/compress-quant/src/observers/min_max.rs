//! The min-max observer: the smallest and the largest activation.

use compress_core::Result;
use compress_core::observe::{Place, Tap};
use ndarray::ArrayView2;

use super::contract::{ActivationRange, Observer, Places};

/// The range from the smallest to the largest activation seen. Nothing is clipped, so a single
/// outlier sets the scale.
///
/// # References
/// Krishnamoorthi, 1806.08342, section 3.1.
#[derive(Clone, Debug, Default)]
pub struct MinMax {
    places: Places<Option<(f32, f32)>>,
}

impl MinMax {
    /// Starts with nothing seen.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Tap for MinMax {
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let range = self.places.entry(place, rows)?;
        for &x in rows {
            let (low, high) = range.unwrap_or((x, x));
            *range = Some((low.min(x), high.max(x)));
        }
        Ok(())
    }
}

impl Observer for MinMax {
    fn ranges(&self) -> Result<Vec<ActivationRange>> {
        self.places.ranges(|range| *range)
    }
}
