//! `report.md`: tables that can be read as they are, padded to the width of their columns.

use super::model::Report;
use super::summary;
use super::tables::{self, Table};

/// The file's text.
pub(super) fn render(report: &Report) -> String {
    let mut out = format!(
        "# {} ({} profile)\n\n**{}.**\n\n",
        escape(&report.experiment),
        escape(&report.profile),
        escape(&summary::headline(report))
    );
    out += &format!(
        "Data set {}, seed {}, model hash `{}`. To reproduce:\n\n```sh\n{}\n```\n",
        escape(&report.data),
        report.seed,
        report.model_hash,
        report.command
    );
    for table in tables::all(report) {
        out += &format!("\n## {}\n\n{}\n\n", table.title, escape(&table.note));
        push_table(&mut out, &table);
    }
    out
}

fn push_table(out: &mut String, table: &Table) {
    let head: Vec<String> = table.columns.iter().map(|c| escape(&c.name)).collect();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| escape(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|i| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(i));
            cells.map(|cell| cell.chars().count()).fold(3, usize::max)
        })
        .collect();
    let rule = widths.iter().zip(&table.columns).map(|(&width, column)| {
        let end = if column.numeric { ":" } else { "-" };
        format!("{}{end}", "-".repeat(width - 1))
    });
    push_row(out, table, &widths, &head);
    push_row(out, table, &widths, &rule.collect::<Vec<_>>());
    for row in &rows {
        push_row(out, table, &widths, row);
    }
}

fn push_row(out: &mut String, table: &Table, widths: &[usize], cells: &[String]) {
    for ((cell, &width), column) in cells.iter().zip(widths).zip(&table.columns) {
        *out += &if column.numeric {
            format!("| {cell:>width$} ")
        } else {
            format!("| {cell:<width$} ")
        };
    }
    *out += "|\n";
}

/// `text` as one line that markdown shows as it is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '\\' | '*' | '`' | '<' | '[' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
