//! Plots as SVG, one file each. Where there is nothing to plot, they are `None`.

mod axis;
mod bars;
mod canvas;
mod curves;
mod frontier;
mod histogram;
mod labels;
mod lines;
mod pixels;
mod sheet;
mod sweep;
mod weights;

use std::fmt::{self, Display, Formatter};

pub use bars::{Bar, Group, bars};
pub use curves::{Line, Panel, curves};
pub use frontier::{FrontierPoint, frontier};
pub use histogram::{Histogram, histogram};
pub use lines::{Lines, Series, lines};
pub use pixels::pixels;
pub use sweep::{Sweep, sweep};
pub use weights::{LayerWeights, picture, weights};

/// A drawn plot: an `<svg>` element, and a file of its own as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    /// The element.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Display for Svg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
