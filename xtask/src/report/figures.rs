//! The plots of a report.

use compress_core::train::EpochReport;
use compress_report::plots::{self, Bar, Group, Line, Panel, Svg};
use compress_report::{Figure, Result, thousands};

use super::model::{Curve, Report};
use super::tables::density_axes;

/// All figures, in the order in which they are shown; some may be without plots.
pub(super) fn all(report: &Report) -> Result<Vec<Figure>> {
    let histograms = report.histograms.iter().map(plots::histogram);
    let histograms = histograms.filter_map(Result::transpose);
    Ok(vec![
        figure(
            "Error against size",
            frontier_caption(report),
            frontier(report)?,
        ),
        figure(
            "Training",
            "Each stage by epoch. The training loss is what the stage minimizes, with its penalties \
             and soft targets, so it is not comparable between stages; the validation \
             cross-entropy is.",
            curves(report)?,
        ),
        figure(
            "Weights",
            "How the weights of each layer are distributed before and after compression. Pruning \
             leaves a spike at zero, quantization a comb.",
            histograms.collect::<Result<Vec<Svg>>>()?,
        ),
        figure(
            "Density by layer",
            "The fraction of each layer's weights that is not zero after each stage.",
            plots::bars("weights left in %", &densities(report))?,
        ),
        figure(
            "Input pixels in use",
            &pixel_caption(report),
            plots::pixels(report.image_width, &report.pixel_use),
        ),
        figure(
            "Weights left",
            "Every weight of the final model that is not zero, where it belongs. What stands in \
             front of the first layer is multiplied into it.",
            plots::weights(&report.weights, report.image_width),
        ),
    ])
}

fn figure(title: &str, caption: &str, plots: impl IntoIterator<Item = Svg>) -> Figure {
    Figure {
        title: title.into(),
        caption: caption.into(),
        plots: plots.into_iter().collect(),
    }
}

fn frontier_caption(report: &Report) -> &'static str {
    match report.frontier.iter().any(|point| point.published) {
        true => {
            "Lower left is better. The published figures are those of the papers, whose files may \
             count other things."
        }
        false => "Lower left is better.",
    }
}

/// Errors are of the test set where it was open.
fn frontier(report: &Report) -> Result<Option<Svg>> {
    let (ours, error) = match report.test_samples {
        Some(_) => ("this report", "test error"),
        None => ("this report, validation error", "error"),
    };
    plots::frontier(&report.frontier, ours, error)
}

/// The stages that trained.
fn curves(report: &Report) -> Result<Vec<Svg>> {
    let trained = report.curves.iter().filter(|c| !c.epochs.is_empty());
    trained
        .map(|curve| {
            let (losses, errors) = panels(curve, report.validation_samples);
            plots::curves(&curve.stage, [&losses, &errors])
        })
        .collect()
}

/// The losses and the validation error, in the colour of what is of validation samples.
fn panels(curve: &Curve, validation_samples: usize) -> (Panel, Panel) {
    let (training, validation) = (0, 1);
    let line = |label: &str, colour, value: &dyn Fn(&EpochReport) -> Option<f64>| Line {
        label: label.into(),
        colour,
        points: curve
            .epochs
            .iter()
            .filter_map(|e| Some((e.epoch as f64 + 1.0, value(e)?)))
            .collect(),
    };
    let error = |e: &EpochReport| {
        let samples = (validation_samples > 0).then_some(validation_samples as f64)?;
        Some(e.validation_errors? as f64 * 100.0 / samples)
    };
    let losses = Panel {
        unit: "loss".into(),
        lines: vec![
            line("training loss", training, &|e| {
                Some(f64::from(e.training_loss))
            }),
            line("validation cross-entropy", validation, &|e| {
                e.validation_loss.map(f64::from)
            }),
        ],
    };
    let errors = Panel {
        unit: "error in %".into(),
        lines: vec![line("validation error", validation, &error)],
    };
    (losses, errors)
}

/// A bar for each stage under each layer.
fn densities(report: &Report) -> Vec<Group> {
    let (layers, _) = density_axes(report);
    let groups = layers.into_iter().map(|layer| {
        let of_layer = report.densities.iter().filter(|d| d.layer == layer);
        let bars = of_layer.map(|d| Bar {
            label: d.stage.clone(),
            percent: d.density * 100.0,
        });
        Group {
            name: layer.to_owned(),
            bars: bars.collect(),
        }
    });
    groups.collect()
}

fn pixel_caption(report: &Report) -> String {
    let used = report.pixel_use.iter().filter(|&&n| n > 0.0).count();
    format!(
        "How many non-zero weights read each pixel. The network reads {} of {} pixels.",
        thousands(used as u64),
        thousands(report.pixel_use.len() as u64)
    )
}
