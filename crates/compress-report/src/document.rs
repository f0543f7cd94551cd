//! What a report says, whatever it is about: the input of every format.

use crate::plots::Svg;
use crate::{html, markdown};

/// A report, in the order in which it is read. The texts are plain; each format escapes them.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// What it is about.
    pub title: String,
    /// What tells it from others of the same title, such as `quick` where `profile` is the name.
    pub variant: Option<Fact>,
    /// The result in a sentence, without the full stop.
    pub headline: Option<String>,
    /// What must be known to understand it.
    pub facts: Vec<Fact>,
    /// The command that makes the same again, bit for bit.
    pub command: Option<String>,
    /// All else.
    pub sections: Vec<Section>,
}

impl Document {
    /// The tables as text that can be read as it is, padded to the width of their columns. Figures
    /// are left out.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// All of it as one page that needs no script and no network, on light ground or on dark.
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// The sections that have something to show.
    pub(super) fn filled(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.is_empty())
    }
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is, in lower case.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether the value is to be copied letter by letter, as a hash is.
    pub is_code: bool,
}

impl Fact {
    /// A value to be read.
    pub fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Fact {
            name: name.into(),
            value: value.into(),
            is_code: false,
        }
    }

    /// A value to be copied.
    pub fn code(name: impl Into<String>, value: impl Into<String>) -> Self {
        Fact {
            is_code: true,
            ..Fact::text(name, value)
        }
    }
}

/// A part of a report, under a heading of its own.
#[derive(Clone, Debug)]
pub enum Section {
    /// Numbers. Without rows, the section is left out.
    Table(Table),
    /// Plots. Without any, the section is left out.
    Figure(Figure),
}

impl Section {
    fn is_empty(&self) -> bool {
        match self {
            Section::Table(table) => table.rows.is_empty(),
            Section::Figure(figure) => figure.plots.is_empty(),
        }
    }
}

/// A titled table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub note: String,
    /// The columns, first to last.
    pub columns: Vec<Column>,
    /// Rows of as many cells as there are columns; what is beyond the last column is left out.
    pub rows: Vec<Vec<String>>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it holds, with the unit.
    pub name: String,
    /// Whether it holds numbers, which are aligned to the right.
    pub is_numeric: bool,
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            is_numeric: false,
        }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            is_numeric: true,
        }
    }
}

/// Plots under one heading.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its heading.
    pub title: String,
    /// What the plots show, in a sentence or two.
    pub caption: String,
    /// The plots, first to last.
    pub plots: Vec<Svg>,
}
