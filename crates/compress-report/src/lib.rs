//! Reports of compression: what was measured, as tables and plots.
//!
//! A [`Document`] says what there is to say: a title, the result in a sentence, a few facts, and
//! sections of a [`Table`] or a [`Figure`] each. It is rendered as Markdown, or as one HTML page with
//! its style and plots inside. [`plots`] draws pictures that explain a compressed model; [`json`]
//! writes what scripts and snapshots read.
//!
//! | what | how |
//! | --- | --- |
//! | a page to read in a terminal | [`Document::markdown`] |
//! | a page with plots, one file without scripts or addresses | [`Document::html`] |
//! | error against size | [`plots::frontier`], [`plots::sweep`] |
//! | methods side by side, such as error against density | [`plots::lines`] |
//! | how training went | [`plots::curves`] |
//! | where weights are | [`plots::histogram`], [`plots::pixels`], [`plots::weights`] |
//! | shares, such as densities by layer | [`plots::bars`] |
//! | numbers as text | [`thousands`], [`fixed`], [`error_percent`]; [`rounded`] for JSON |
//!
//! Nothing here reads a clock, prints or writes a file. The same input gives the same text; only the
//! axes of plots use the platform's logarithm, so that on another machine they may differ by a pixel.
//!
//! # Examples
//!
//! ```
//! use compress_report::plots::{self, FrontierPoint};
//! use compress_report::{Column, Document, Fact, Figure, Section, Table, thousands};
//!
//! let models = [("dense", 1_066_440, 1.8), ("pruned", 12_345, 1.6)];
//! let points = models.map(|(label, bytes, error_percent)| FrontierPoint {
//!     label: label.into(),
//!     bytes,
//!     error_percent,
//!     published: false,
//! });
//! let table = Table {
//!     title: "Models".into(),
//!     note: "Bytes are the whole file.".into(),
//!     columns: vec![Column::text("model"), Column::number("bytes")],
//!     rows: models
//!         .map(|(label, bytes, _)| vec![label.into(), thousands(bytes as u64)])
//!         .into(),
//! };
//! let figure = Figure {
//!     title: "Error against size".into(),
//!     caption: "Lower left is better.".into(),
//!     plots: plots::frontier(&points, "this report", "test error")?.into_iter().collect(),
//! };
//! let document = Document {
//!     title: "digits".into(),
//!     headline: Some("12,345 bytes, 86 times smaller".into()),
//!     facts: vec![Fact::text("data set", "MNIST"), Fact::text("seed", "7")],
//!     sections: vec![Section::Table(table), Section::Figure(figure)],
//!     ..Document::default()
//! };
//!
//! let expected = "\
//! ## digits
//!
//! **12,345 bytes, 86 times smaller.**
//!
//! Data set MNIST, seed 7.
//!
//! ### Models
//!
//! Bytes are the whole file.
//!
//! | model  |     bytes |
//! | ------ | --------: |
//! | dense  | 1,066,440 |
//! | pruned |    12,345 |
//! ";
//! assert_eq!(document.markdown(), expected);
//! assert!(document.html().contains("<svg "));
//! # Ok::<(), compress_report::Error>(())
//! ```

#![forbid(unsafe_code)]

mod document;
mod error;
mod html;
mod json;
mod markdown;
mod number;
mod palette;
pub mod plots;
mod render;

#[cfg(test)]
mod tests;

pub use document::{Column, Document, Fact, Figure, Section, Table};
pub use error::{Error, Result};
pub use json::json;
pub use number::{error_percent, fixed, rounded, thousands};
