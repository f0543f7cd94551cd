//! Density by layer: a group of bars for each layer, a bar for each stage.

use plotters::prelude::{Color, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::canvas::{self, Area, Drawn, Mark};
use crate::report::ReportError;
use crate::report::model::Report;
use crate::report::number::fixed;
use crate::report::palette::{INK, MUTED, series};
use crate::report::tables::density_axes;

/// Height of a bar with the space below it.
const BAR: i32 = 18;
/// Space between two layers.
const GAP: i32 = 14;

/// The plot, as high as it has bars.
pub(in crate::report) fn densities(report: &Report) -> Result<Option<String>, ReportError> {
    let (layers, stages) = density_axes(report);
    if layers.is_empty() {
        return Ok(None);
    }
    let bars = report.densities.len() as i32 * BAR + layers.len() as i32 * GAP;
    let height = (bars + 30 + 44 + 8) as u32;
    canvas::svg("density", (880, height), |area| {
        draw(area, report, &layers, &stages)
    })
    .map(Some)
}

fn draw(area: &Area<'_>, report: &Report, layers: &[&str], stages: &[&str]) -> Drawn {
    let names = layers.iter().map(|layer| canvas::text_width(layer)).max();
    let left = names.unwrap_or(0) + 16;
    let (top, rest) = area.split_vertically(30);
    let entries: Vec<(Mark, &str)> = stages
        .iter()
        .enumerate()
        .map(|(i, stage)| (Mark::Square(series(i)), *stage))
        .collect();
    canvas::legend(&top, (left, 16), &entries)?;

    let (_, plot) = rest.split_horizontally(left - 34);
    let x = Axis::linear(0.0, std::iter::once(100.0), 5);
    let mut y = Axis::linear(0.0, std::iter::once(1.0), 1);
    y.ticks.clear();
    let chart = canvas::frame(&plot, (&x, "weights left in %"), (&y, ""))?;
    let zero = chart.backend_coord(&(0.0, 1.0));
    let mut row = zero.1 + GAP / 2;
    for layer in layers {
        let bars: Vec<_> = report
            .densities
            .iter()
            .filter(|d| d.layer == *layer)
            .collect();
        let middle = row + bars.len() as i32 * BAR / 2;
        canvas::text(
            area,
            (zero.0 - 10, middle),
            layer,
            INK,
            (HPos::Right, VPos::Center),
        )?;
        for bar in bars {
            let percent = bar.density * 100.0;
            let stage = stages.iter().position(|stage| *stage == bar.stage);
            let colour = series(stage.unwrap_or(0));
            let end = chart.backend_coord(&(percent, 1.0)).0;
            let corners = [(zero.0, row + 2), (end.max(zero.0 + 1), row + BAR - 3)];
            area.draw(&Rectangle::new(corners, colour.rgb().filled()))?;
            let value = format!("{} %", fixed(percent, 2));
            let (at, anchor) = match percent < 90.0 {
                true => (end + 6, HPos::Left),
                false => (end - 6, HPos::Right),
            };
            let ink = if percent < 90.0 {
                MUTED
            } else {
                crate::report::palette::GROUND
            };
            canvas::text(
                area,
                (at, row + BAR / 2),
                &value,
                ink,
                (anchor, VPos::Center),
            )?;
            row += BAR;
        }
        row += GAP;
    }
    Ok(())
}
