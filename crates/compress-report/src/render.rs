//! A document in each of its forms.

use crate::document::Document;
use crate::{html, markdown};

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
}
