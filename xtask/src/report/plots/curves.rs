//! Training curves of one stage: the loss and the validation error by epoch, side by side.

use plotters::prelude::{Circle, Color, LineSeries};

use super::axis::Axis;
use super::canvas::{self, Area, Drawn, Mark};
use crate::report::ReportError;
use crate::report::model::Curve;
use crate::report::number::fixed;
use crate::report::palette::{Colour, SERIES};

const TRAINING: Colour = SERIES[0];
const VALIDATION: Colour = SERIES[1];

/// Epoch (from 1) and value.
type Line = Vec<(f64, f64)>;

/// The plot of `curve`; validation errors are out of `validation_samples`.
pub(in crate::report) fn curve(
    curve: &Curve,
    validation_samples: usize,
) -> Result<Option<String>, ReportError> {
    if curve.epochs.is_empty() {
        return Ok(None);
    }
    let line = |value: &dyn Fn(&compress_core::train::EpochReport) -> Option<f64>| -> Line {
        let points = curve.epochs.iter().filter_map(|e| {
            let value = value(e).filter(|v| v.is_finite())?;
            Some((e.epoch as f64 + 1.0, value))
        });
        points.collect()
    };
    let training = line(&|e| Some(f64::from(e.training_loss)));
    let validation = line(&|e| e.validation_loss.map(f64::from));
    let errors = line(&|e| {
        let samples = (validation_samples > 0).then_some(validation_samples as f64)?;
        Some(e.validation_errors? as f64 * 100.0 / samples)
    });
    canvas::svg("training", (880, 270), |area| {
        let (title, rest) = area.split_vertically(26);
        canvas::heading(&title, (4, 14), &curve.stage)?;
        let (left, right) = rest.split_horizontally(440);
        let losses = [
            (TRAINING, "training loss", &training),
            (VALIDATION, "validation cross-entropy", &validation),
        ];
        panel(&left, "loss", &losses)?;
        panel(
            &right,
            "error in %",
            &[(VALIDATION, "validation error", &errors)],
        )
    })
    .map(Some)
}

fn panel(area: &Area<'_>, unit: &str, lines: &[(Colour, &str, &Line)]) -> Drawn {
    let lines: Vec<_> = lines.iter().filter(|(_, _, l)| !l.is_empty()).collect();
    let (top, plot) = area.split_vertically(22);
    let entries: Vec<(Mark, &str)> = lines
        .iter()
        .map(|&&(colour, label, _)| (Mark::Square(colour), label))
        .collect();
    canvas::legend(&top, (60, 10), &entries)?;

    let points = || lines.iter().flat_map(|(_, _, line)| line.iter().copied());
    let values: Vec<f64> = points().map(|(_, value)| value).collect();
    let x = epochs(points().map(|(epoch, _)| epoch));
    let y = Axis::automatic(&values, 20.0, 5);
    let mut chart = canvas::frame(&plot, (&x, "epoch"), (&y, unit))?;
    for &&(colour, _, line) in &lines {
        let style = colour.rgb().stroke_width(2);
        chart.draw_series(LineSeries::new(line.iter().copied(), style))?;
        // Few points are marked, so that a line of one point is seen and gaps are no mystery.
        if line.len() <= 30 {
            let discs = line.iter().map(|p| Circle::new(*p, 2, style.filled()));
            chart.draw_series(discs)?;
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
