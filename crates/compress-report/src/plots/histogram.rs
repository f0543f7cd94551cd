//! Weights of one layer before and after compression, as counts on a logarithmic axis.

use plotters::prelude::{Color, Rectangle};

use super::Svg;
use super::axis::Axis;
use super::canvas::{self, Area, Chart, Drawn, Mark};
use crate::Result;
use crate::palette::{Colour, RAMP, SERIES};

/// Counts of a layer's weights in bins of equal width from `low` to `high`.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The layer's name.
    pub layer: String,
    /// Lower edge of the first bin.
    pub low: f32,
    /// Upper edge of the last bin.
    pub high: f32,
    /// Counts per bin before compression.
    pub before: Vec<u64>,
    /// Counts per bin after compression; as many bins.
    pub after: Vec<u64>,
}

const BEFORE: Colour = RAMP[0];
const AFTER: Colour = SERIES[1];

/// Where the axis of counts begins, so that a single weight is a bar and not a line.
const FLOOR: f64 = 0.6;

/// The plot of one layer; `None` without a range or without counts.
///
/// # Errors
/// Where it cannot be drawn.
pub fn histogram(histogram: &Histogram) -> Result<Option<Svg>> {
    let counts = || histogram.before.iter().chain(&histogram.after);
    let is_range = histogram.low.is_finite() && histogram.high > histogram.low;
    if !is_range || !histogram.high.is_finite() || counts().all(|&count| count == 0) {
        return Ok(None);
    }
    canvas::svg("weights", (430, 270), |area| draw(area, histogram)).map(Some)
}

fn draw(area: &Area<'_>, histogram: &Histogram) -> Drawn {
    let (top, plot) = area.split_vertically(28);
    let right = canvas::heading(&top, (4, 14), &histogram.layer)?;
    let entries = [
        (Mark::Square(BEFORE), "before compression"),
        (Mark::Square(AFTER), "after"),
    ];
    canvas::legend(&top, (right + 20, 14), &entries)?;

    let (low, high) = (f64::from(histogram.low), f64::from(histogram.high));
    let counts = histogram.before.iter().chain(&histogram.after);
    let counts = counts.map(|&c| c as f64).chain([1.0, 10.0]);
    let x = Axis::linear(low, std::iter::once(high), 6).between(low, high);
    let y = Axis::logarithmic(counts);
    let top_count = y.high;
    let y = y.between(FLOOR, top_count);
    let mut chart = canvas::frame(&plot, (&x, "weight"), (&y, "weights per bin, logarithmic"))?;
    bars(&mut chart, (low, high), &histogram.before, BEFORE, 1.0)?;
    bars(&mut chart, (low, high), &histogram.after, AFTER, 0.6)
}

/// Bars that fill the fraction `fill` of their bin's width.
fn bars(
    chart: &mut Chart<'_>,
    (low, high): (f64, f64),
    counts: &[u64],
    colour: Colour,
    fill: f64,
) -> Drawn {
    let width = (high - low) / counts.len().max(1) as f64;
    let bars = counts.iter().enumerate().filter(|(_, c)| **c > 0);
    chart.draw_series(bars.map(|(i, &count)| {
        let centre = low + (i as f64 + 0.5) * width;
        let half = width * fill / 2.0;
        let corners = [(centre - half, FLOOR), (centre + half, count as f64)];
        Rectangle::new(corners, colour.rgb().filled())
    }))?;
    Ok(())
}
