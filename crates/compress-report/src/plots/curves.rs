//! The curves of one training, such as its loss and its error by epoch: two panels side by side.

use plotters::prelude::{Circle, Color, LineSeries};

use super::Svg;
use super::axis::Axis;
use super::canvas::{self, Area, Drawn, Mark};
use crate::Result;
use crate::number::fixed;
use crate::palette::{Colour, SERIES};

/// Lines on the same axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the lines are in, as in "error in %".
    pub unit: String,
    /// The lines. Those without a point are left out.
    pub lines: Vec<Line>,
}

/// One line of a panel.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is called.
    pub label: String,
    /// Which of the two colours it has, from 0; beyond them they come again. What belongs together
    /// in two panels has the same.
    pub colour: usize,
    /// Epoch, from 1, and value. Values that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// The plot of a training of that name, by epoch.
///
/// # Errors
/// Where it cannot be drawn.
pub fn curves(name: &str, [left, right]: [&Panel; 2]) -> Result<Svg> {
    canvas::svg("training", (880, 270), |area| {
        let (title, rest) = area.split_vertically(26);
        canvas::heading(&title, (4, 14), name)?;
        let (left_area, right_area) = rest.split_horizontally(440);
        panel(&left_area, left)?;
        panel(&right_area, right)
    })
}

/// A line's name, its colour, and what of it can be drawn.
struct Drawable<'a> {
    label: &'a str,
    colour: Colour,
    points: Vec<(f64, f64)>,
}

fn drawable(line: &Line) -> Option<Drawable<'_>> {
    let points = line.points.iter().copied();
    let points: Vec<_> = points
        .filter(|(epoch, value)| epoch.is_finite() && value.is_finite())
        .collect();
    (!points.is_empty()).then(|| Drawable {
        label: &line.label,
        colour: SERIES[line.colour % SERIES.len()],
        points,
    })
}

fn panel(area: &Area<'_>, panel: &Panel) -> Drawn {
    let lines: Vec<Drawable<'_>> = panel.lines.iter().filter_map(drawable).collect();
    let (top, plot) = area.split_vertically(22);
    let entries = lines.iter().map(|l| (Mark::Square(l.colour), l.label));
    canvas::legend(&top, (60, 10), &entries.collect::<Vec<_>>())?;

    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let values: Vec<f64> = points().map(|(_, value)| value).collect();
    let x = epochs(points().map(|(epoch, _)| epoch));
    let y = Axis::automatic(&values, 20.0, 5);
    let mut chart = canvas::frame(&plot, (&x, "epoch"), (&y, &panel.unit))?;
    for line in &lines {
        let points = || line.points.iter().copied();
        let style = line.colour.rgb().stroke_width(2);
        chart.draw_series(LineSeries::new(points(), style))?;
        // Few points are marked, so that a line of one point is seen and gaps are no mystery.
        if line.points.len() <= 30 {
            chart.draw_series(points().map(|p| Circle::new(p, 2, style.filled())))?;
        }
    }
    Ok(())
}

/// An axis of whole epochs.
fn epochs(values: impl Iterator<Item = f64>) -> Axis {
    let last = values.fold(1.0, f64::max);
    let mut axis = Axis::linear(0.0, std::iter::once(last), 6);
    axis.ticks.retain(|(epoch, _)| epoch.fract() == 0.0);
    for (epoch, text) in &mut axis.ticks {
        *text = fixed(*epoch, 0);
    }
    axis
}
