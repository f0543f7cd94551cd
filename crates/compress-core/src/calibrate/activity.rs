//! How often the features of a value are active, that is, not zero.

use ndarray::ArrayView2;

use super::ByPlace;
use crate::Result;
use crate::observe::{Place, Tap};

/// How often each feature of a value was not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputActivity {
    /// Rows seen.
    pub samples: usize,
    /// For each feature in how many rows it was not zero.
    pub active: Vec<u64>,
}

/// Collects [`OutputActivity`] for some values of a model's graph.
///
/// # References
/// Hu, Peng, Tai, Tang 2016 (1607.03250), section 3.1: the Average Percentage of Zeros (APoZ) is
/// one less this, over the number of rows.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    values: Vec<String>,
    /// In the order in which places were seen first.
    pub places: ByPlace<OutputActivity>,
}

impl Activity {
    /// Of the values of these names.
    pub fn of(values: Vec<String>) -> Self {
        Activity {
            values,
            places: ByPlace::default(),
        }
    }
}

impl Tap for Activity {
    fn wants(&self, place: Place<'_>) -> bool {
        matches!(place, Place::Value(name) if self.values.iter().any(|value| value == name))
    }

    /// # Errors
    /// Where the columns of a place change.
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let columns = rows.ncols();
        let entry = self.places.entry(place, columns, || OutputActivity {
            samples: 0,
            active: vec![0; columns],
        })?;
        entry.samples += rows.nrows();
        for row in rows.rows() {
            for (count, &value) in entry.active.iter_mut().zip(row) {
                *count += u64::from(value != 0.0);
            }
        }
        Ok(())
    }
}
