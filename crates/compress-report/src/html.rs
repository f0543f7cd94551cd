//! HTML: one page with its style and plots inside, that needs no script and no network.

use crate::document::{Document, Fact, Figure, Section, Table};
use crate::palette;

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn render(document: &Document) -> String {
    let name = escape(&document.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name} – compression report</title>\n<style>\n{STYLE}\
         @media (prefers-color-scheme: dark) {{\n{}}}\n</style>\n</head>\n<body>\n<main>\n",
        palette::dark_rules()
    );
    out += &header(document, &name);
    for section in document.filled() {
        out += &match section {
            Section::Table(table) => table_section(table),
            Section::Figure(figure) => figure_section(figure),
        };
    }
    out += "</main>\n</body>\n</html>\n";
    out
}

fn header(document: &Document, name: &str) -> String {
    let mut out = format!(
        "<header>\n<p class=\"kind\">Neural network compression report</p>\n<h1>{name}</h1>\n"
    );
    if let Some(headline) = &document.headline {
        out += &format!("<p class=\"result\">{}.</p>\n", escape(headline));
    }
    let facts = document.variant.iter().chain(&document.facts);
    out += &format!("<dl>\n{}</dl>\n", facts.map(fact).collect::<String>());
    if let Some(command) = &document.command {
        out += &format!(
            "<p>To reproduce it, bit for bit:</p>\n<pre><code>{}</code></pre>\n",
            escape(command)
        );
    }
    out + "</header>\n"
}

fn fact(fact: &Fact) -> String {
    let (name, value) = (escape(&fact.name), escape(&fact.value));
    format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n")
}

fn figure_section(figure: &Figure) -> String {
    let title = escape(&figure.title);
    let labelled = format!("<svg role=\"img\" aria-label=\"{title}\" ");
    let plots = figure.plots.iter();
    let plots: String = plots
        .map(|svg| svg.as_str().replacen("<svg ", &labelled, 1))
        .collect();
    format!(
        "<section>\n<h2>{title}</h2>\n<figure>\n<figcaption>{}</figcaption>\n\
         <div class=\"plots\">\n{plots}</div>\n</figure>\n</section>\n",
        escape(&figure.caption)
    )
}

fn table_section(table: &Table) -> String {
    let class = |is_numeric| match is_numeric {
        true => " class=\"number\"",
        false => "",
    };
    let heads = table.columns.iter().map(|column| {
        let (class, name) = (class(column.is_numeric), escape(&column.name));
        format!("<th scope=\"col\"{class}>{name}</th>")
    });
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().zip(&table.columns).map(|(cell, column)| {
            let (class, cell) = (class(column.is_numeric), escape(cell));
            format!("<td{class}>{cell}</td>")
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    format!(
        "<section>\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n<div class=\"table\"><table>\n\
         <thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n</section>\n",
        escape(&table.title),
        escape(&table.note),
        heads.collect::<String>(),
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
