//! Which columns of a matrix lie next to each other.

#[cfg(test)]
mod tests;

/// An image of more pixels is coded as a plain row: its table of neighbours would take too much
/// memory of a reader.
pub const MOST_PIXELS: usize = 1 << 13;

/// How many neighbours come before a column: all within three steps of it.
pub const BEFORE: usize = 24;

/// How many are next to it on all sides.
pub const AROUND: usize = 8;

/// The steps (right, down) to those before, the nearest first.
const STEPS_BEFORE: [(i64, i64); BEFORE] = [
    (-1, 0),
    (0, -1),
    (-1, -1),
    (1, -1),
    (-2, 0),
    (0, -2),
    (-2, -1),
    (-1, -2),
    (1, -2),
    (2, -1),
    (-2, -2),
    (2, -2),
    (-3, 0),
    (0, -3),
    (-3, -1),
    (-1, -3),
    (1, -3),
    (3, -1),
    (-3, -2),
    (-2, -3),
    (2, -3),
    (3, -2),
    (-3, -3),
    (3, -3),
];

/// The steps to those next to a column on all sides.
const STEPS_AROUND: [(i64, i64); AROUND] = [
    (-1, 0),
    (0, -1),
    (1, 0),
    (0, 1),
    (-1, -1),
    (1, -1),
    (-1, 1),
    (1, 1),
];

/// Which columns are near one: [`Geometry::columns`] stands for none.
#[derive(Clone, Copy, Debug)]
struct Near {
    before: [u32; BEFORE],
    around: [u32; AROUND],
}

/// How the columns of a matrix are arranged: in a line, or as the pixels of an image.
#[derive(Clone, Debug)]
pub struct Geometry {
    columns: usize,
    /// Empty where the columns form a line.
    table: Vec<Near>,
}

impl Geometry {
    /// Columns in a line.
    pub fn line(columns: usize) -> Self {
        let table = Vec::new();
        Geometry { columns, table }
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
                Near {
                    before: STEPS_BEFORE.map(|step| at(pixel, step)),
                    around: STEPS_AROUND.map(|step| at(pixel, step)),
                }
            })
            .collect();
        Some(Geometry { columns, table })
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The neighbours of `column` that come before it, the nearest first; [`Geometry::columns`]
    /// stands for none.
    pub fn before(&self, column: usize) -> [u32; BEFORE] {
        match self.table.get(column) {
            Some(near) => near.before,
            None => STEPS_BEFORE.map(|step| self.in_line(column, step)),
        }
    }

    /// Those next to it on all sides.
    pub fn around(&self, column: usize) -> [u32; AROUND] {
        match self.table.get(column) {
            Some(near) => near.around,
            None => STEPS_AROUND.map(|step| self.in_line(column, step)),
        }
    }

    fn in_line(&self, column: usize, (right, down): (i64, i64)) -> u32 {
        match column.checked_add_signed(right as isize) {
            Some(there) if down == 0 => there.min(self.columns) as u32,
            _ => self.columns as u32,
        }
    }
}
