//! Error against bytes as one setting changes: a line through the means, and around it the models
//! of all seeds.

use plotters::prelude::{Circle, Color, LineSeries};

use super::axis::Axis;
use super::canvas::{self, Area, Drawn, Mark};
use super::frontier::{FrontierPoint, X_TITLE, error_axis};
use super::{Svg, labels};
use crate::Result;
use crate::palette::{Colour, GROUND, MUTED, SERIES};

/// Error against bytes where one setting was changed from model to model, for several seeds.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What the errors are, as in "validation error".
    pub error: String,
    /// Bytes and error in percent of each model of each seed.
    pub models: Vec<(f64, f64)>,
    /// Means over the seeds, in the order of the setting.
    pub means: Vec<(f64, f64)>,
    /// What others published.
    pub published: Vec<FrontierPoint>,
}

const OURS: Colour = SERIES[0];
const PUBLISHED: Colour = SERIES[1];

/// The plot, on a ground of its own and with a logarithmic axis of bytes; `None` without models.
///
/// # Errors
/// Where it cannot be drawn.
pub fn sweep(sweep: &Sweep) -> Result<Option<Svg>> {
    if sweep.models.is_empty() {
        return Ok(None);
    }
    canvas::svg("error against bytes", (880, 460), |area| draw(area, sweep)).map(Some)
}

fn draw(area: &Area<'_>, sweep: &Sweep) -> Drawn {
    area.fill(&GROUND.rgb())?;
    let (top, plot) = area.split_vertically(30);
    let mut entries = vec![
        (Mark::Disc(OURS), "mean of the seeds"),
        (Mark::Ring(OURS), "one seed"),
    ];
    if !sweep.published.is_empty() {
        entries.push((Mark::Ring(PUBLISHED), "published, test error"));
    }
    canvas::legend(&top, (70, 16), &entries)?;

    let published = sweep.published.iter();
    let published: Vec<(f64, f64)> = published
        .map(|p| (p.bytes as f64, p.error_percent))
        .collect();
    let all = || published.iter().chain(&sweep.models);
    let x = Axis::logarithmic(all().map(|p| p.0));
    let y = error_axis(&all().map(|p| p.1).collect::<Vec<f64>>());
    let y_title = format!("{} in %", sweep.error);
    // The title of an axis is drawn up to the edge.
    let plot = plot.margin(0, 0, 8, 0);
    let mut chart = canvas::frame(&plot, (&x, X_TITLE), (&y, &y_title))?;
    chart.draw_series(LineSeries::new(
        sweep.means.iter().copied(),
        OURS.rgb().stroke_width(2),
    ))?;

    let pixels = all().chain(&sweep.means).map(|p| chart.backend_coord(p));
    let pixels: Vec<(i32, i32)> = pixels.collect();
    let names = sweep.published.iter().map(|p| (p.label.as_str(), MUTED));
    labels::draw(area, &chart, &pixels, &names.collect::<Vec<_>>())?;
    let (others, ours) = pixels.split_at(published.len());
    let (models, means) = ours.split_at(sweep.models.len());
    for &pixel in others {
        area.draw(&Circle::new(pixel, 4, PUBLISHED.rgb().stroke_width(2)))?;
    }
    for &pixel in models {
        area.draw(&Circle::new(pixel, 3, OURS.rgb().stroke_width(1)))?;
    }
    for &pixel in means {
        area.draw(&Circle::new(pixel, 4, OURS.rgb().filled()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_mean_and_publication_is_marked() {
        let plot = Sweep {
            error: "validation error".into(),
            models: vec![
                (1_700.0, 2.0),
                (1_720.0, 1.9),
                (3_000.0, 1.5),
                (3_100.0, 1.6),
            ],
            means: vec![(1_710.0, 1.95), (3_050.0, 1.55)],
            published: vec![FrontierPoint {
                label: "theirs".into(),
                bytes: 8_560,
                error_percent: 1.9,
                published: true,
            }],
        };
        let svg = sweep(&plot).expect("drawn").expect("models");
        // Three in the legend.
        let text = svg.as_str();
        assert_eq!(text.matches("<circle").count(), 3 + 4 + 2 + 1);
        let line = format!("stroke=\"{OURS}\" stroke-width=\"2\" points");
        assert_eq!(text.matches(&line).count(), 1, "{svg}");
        assert!(text.contains("theirs") && text.contains("validation error in %"));
        assert_eq!(sweep(&plot).expect("drawn"), Some(svg));

        let none = Sweep {
            models: Vec::new(),
            ..plot
        };
        assert_eq!(sweep(&none).expect("nothing to draw"), None);
    }
}
