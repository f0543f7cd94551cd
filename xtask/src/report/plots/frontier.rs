//! Error against bytes: the project's stages among published results.

use plotters::prelude::{Circle, Color, PathElement};
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Axis;
use super::canvas::{self, Area, Drawn, Mark};
use super::labels::{self, Box};
use crate::report::ReportError;
use crate::report::model::{FrontierPoint, Report};
use crate::report::palette::{Colour, INK, MUTED, SERIES};

const OURS: Colour = SERIES[0];
const PUBLISHED: Colour = SERIES[1];

/// Left of every label's text, and the line that leads from a distant label to its point.
const LEAD: i32 = 14;

/// The plot, with a logarithmic axis of bytes.
pub(in crate::report) fn frontier(report: &Report) -> Result<Option<String>, ReportError> {
    let mut points: Vec<&FrontierPoint> = report
        .frontier
        .iter()
        .filter(|p| p.bytes > 0 && p.error_percent.is_finite())
        .collect();
    if points.is_empty() {
        return Ok(None);
    }
    // Ours come last so that they are drawn on top.
    points.sort_by_key(|point| !point.published);
    canvas::svg("error against bytes", (880, 460), |area| {
        draw(area, &points)
    })
    .map(Some)
}

fn draw(area: &Area<'_>, points: &[&FrontierPoint]) -> Drawn {
    let (top, plot) = area.split_vertically(30);
    let ours = (Mark::Disc(OURS), "this report");
    let published = (Mark::Ring(PUBLISHED), "published");
    let entries = match points.iter().any(|p| p.published) {
        true => vec![ours, published],
        false => vec![ours],
    };
    canvas::legend(&top, (70, 16), &entries)?;

    let x = Axis::logarithmic(points.iter().map(|p| p.bytes as f64));
    let errors: Vec<f64> = points.iter().map(|p| p.error_percent).collect();
    let y = error_axis(&errors);
    let chart = canvas::frame(
        &plot,
        (&x, "file size in bytes, logarithmic"),
        (&y, "error in %"),
    )?;

    let pixels: Vec<(i32, i32)> = points
        .iter()
        .map(|p| chart.backend_coord(&(p.bytes as f64, p.error_percent)))
        .collect();
    let (columns, rows) = chart.plotting_area().get_pixel_range();
    let bounds = Box {
        left: columns.start,
        top: rows.start,
        right: columns.end,
        bottom: rows.end,
    };
    draw_labels(area, points, &pixels, bounds)?;
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
fn error_axis(errors: &[f64]) -> Axis {
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
    points: &[&FrontierPoint],
    pixels: &[(i32, i32)],
    bounds: Box,
) -> Drawn {
    let pixels: Vec<(i32, i32)> = pixels.iter().rev().copied().collect();
    let names: Vec<&str> = points.iter().rev().map(|p| p.label.as_str()).collect();
    let places = labels::place(&pixels, &names, bounds);
    for ((place, point), &pixel) in places.iter().zip(points.iter().rev()).zip(&pixels) {
        let Some(place) = place else { continue };
        let middle = (place.top + place.bottom) / 2;
        let near_x = pixel.0.clamp(place.left, place.right);
        let near_y = pixel.1.clamp(place.top, place.bottom);
        let distance = (near_x - pixel.0).abs() + (near_y - pixel.1).abs();
        if distance > LEAD {
            let line = vec![pixel, (near_x, near_y)];
            area.draw(&PathElement::new(line, MUTED.rgb().mix(0.6)))?;
        }
        let colour = if point.published { MUTED } else { INK };
        let (at, anchor) = if place.left >= pixel.0 {
            (place.left, HPos::Left)
        } else if place.right <= pixel.0 {
            (place.right, HPos::Right)
        } else {
            ((place.left + place.right) / 2, HPos::Center)
        };
        canvas::text(
            area,
            (at, middle),
            &point.label,
            colour,
            (anchor, VPos::Center),
        )?;
    }
    Ok(())
}
