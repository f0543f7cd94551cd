//! Density by layer: a group of bars for each layer, a bar for each stage.

use plotters::prelude::{Color, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::canvas::{self, Area, Chart, Drawn, Mark};
use crate::report::ReportError;
use crate::report::model::{LayerDensity, Report};
use crate::report::number::fixed;
use crate::report::palette::{Colour, GROUND, MUTED, series};
use crate::report::tables::density_axes;

/// Height of a bar with the space around it.
const BAR: i32 = 18;
/// Space between two layers, and half of it at the ends.
const GAP: i32 = 14;

/// A bar, and the pixel where it begins below the top of the plot.
struct Bar<'a> {
    top: i32,
    colour: Colour,
    density: &'a LayerDensity,
}

/// The plot, as high as it has bars.
pub(in crate::report) fn densities(report: &Report) -> Result<Option<String>, ReportError> {
    let (layers, stages) = density_axes(report);
    if layers.is_empty() {
        return Ok(None);
    }
    let mut bars = Vec::new();
    let mut middles = Vec::new();
    let mut top = GAP / 2;
    for layer in layers {
        let start = top;
        for density in report.densities.iter().filter(|d| d.layer == layer) {
            let stage = stages.iter().position(|stage| *stage == density.stage);
            let colour = series(stage.unwrap_or(0));
            bars.push(Bar {
                top,
                colour,
                density,
            });
            top += BAR;
        }
        middles.push((f64::from(start + top) / 2.0, layer.to_owned()));
        top += GAP;
    }
    let height = top - GAP / 2;
    let size = (880, (height + 30 + canvas::FRAME) as u32);
    // The axis points up, as all do; rows are counted from the top.
    let ticks = middles.into_iter().map(|(y, layer)| (-y, layer)).collect();
    let y = Axis::named(-f64::from(height), 0.0, ticks);
    canvas::svg("density", size, |area| draw(area, &stages, &bars, &y)).map(Some)
}

fn draw(area: &Area<'_>, stages: &[&str], bars: &[Bar<'_>], y: &Axis) -> Drawn {
    let (top, plot) = area.split_vertically(30);
    let x = Axis::linear(0.0, std::iter::once(100.0), 5);
    let chart = canvas::frame(&plot, (&x, "weights left in %"), (y, ""))?;
    let entries: Vec<(Mark, &str)> = stages
        .iter()
        .enumerate()
        .map(|(i, stage)| (Mark::Square(series(i)), *stage))
        .collect();
    canvas::legend(&top, (chart.backend_coord(&(0.0, 0.0)).0, 16), &entries)?;
    for bar in bars {
        draw_bar(area, &chart, bar)?;
    }
    Ok(())
}

fn draw_bar(area: &Area<'_>, chart: &Chart<'_>, bar: &Bar<'_>) -> Drawn {
    let percent = bar.density.density * 100.0;
    let (start, top) = chart.backend_coord(&(0.0, -f64::from(bar.top)));
    let (end, _) = chart.backend_coord(&(percent, 0.0));
    let corners = [(start, top + 2), (end.max(start + 1), top + BAR - 3)];
    area.draw(&Rectangle::new(corners, bar.colour.rgb().filled()))?;
    let (at, anchor, colour) = match percent < 90.0 {
        true => (end + 6, HPos::Left, MUTED),
        false => (end - 6, HPos::Right, GROUND),
    };
    let text = format!("{} %", fixed(percent, 2));
    let at = (at, top + BAR / 2);
    canvas::text(area, at, &text, colour, (anchor, VPos::Center))
}
