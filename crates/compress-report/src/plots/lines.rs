//! Several series against one quantity, such as the error of each method against the density: a line
//! through the means of each, and a ring for each single measurement.

use plotters::prelude::{Circle, Color, LineSeries};

use super::axis::Axis;
use super::canvas::{self, Area, Drawn};
use super::frontier::error_axis;
use super::{Svg, labels};
use crate::Result;
use crate::palette::{Colour, GROUND, LINES, MUTED};

/// Series on the same axes.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What lies along the horizontal axis, as in "weights left in %".
    pub x_title: String,
    /// Whether that axis is logarithmic.
    pub logarithmic: bool,
    /// What lies along the vertical axis, as in "test error in %".
    pub y_title: String,
    /// The series. Those without a point are left out.
    pub series: Vec<Series>,
}

/// One series.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is called.
    pub label: String,
    /// Its line: x and y, in order. Points that are not finite are left out.
    pub line: Vec<(f64, f64)>,
    /// Its single measurements.
    pub points: Vec<(f64, f64)>,
    /// Whether others measured it: then it has no line, and its colour is that of less weight.
    pub published: bool,
}

/// The plot, on a ground of its own; `None` where there is nothing to plot.
///
/// # Errors
/// Where it cannot be drawn.
///
/// # Examples
/// ```
/// use compress_report::plots::{Lines, Series, lines};
///
/// let plot = Lines {
///     x_title: "weights left in %".into(),
///     logarithmic: true,
///     y_title: "test error in %".into(),
///     series: vec![Series {
///         label: "magnitude".into(),
///         line: vec![(1.0, 2.4), (10.0, 1.5)],
///         points: vec![(1.0, 2.3), (1.0, 2.5), (10.0, 1.5)],
///         published: false,
///     }],
/// };
/// assert!(lines(&plot)?.unwrap().as_str().contains("magnitude"));
/// # Ok::<(), compress_report::Error>(())
/// ```
pub fn lines(plot: &Lines) -> Result<Option<Svg>> {
    let series: Vec<Series> = plot.series.iter().filter_map(finite).collect();
    if series.is_empty() {
        return Ok(None);
    }
    canvas::svg("lines", (880, 460), |area| draw(area, plot, &series)).map(Some)
}

/// What of a series can be drawn, where that is anything.
fn finite(series: &Series) -> Option<Series> {
    let finite = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let points = points.iter().copied();
        points
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    let (line, points) = (finite(&series.line), finite(&series.points));
    let any = !line.is_empty() || !points.is_empty();
    any.then(|| Series {
        line,
        points,
        ..series.clone()
    })
}

fn draw(area: &Area<'_>, plot: &Lines, series: &[Series]) -> Drawn {
    area.fill(&GROUND.rgb())?;
    let all = || series.iter().flat_map(|s| s.line.iter().chain(&s.points));
    let x = match plot.logarithmic {
        true => Axis::logarithmic(all().map(|p| p.0)),
        false => Axis::linear(0.0, all().map(|p| p.0), 8),
    };
    let y = error_axis(&all().map(|p| p.1).collect::<Vec<_>>());
    let inner = area.margin(4, 0, 8, 0);
    let mut chart = canvas::frame(&inner, (&x, &plot.x_title), (&y, &plot.y_title))?;
    let colours = colours(series);
    // Labels stand at the ends of lines, and all points are kept free of them.
    let (mut ends, mut names, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (series, &colour) in series.iter().zip(&colours) {
        if !series.published {
            let style = colour.rgb().stroke_width(2);
            chart.draw_series(LineSeries::new(series.line.iter().copied(), style))?;
        }
        let pixel = |p: &(f64, f64)| chart.backend_coord(p);
        let line: Vec<_> = series.line.iter().map(pixel).collect();
        let points: Vec<_> = series.points.iter().map(pixel).collect();
        if let Some(&end) = line.iter().chain(&points).max_by_key(|(x, y)| (*x, *y)) {
            ends.push(end);
            names.push((series.label.as_str(), colour));
        }
        for &pixel in &points {
            area.draw(&Circle::new(pixel, 3, colour.rgb().stroke_width(1)))?;
        }
        for &pixel in &line {
            area.draw(&Circle::new(pixel, 4, colour.rgb().filled()))?;
        }
        others.extend(line.into_iter().chain(points));
    }
    ends.extend(others);
    labels::draw(area, &chart, &ends, &names)
}

/// The colour of each series. What others measured takes none of the ours.
fn colours(series: &[Series]) -> Vec<Colour> {
    let mut ours = LINES.iter().cycle();
    let colour = |s: &Series| match s.published {
        true => MUTED,
        false => ours.next().copied().unwrap_or(MUTED),
    };
    series.iter().map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(label: &str, line: &[(f64, f64)], published: bool) -> Series {
        Series {
            label: label.into(),
            line: line.to_vec(),
            points: line.iter().map(|&(x, y)| (x, y + 0.1)).collect(),
            published,
        }
    }

    #[test]
    fn every_point_is_marked_and_every_series_named() {
        let plot = Lines {
            x_title: "weights left in %".into(),
            logarithmic: true,
            y_title: "test error in %".into(),
            series: vec![
                series(
                    "magnitude",
                    &[(1.0, 2.0), (5.0, 1.5), (f64::NAN, 1.0)],
                    false,
                ),
                series("random", &[(1.0, 9.0), (5.0, 3.0)], false),
                series("theirs", &[(1.5, 2.2)], true),
                series("nothing", &[(1.0, f64::INFINITY)], false),
            ],
        };
        let svg = lines(&plot).unwrap().unwrap();
        let text = svg.as_str();
        assert_eq!(text.matches("<circle").count(), 2 * (2 + 2 + 1));
        assert_eq!(
            text.matches("<polyline").count(),
            2 + text
                .matches("<polyline fill=\"none\" opacity=\"1\" stroke=\"#52606D\"")
                .count()
        );
        for label in ["magnitude", "random", "theirs", "test error in %"] {
            assert!(text.contains(label), "{label}");
        }
        assert!(!text.contains("nothing"));
        let none = Lines {
            series: plot.series[3..].to_vec(),
            ..plot
        };
        assert_eq!(lines(&none).unwrap(), None);
    }
}
