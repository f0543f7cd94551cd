//! Error against bytes: models of this report among published results.

use plotters::prelude::{Circle, Color};

use super::axis::Axis;
use super::canvas::{self, Area, Chart, Drawn, Mark};
use super::{Svg, labels};
use crate::Result;
use crate::palette::{Colour, INK, MUTED, SERIES};

const OURS: Colour = SERIES[0];
const PUBLISHED: Colour = SERIES[1];

/// The title of the axis of bytes.
pub(super) const X_TITLE: &str = "file size in bytes, logarithmic";

/// A model as a point: how large and how wrong.
#[derive(Clone, Debug)]
pub struct FrontierPoint {
    /// What it is called in the plot.
    pub label: String,
    /// Length of the file. A point without any is left out.
    pub bytes: usize,
    /// Error in percent.
    pub error_percent: f64,
    /// Whether the figure is another's, taken from a publication.
    pub published: bool,
}

/// The plot, with a logarithmic axis of bytes. `ours` names the points that are not published, and
/// `error` what the errors are, as in "test error".
///
/// # Errors
/// Where it cannot be drawn.
pub fn frontier(points: &[FrontierPoint], ours: &str, error: &str) -> Result<Option<Svg>> {
    let mut points: Vec<&FrontierPoint> = points
        .iter()
        .filter(|p| p.bytes > 0 && p.error_percent.is_finite())
        .collect();
    if points.is_empty() {
        return Ok(None);
    }
    // Ours come last so that they are drawn on top.
    points.sort_by_key(|point| !point.published);
    canvas::svg("error against bytes", (880, 460), |area| {
        draw(area, &points, ours, error)
    })
    .map(Some)
}

fn draw(area: &Area<'_>, points: &[&FrontierPoint], ours: &str, error: &str) -> Drawn {
    let (top, plot) = area.split_vertically(30);
    let ours = (Mark::Disc(OURS), ours);
    let published = (Mark::Ring(PUBLISHED), "published, test error");
    let entries = match points.iter().any(|p| p.published) {
        true => vec![ours, published],
        false => vec![ours],
    };
    canvas::legend(&top, (70, 16), &entries)?;

    let x = Axis::logarithmic(points.iter().map(|p| p.bytes as f64));
    let errors: Vec<f64> = points.iter().map(|p| p.error_percent).collect();
    let y = error_axis(&errors);
    let (x, y_title) = ((&x, X_TITLE), format!("{error} in %"));
    let chart = canvas::frame(&plot, x, (&y, &y_title))?;

    let pixels: Vec<(i32, i32)> = points
        .iter()
        .map(|p| chart.backend_coord(&(p.bytes as f64, p.error_percent)))
        .collect();
    draw_labels(area, &chart, points, &pixels)?;
    for (point, &pixel) in points.iter().zip(&pixels) {
        if point.published {
            area.draw(&Circle::new(pixel, 4, PUBLISHED.rgb().stroke_width(2)))?;
        } else {
            area.draw(&Circle::new(pixel, 5, OURS.rgb().filled()))?;
        }
    }
    Ok(())
}

/// The errors with room below them: differences matter here, and the distance from zero does not.
pub(super) fn error_axis(errors: &[f64]) -> Axis {
    let low = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let high = errors.iter().copied().fold(low, f64::max);
    if low > 0.0 && high > low * 10.0 {
        return Axis::logarithmic(errors.iter().copied());
    }
    let room = ((high - low) * 0.25).max(low * 0.1);
    Axis::linear((low - room).max(0.0), [high + room / 4.0].into_iter(), 7)
}

/// Our labels are placed first, for they matter most.
fn draw_labels(
    area: &Area<'_>,
    chart: &Chart<'_>,
    points: &[&FrontierPoint],
    pixels: &[(i32, i32)],
) -> Drawn {
    let pixels: Vec<(i32, i32)> = pixels.iter().rev().copied().collect();
    let colour = |published| if published { MUTED } else { INK };
    let texts = points.iter().rev();
    let texts: Vec<(&str, Colour)> = texts
        .map(|p| (p.label.as_str(), colour(p.published)))
        .collect();
    labels::draw(area, chart, &pixels, &texts)
}
