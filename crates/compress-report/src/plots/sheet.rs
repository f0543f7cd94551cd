//! A page of squares, outlines and text, as SVG that stays small whatever the number of squares:
//! all of one colour are one path, and every coordinate is a whole number.

use std::fmt::Write;

use super::Svg;
use super::canvas::TEXT;
use crate::html::escape;
use crate::palette::{Colour, GRID, GROUND, INK, MUTED};

/// How many squares a plot may have, so that every coordinate is far within its type.
pub(super) const MOST_SQUARES: usize = 1 << 21;

/// What has been drawn so far. It grows with what is drawn on it.
#[derive(Default)]
pub(super) struct Sheet {
    width: i32,
    height: i32,
    /// A path for each colour, in the order in which they came.
    paths: Vec<(Colour, String)>,
    outlines: String,
    texts: String,
}

impl Sheet {
    /// A filled square, by its upper left corner and its side.
    pub(super) fn square(&mut self, (x, y): (i32, i32), side: i32, colour: Colour) {
        self.reach(x + side, y + side);
        let known = self.paths.iter().position(|(other, _)| *other == colour);
        let at = known.unwrap_or_else(|| {
            self.paths.push((colour, String::new()));
            self.paths.len() - 1
        });
        push(
            &mut self.paths[at].1,
            format_args!("M{x} {y}h{side}v{side}h-{side}z"),
        );
    }

    /// A thin line around what `(x, y)` and the size enclose.
    pub(super) fn outline(&mut self, (x, y): (i32, i32), (width, height): (i32, i32)) {
        self.reach(x + width + 1, y + height + 1);
        let (x, y, width, height) = (x - 1, y - 1, width + 1, height + 1);
        push(
            &mut self.outlines,
            format_args!("M{x} {y}h{width}v{height}h-{width}z"),
        );
    }

    /// Text that begins at `x`, with `y` the middle of its height.
    pub(super) fn text(&mut self, at: (i32, i32), text: &str) {
        self.push_text(at, text, INK, "");
    }

    /// Text of less weight.
    pub(super) fn note(&mut self, at: (i32, i32), text: &str) {
        self.push_text(at, text, MUTED, "");
    }

    /// Text that names what is below it.
    pub(super) fn heading(&mut self, at: (i32, i32), text: &str) {
        self.push_text(at, text, INK, " font-weight=\"bold\"");
    }

    fn push_text(&mut self, (x, y): (i32, i32), text: &str, colour: Colour, weight: &str) {
        self.reach(x, y + TEXT);
        // Letters stand on a line a third of their height below the middle.
        let (y, text) = (y + TEXT / 3, escape(text));
        push(
            &mut self.texts,
            format_args!("<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\"{weight}>{text}</text>\n"),
        );
    }

    /// Makes the page at least so large.
    pub(super) fn reach(&mut self, x: i32, y: i32) {
        (self.width, self.height) = (self.width.max(x), self.height.max(y));
    }

    /// How far right anything reaches.
    pub(super) fn width(&self) -> i32 {
        self.width
    }

    /// How far down anything reaches.
    pub(super) fn height(&self) -> i32 {
        self.height
    }

    /// The `<svg>`, on a ground of its own, so that it can be read on any page.
    pub(super) fn finish(self) -> Svg {
        let (width, height) = (self.width, self.height);
        let mut out = format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{GROUND}\"/>\n"
        );
        if !self.outlines.is_empty() {
            // Half a pixel away, where a line of one pixel covers one and not a half of two.
            push(
                &mut out,
                format_args!(
                    "<path transform=\"translate(0.5 0.5)\" fill=\"none\" stroke=\"{GRID}\" d=\"{}\"/>\n",
                    self.outlines
                ),
            );
        }
        for (colour, path) in &self.paths {
            push(
                &mut out,
                format_args!(
                    "<path shape-rendering=\"crispEdges\" fill=\"{colour}\" d=\"{path}\"/>\n"
                ),
            );
        }
        push(
            &mut out,
            format_args!(
                "<g font-family=\"sans-serif\" font-size=\"{TEXT}\">\n{}</g>\n</svg>\n",
                self.texts
            ),
        );
        Svg(out)
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::SERIES;

    #[test]
    fn squares_of_a_colour_are_one_path_of_whole_numbers() {
        let mut sheet = Sheet::default();
        sheet.square((4, 0), 3, SERIES[0]);
        sheet.square((0, 7), 3, SERIES[1]);
        sheet.square((10, 20), 5, SERIES[0]);
        sheet.text((0, 8), "a < b");
        let Svg(svg) = sheet.finish();
        assert!(svg.starts_with("<svg width=\"15\" height=\"25\" viewBox=\"0 0 15 25\""));
        assert!(svg.contains("<rect width=\"15\" height=\"25\" fill=\"#FFFFFF\"/>"));
        assert!(svg.contains("fill=\"#1D6FB8\" d=\"M4 0h3v3h-3zM10 20h5v5h-5z\""));
        assert!(svg.contains("fill=\"#D9730D\" d=\"M0 7h3v3h-3z\""));
        assert!(svg.contains(">a &lt; b</text>"));
        assert_eq!(svg.matches("<path").count(), 2);
    }

    #[test]
    fn an_outline_encloses_and_does_not_cover() {
        let mut sheet = Sheet::default();
        sheet.outline((10, 10), (4, 6));
        let Svg(svg) = sheet.finish();
        assert!(svg.contains("d=\"M9 9h5v7h-5z\""), "{svg}");
        assert!(svg.starts_with("<svg width=\"15\" height=\"17\""), "{svg}");
    }
}
