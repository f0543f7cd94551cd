//! Copying some of a row's elements.

use super::levels::by_level;

by_level! {
    /// The elements `columns` of a row.
    ///
    /// # Panics
    /// Where the row has no such column, or `to` is not as long as `columns`.
    pub fn select_at(row: &[f32], columns: &[u32], to: &mut [f32]) = select;
}

#[inline(always)]
fn select(row: &[f32], columns: &[u32], to: &mut [f32]) {
    assert!(to.len() == columns.len());
    // Checked for all at once, so that the loop below becomes one of gathers where there are any.
    let largest = columns.iter().fold(0, |largest, &c| largest.max(c));
    assert!(columns.is_empty() || (largest as usize) < row.len());
    for (to, &column) in to.iter_mut().zip(columns) {
        // SAFETY: no column is above the largest, which is one of the row's.
        *to = unsafe { *row.get_unchecked(column as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    #[test]
    fn every_level_selects_the_same() {
        let row: Vec<f32> = (0..300).map(|i| i as f32).collect();
        for length in (0..40).chain([100, 300]) {
            let columns: Vec<u32> = (0..length).map(|i| i * 7 % 300).collect();
            let expected: Vec<f32> = columns.iter().map(|&c| c as f32).collect();
            for isa in Isa::available() {
                let mut to = vec![-1.0; columns.len()];
                select_at(isa, &row, &columns, &mut to);
                assert_eq!(to, expected, "{isa:?} {length}");
            }
        }
    }

    #[test]
    #[should_panic]
    fn a_column_beyond_the_row_is_never_read() {
        select_at(Isa::Scalar, &[1.0, 2.0], &[0, 2], &mut [0.0; 2]);
    }
}
