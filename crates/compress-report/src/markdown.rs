//! Markdown: tables that can be read as they are, padded to the width of their columns.

use crate::document::{Column, Document, Fact, Section, Table};

/// The page, its blocks separated by empty lines.
pub(super) fn render(document: &Document) -> String {
    let mut blocks = vec![heading(document)];
    let headline = document.headline.iter();
    blocks.extend(headline.map(|text| format!("**{}.**\n", escape(text))));
    blocks.extend(facts(document));
    let command = document.command.iter();
    blocks.extend(command.map(|command| format!("```sh\n{command}\n```\n")));
    for section in document.filled() {
        if let Section::Table(table) = section {
            blocks.push(render_table(table));
        }
    }
    blocks.join("\n")
}

fn heading(document: &Document) -> String {
    let variant = document.variant.as_ref();
    let variant = variant.map(|v| format!(" ({} {})", value(v), escape(&v.name)));
    let title = escape(&document.title);
    format!("# {title}{}\n", variant.unwrap_or_default())
}

/// The facts in a sentence, and what leads to the command.
fn facts(document: &Document) -> Option<String> {
    let facts = document.facts.iter();
    let facts = facts.map(|fact| format!("{} {}", escape(&fact.name), value(fact)));
    let facts = capitalized(&facts.collect::<Vec<_>>().join(", "));
    let facts = (!facts.is_empty()).then(|| facts + ".");
    let command = document.command.as_ref();
    let command = command.map(|_| "To reproduce:".to_owned());
    let sentences: Vec<String> = facts.into_iter().chain(command).collect();
    (!sentences.is_empty()).then(|| sentences.join(" ") + "\n")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

fn value(fact: &Fact) -> String {
    // What holds the mark of code cannot stand within it.
    match fact.is_code && !fact.value.contains('`') {
        true => format!("`{}`", fact.value),
        false => escape(&fact.value),
    }
}

fn render_table(table: &Table) -> String {
    let mut out = format!("## {}\n\n{}\n\n", escape(&table.title), escape(&table.note));
    let columns = &table.columns;
    let head: Vec<String> = columns.iter().map(|c| escape(&c.name)).collect();
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
    let rule = widths.iter().zip(columns).map(|(&width, column)| {
        let end = if column.is_numeric { ":" } else { "-" };
        format!("{}{end}", "-".repeat(width - 1))
    });
    push_row(&mut out, columns, &widths, &head);
    push_row(&mut out, columns, &widths, &rule.collect::<Vec<_>>());
    for row in &rows {
        push_row(&mut out, columns, &widths, row);
    }
    out
}

fn push_row(out: &mut String, columns: &[Column], widths: &[usize], cells: &[String]) {
    for ((cell, &width), column) in cells.iter().zip(widths).zip(columns) {
        *out += &if column.is_numeric {
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
