//! Which columns of a matrix are neighbours.

use compress_core::network::Architecture;
use compress_core::ops::tent_pool::pooled;
use compress_core::{Error, Result};

#[cfg(test)]
mod tests;

/// Images with more pixels are coded as a plain row: their table of neighbours would take a reader
/// too much memory.
pub const MOST_PIXELS: usize = 1 << 13;

/// How many neighbours come before a column: all within three steps of it.
pub const BEFORE: usize = 24;

/// How many neighbours lie next to a column on all sides.
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

/// Images whose pixels are features, row-major, one after another. They are the levels of a
/// pyramid: each has half the rows and columns of the one before, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// Rows of the first image.
    pub height: usize,
    /// Columns of the first image.
    pub width: usize,
    /// How many images there are.
    pub levels: u8,
}

impl Images {
    /// One image.
    pub const fn one(height: usize, width: usize) -> Self {
        Images {
            height,
            width,
            levels: 1,
        }
    }

    /// Rows and columns of each image.
    pub fn sizes(self) -> impl Iterator<Item = (usize, usize)> {
        let half = |&(height, width): &(usize, usize)| Some((pooled(height), pooled(width)));
        std::iter::successors(Some((self.height, self.width)), half).take(self.levels.into())
    }

    /// The number of pixels of all images; [`usize::MAX`] where that overflows.
    pub fn pixels(self) -> usize {
        let of_each = self
            .sizes()
            .map(|(height, width)| height.saturating_mul(width));
        of_each.fold(0, usize::saturating_add)
    }
}

/// How the columns of a matrix are arranged: in a line, or as the pixels of images.
#[derive(Clone, Debug)]
pub struct Geometry {
    columns: usize,
    /// Empty where the columns form a line.
    table: Vec<Near>,
}

/// An image among others: its first pixel, its rows and columns.
#[derive(Clone, Copy, Debug)]
struct Placed {
    first: usize,
    height: usize,
    width: usize,
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
        let image = Placed {
            first: 0,
            // The last row may end early.
            height: features.div_ceil(width),
            width,
        };
        Self::placed(&[image], features, selected)
    }

    /// Columns that are pixels of `images`. Pixels of different images are not neighbours. Column i
    /// is pixel `selected[i]`, or pixel i without `selected`. None where there are no pixels, or
    /// too many.
    pub fn images(images: Images, selected: Option<&[u32]>) -> Option<Self> {
        let features = images.pixels();
        if features == 0 || features > MOST_PIXELS {
            return None;
        }
        let mut first = 0;
        let placed = images.sizes().map(|(height, width)| {
            let image = Placed {
                first,
                height,
                width,
            };
            first += height * width;
            image
        });
        Self::placed(&placed.collect::<Vec<_>>(), features, selected)
    }

    /// The columns of the first weight of `architecture`, whose features are the pixels of
    /// `images`.
    ///
    /// # Errors
    /// Where the number of pixels differs from the features, or is too large.
    pub fn of_first_layer(architecture: &Architecture, images: Images) -> Result<Self> {
        let (features, selected) = (architecture.selectable(), architecture.selected.as_deref());
        if features > MOST_PIXELS {
            let most = format!("at most {MOST_PIXELS}");
            return Err(Error::invalid("pixels of the images", features, most));
        }
        let fits = images.pixels() == features;
        let geometry = Geometry::images(images, selected).filter(|_| fits);
        geometry.ok_or_else(|| {
            let (found, expected) = (format!("{images:?}"), format!("of {features} pixels"));
            Error::invalid("the images", found, expected)
        })
    }

    fn placed(images: &[Placed], features: usize, selected: Option<&[u32]>) -> Option<Self> {
        let columns = selected.map_or(features, <[u32]>::len);
        let mut column_of = vec![columns as u32; features];
        for column in 0..columns {
            let pixel = selected.map_or(column, |s| s[column] as usize);
            *column_of.get_mut(pixel)? = column as u32;
        }
        let at = |image: &Placed, pixel: usize, (right, down): (i64, i64)| {
            let x = (pixel % image.width) as i64 + right;
            let y = (pixel / image.width) as i64 + down;
            if x < 0 || x >= image.width as i64 || y < 0 || y >= image.height as i64 {
                return columns as u32;
            }
            let there = column_of.get(image.first + y as usize * image.width + x as usize);
            there.copied().unwrap_or(columns as u32)
        };
        let near = |column: usize| {
            let pixel = selected.map_or(column, |s| s[column] as usize);
            let image = images.iter().rfind(|image| image.first <= pixel)?;
            let within = pixel - image.first;
            Some(Near {
                before: STEPS_BEFORE.map(|step| at(image, within, step)),
                around: STEPS_AROUND.map(|step| at(image, within, step)),
            })
        };
        let table = (0..columns).map(near).collect::<Option<_>>()?;
        Some(Geometry { columns, table })
    }

    /// Whether the columns form a line.
    pub fn is_line(&self) -> bool {
        self.table.is_empty()
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

    /// The neighbours next to it on all sides.
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
