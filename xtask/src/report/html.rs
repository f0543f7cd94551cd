//! `report.html`: one file with its style and plots inside, that needs no script and no network.

use super::model::Report;
use super::number::thousands;
use super::tables::{self, Table};
use super::{ReportError, palette, plots, summary};

const STYLE: &str = include_str!("style.css");

/// The file's text.
pub(super) fn render(report: &Report) -> Result<String, ReportError> {
    let name = escape(&report.experiment);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} – compression report</title>\n<style>\n{STYLE}\
         @media (prefers-color-scheme: dark) {{\n{}}}\n</style>\n</head>\n<body>\n<main>\n",
        palette::dark_rules()
    );
    out += &header(report, &name);
    let mut tables = tables::all(report).into_iter().peekable();
    // The stages are the result; the other tables are details and come after the plots.
    if let Some(stages) = tables.next_if(|table| table.title == "Stages") {
        out += &section(&stages);
    }
    out += &figures(report)?;
    for table in tables {
        out += &section(&table);
    }
    out += "</main>\n</body>\n</html>\n";
    Ok(out)
}

fn header(report: &Report, name: &str) -> String {
    format!(
        "<header>\n<p class=\"kind\">Neural network compression report</p>\n<h1>{name}</h1>\n\
         <p class=\"result\">{}.</p>\n<dl>\n{}{}{}{}</dl>\n\
         <p>To reproduce it, bit for bit:</p>\n<pre><code>{}</code></pre>\n</header>\n",
        escape(&summary::headline(report)),
        fact("profile", &report.profile),
        fact("data set", &report.data),
        fact("seed", &report.seed.to_string()),
        fact("model hash", &report.model_hash),
        escape(&report.command),
    )
}

fn fact(name: &str, value: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(value))
}

fn figures(report: &Report) -> Result<String, ReportError> {
    let mut out = String::new();
    out += &figure_section(
        "Error against size",
        match report.frontier.iter().any(|point| point.published) {
            true => {
                "Lower left is better. The published figures are those of the papers, whose files \
                 may count other things."
            }
            false => "Lower left is better.",
        },
        plots::frontier(report)?.into_iter().collect(),
    );
    let curves = report.curves.iter();
    let curves = curves.map(|c| plots::curve(c, report.validation_samples));
    out += &figure_section(
        "Training",
        "Each stage by epoch. The training loss is what the stage minimizes, with its penalties \
         and soft targets, so it is not comparable between stages; the validation cross-entropy \
         is.",
        drawn(curves)?,
    );
    let histograms = report.histograms.iter().map(plots::histogram);
    out += &figure_section(
        "Weights",
        "How the weights of each layer are distributed before and after compression. Pruning \
         leaves a spike at zero, quantization a comb.",
        drawn(histograms)?,
    );
    out += &figure_section(
        "Density by layer",
        "The fraction of each layer's weights that is not zero after each stage.",
        plots::densities(report)?.into_iter().collect(),
    );
    out += &figure_section(
        "Input pixels in use",
        &pixel_note(report),
        plots::pixels(report).into_iter().collect(),
    );
    out += &figure_section(
        "Weights left",
        "Every weight of the final model that is not zero, where it belongs. What stands in front of \
         the first layer is multiplied into it.",
        plots::weights(report).into_iter().collect(),
    );
    Ok(out)
}

fn pixel_note(report: &Report) -> String {
    let used = report.pixel_use.iter().filter(|&&n| n > 0.0).count();
    format!(
        "How many non-zero weights read each pixel. The network reads {} of {} pixels.",
        thousands(used as u64),
        thousands(report.pixel_use.len() as u64)
    )
}

/// The plots that have something to show.
fn drawn(
    plots: impl Iterator<Item = Result<Option<String>, ReportError>>,
) -> Result<Vec<String>, ReportError> {
    plots.filter_map(Result::transpose).collect()
}

/// A section of plots with a caption; nothing where there are no plots.
fn figure_section(title: &str, caption: &str, plots: Vec<String>) -> String {
    if plots.is_empty() {
        return String::new();
    }
    let title = escape(title);
    let plots: String = plots
        .iter()
        .map(|svg| {
            svg.replacen(
                "<svg ",
                &format!("<svg role=\"img\" aria-label=\"{title}\" "),
                1,
            )
        })
        .collect();
    format!(
        "<section>\n<h2>{title}</h2>\n<figure>\n<figcaption>{}</figcaption>\n\
         <div class=\"plots\">\n{plots}</div>\n</figure>\n</section>\n",
        escape(caption)
    )
}

fn section(table: &Table) -> String {
    let class = |i: usize| match table.columns[i].numeric {
        true => " class=\"number\"",
        false => "",
    };
    let heads = table.columns.iter().enumerate();
    let heads: String = heads
        .map(|(i, c)| format!("<th scope=\"col\"{}>{}</th>", class(i), escape(&c.name)))
        .collect();
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(i, cell)| format!("<td{}>{}</td>", class(i), escape(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    format!(
        "<section>\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n<div class=\"table\"><table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n</section>\n",
        escape(table.title),
        escape(&table.note),
        rows.collect::<String>()
    )
}

/// `text` as HTML that shows it, also inside of a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}
