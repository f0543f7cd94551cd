//! The plots of a report, one file each. Each returns an `<svg>` element, or `None` where the
//! report holds nothing to plot.

mod axis;
mod canvas;
mod curves;
mod densities;
mod frontier;
mod histograms;
mod labels;
mod pixels;
mod sheet;
mod sweep;
mod weights;

pub(super) use curves::curve;
pub(super) use densities::densities;
pub(super) use frontier::frontier;
pub(super) use histograms::histogram;
pub(super) use pixels::pixels;
pub(super) use sweep::sweep;
pub(super) use weights::{picture, weights};
