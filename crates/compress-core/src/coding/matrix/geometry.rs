//! Which columns of a matrix lie next to each other.

#[cfg(test)]
mod tests;

/// An image of more pixels is coded as a plain row: its table of neighbours would take too much
/// memory of a reader.
pub const MOST_PIXELS: usize = 1 << 16;

/// The neighbours of a column, from [`Geometry::neighbours`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// Those before it: west, north, north-west, north-east, two to the west, two to the north.
    pub before: [u32; 6],
    /// Those after it: east, south, south-west, south-east.
    pub after: [u32; 4],
}

/// The steps (right, down) to [`Neighbours::before`] and to [`Neighbours::after`].
const BEFORE: [(i64, i64); 6] = [(-1, 0), (0, -1), (-1, -1), (1, -1), (-2, 0), (0, -2)];
const AFTER: [(i64, i64); 4] = [(1, 0), (0, 1), (-1, 1), (1, 1)];

/// How the columns of a matrix are arranged: in a line, or as the pixels of an image.
#[derive(Clone, Debug)]
pub struct Geometry {
    columns: usize,
    /// Empty where the columns form a line.
    table: Vec<Neighbours>,
}

impl Geometry {
    /// Columns in a line.
    pub fn line(columns: usize) -> Self {
        Geometry {
            columns,
            table: Vec::new(),
        }
    }

    /// Columns that are pixels of an image `width` pixels wide, which has `features` pixels.
    /// Column i is pixel `selected[i]`, or pixel i without `selected`. None where that is no
    /// image, or too large a one.
    pub fn image(features: usize, selected: Option<&[u32]>, width: usize) -> Option<Self> {
        if width == 0 || features > MOST_PIXELS || width > features {
            return None;
        }
        let columns = selected.map_or(features, <[u32]>::len);
        let mut column_of = vec![columns as u32; features];
        for column in 0..columns {
            let pixel = selected.map_or(column, |s| s[column] as usize);
            *column_of.get_mut(pixel)? = column as u32;
        }
        let at = |pixel: usize, (right, down): (i64, i64)| {
            let x = (pixel % width) as i64 + right;
            let y = (pixel / width) as i64 + down;
            if x < 0 || x >= width as i64 || y < 0 {
                return columns as u32;
            }
            let there = column_of.get(y as usize * width + x as usize);
            there.copied().unwrap_or(columns as u32)
        };
        let table = (0..columns)
            .map(|column| {
                let pixel = selected.map_or(column, |s| s[column] as usize);
                Neighbours {
                    before: BEFORE.map(|step| at(pixel, step)),
                    after: AFTER.map(|step| at(pixel, step)),
                }
            })
            .collect();
        Some(Geometry { columns, table })
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The neighbours of `column`; [`Geometry::columns`] stands for none.
    pub fn neighbours(&self, column: usize) -> Neighbours {
        match self.table.get(column) {
            Some(neighbours) => *neighbours,
            None => {
                let none = self.columns as u32;
                let before = |n| column.checked_sub(n).map_or(none, |c| c as u32);
                Neighbours {
                    before: [before(1), none, none, none, before(2), none],
                    after: [
                        column.saturating_add(1).min(self.columns) as u32,
                        none,
                        none,
                        none,
                    ],
                }
            }
        }
    }
}
