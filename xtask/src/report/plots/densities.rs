//! Density by layer: under the layer's name a bar for each stage, named at its left, so that any
//! number of stages can be told apart.

use plotters::prelude::{Color, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::canvas::{self, Area, Chart, Drawn};
use crate::report::ReportError;
use crate::report::model::{LayerDensity, Report};
use crate::report::number::fixed;
use crate::report::palette::{Colour, GROUND, MUTED, SERIES};
use crate::report::tables::density_axes;

const BAR: Colour = SERIES[0];
/// Height of a row: the name of a layer, or a bar with the space around it.
const ROW: i32 = 18;
/// Space above the name of a layer.
const GAP: i32 = 8;

/// What is drawn in a row whose top is that many pixels below the top of the plot.
struct Row<'a> {
    top: i32,
    content: Content<'a>,
}

enum Content<'a> {
    Layer(&'a str),
    Bar(&'a LayerDensity),
}

/// The plot, as high as it has bars.
pub(in crate::report) fn densities(report: &Report) -> Result<Option<String>, ReportError> {
    let (rows, height) = rows(report);
    if rows.is_empty() {
        return Ok(None);
    }
    // The axis points up, as all do; rows are counted from the top.
    let ticks = rows.iter().rev().filter_map(|row| match row.content {
        Content::Layer(_) => None,
        Content::Bar(bar) => Some((-f64::from(row.top + ROW / 2), bar.stage.clone())),
    });
    let y = Axis::named(-f64::from(height), 0.0, ticks.collect());
    let size = (880, (height + canvas::FRAME) as u32);
    canvas::svg("density", size, |area| draw(area, &rows, &y)).map(Some)
}

/// The rows from the top down, and the height of all of them.
fn rows(report: &Report) -> (Vec<Row<'_>>, i32) {
    let (layers, _) = density_axes(report);
    let mut rows = Vec::new();
    let mut top = 0;
    for layer in layers {
        top += GAP;
        let bars = report.densities.iter().filter(|d| d.layer == layer);
        for content in std::iter::once(Content::Layer(layer)).chain(bars.map(Content::Bar)) {
            rows.push(Row { top, content });
            top += ROW;
        }
    }
    (rows, top + GAP)
}

fn draw(area: &Area<'_>, rows: &[Row<'_>], y: &Axis) -> Drawn {
    let x = Axis::linear(0.0, std::iter::once(100.0), 5);
    let chart = canvas::frame(area, (&x, "weights left in %"), (y, ""))?;
    for row in rows {
        let (left, top) = chart.backend_coord(&(0.0, -f64::from(row.top)));
        match row.content {
            Content::Layer(name) => {
                canvas::heading(area, (left + 6, top + ROW / 2), name)?;
            }
            Content::Bar(bar) => draw_bar(area, &chart, (left, top), bar)?,
        }
    }
    Ok(())
}

fn draw_bar(
    area: &Area<'_>,
    chart: &Chart<'_>,
    (left, top): (i32, i32),
    bar: &LayerDensity,
) -> Drawn {
    let percent = bar.density * 100.0;
    let (end, _) = chart.backend_coord(&(percent, 0.0));
    let corners = [(left, top + 2), (end.max(left + 1), top + ROW - 3)];
    area.draw(&Rectangle::new(corners, BAR.rgb().filled()))?;
    let (at, anchor, colour) = match percent < 90.0 {
        true => (end + 6, HPos::Left, MUTED),
        false => (end - 6, HPos::Right, GROUND),
    };
    let text = format!("{} %", fixed(percent, 2));
    let at = (at, top + ROW / 2);
    canvas::text(area, at, &text, colour, (anchor, VPos::Center))
}
