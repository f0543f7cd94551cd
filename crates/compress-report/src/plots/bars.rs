//! Bars of shares in groups: under the group's name a bar for each share, named at its left, so that
//! any number of them can be told apart.

use plotters::prelude::{Color, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};

use super::Svg;
use super::axis::Axis;
use super::canvas::{self, Area, Chart, Drawn};
use crate::Result;
use crate::number::fixed;
use crate::palette::{Colour, GROUND, MUTED, SERIES};

/// Bars under a name.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The bars, from the top down.
    pub bars: Vec<Bar>,
}

/// A share of a whole.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is a share of.
    pub label: String,
    /// From 0 to 100.
    pub percent: f64,
}

const BAR: Colour = SERIES[0];
/// Height of a row: the name of a group, or a bar with the space around it.
const ROW: i32 = 18;
/// Space above the name of a group.
const GAP: i32 = 8;

/// What is drawn in a row whose top is that many pixels below the top of the plot.
struct Row<'a> {
    top: i32,
    content: Content<'a>,
}

enum Content<'a> {
    Name(&'a str),
    Bar(&'a Bar),
}

/// The plot, as high as it has bars; `axis` says what they are, as in "weights left in %".
///
/// # Errors
/// Where it cannot be drawn.
pub fn bars(axis: &str, groups: &[Group]) -> Result<Option<Svg>> {
    let (rows, height) = rows(groups);
    if rows.is_empty() {
        return Ok(None);
    }
    // The axis points up, as all do; rows are counted from the top.
    let ticks = rows.iter().rev().filter_map(|row| match row.content {
        Content::Name(_) => None,
        Content::Bar(bar) => Some((-f64::from(row.top + ROW / 2), bar.label.clone())),
    });
    let y = Axis::named(-f64::from(height), 0.0, ticks.collect());
    let size = (880, (height + canvas::FRAME) as u32);
    canvas::svg("bars", size, |area| draw(area, axis, &rows, &y)).map(Some)
}

/// The rows from the top down, and the height of all of them.
fn rows(groups: &[Group]) -> (Vec<Row<'_>>, i32) {
    let mut rows = Vec::new();
    let mut top = 0;
    for Group { name, bars } in groups {
        top += GAP;
        let bars = bars.iter().map(Content::Bar);
        for content in std::iter::once(Content::Name(name)).chain(bars) {
            rows.push(Row { top, content });
            top += ROW;
        }
    }
    (rows, top + GAP)
}

fn draw(area: &Area<'_>, title: &str, rows: &[Row<'_>], y: &Axis) -> Drawn {
    let x = Axis::linear(0.0, std::iter::once(100.0), 5);
    let chart = canvas::frame(area, (&x, title), (y, ""))?;
    for row in rows {
        let (left, top) = chart.backend_coord(&(0.0, -f64::from(row.top)));
        match row.content {
            Content::Name(name) => {
                canvas::heading(area, (left + 6, top + ROW / 2), name)?;
            }
            Content::Bar(bar) => draw_bar(area, &chart, (left, top), bar)?,
        }
    }
    Ok(())
}

fn draw_bar(area: &Area<'_>, chart: &Chart<'_>, (left, top): (i32, i32), bar: &Bar) -> Drawn {
    let (end, _) = chart.backend_coord(&(bar.percent, 0.0));
    let corners = [(left, top + 2), (end.max(left + 1), top + ROW - 3)];
    area.draw(&Rectangle::new(corners, BAR.rgb().filled()))?;
    let (at, anchor, colour) = match bar.percent < 90.0 {
        true => (end + 6, HPos::Left, MUTED),
        false => (end - 6, HPos::Right, GROUND),
    };
    let text = format!("{} %", fixed(bar.percent, 2));
    let at = (at, top + ROW / 2);
    canvas::text(area, at, &text, colour, (anchor, VPos::Center))
}
