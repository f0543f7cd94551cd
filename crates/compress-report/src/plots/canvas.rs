//! What the plots share: the drawing area, the frame of axes and grid, text and legends.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::prelude::{
    Cartesian2d, Circle, Color, DrawingArea, DrawingAreaErrorKind, DrawingBackend, EmptyElement,
    FontStyle, IntoDrawingArea, IntoFont, RGBColor, Rectangle, SVGBackend, Text, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Svg;
use super::axis::Axis;
use crate::error::{Error, Result};
use crate::palette::{Colour, GRID, INK, MUTED};

/// A rectangle of pixels to draw on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// An area with two axes.
pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
/// What drawing can fail with.
pub(super) type Drawn<T = ()> = std::result::Result<
    T,
    DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>,
>;

/// Height of the text in pixels.
pub(super) const TEXT: i32 = 12;
/// Width of a letter, on average and a little more: fonts are the reader's and not known here.
pub(super) const LETTER: f64 = 0.58 * TEXT as f64;

/// How long `text` is at most likely to be, in pixels.
pub(super) fn text_width(text: &str) -> i32 {
    (text.chars().count() as f64 * LETTER).ceil() as i32
}

/// The `<svg>` of `plot`, `width` by `height` pixels, as `draw` draws it.
pub(super) fn svg(
    plot: &'static str,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<Svg> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        draw(&area)
            .and_then(|()| area.present())
            .map_err(|error| Error::Plot {
                plot,
                reason: error.to_string(),
            })?;
    }
    Ok(Svg(text))
}

/// How much of the height of an area is outside of its frame.
pub(super) const FRAME: i32 = MARGIN + X_LABELS;
const MARGIN: i32 = 8;
const X_LABELS: i32 = 44;

/// Draws grid, axes and their titles on `area`, and returns what is inside of them. An axis of
/// `y` without a title names rows, which need no grid.
pub(super) fn frame<'a>(
    area: &Area<'a>,
    (x, x_title): (&Axis, &str),
    (y, y_title): (&Axis, &str),
) -> Drawn<Chart<'a>> {
    // At least as wide as four digits, so that plots below each other are aligned.
    let labels = y.ticks.iter().map(|(_, text)| text_width(text));
    let widest = labels.fold(text_width("0.00"), i32::max);
    let mut chart = ChartBuilder::on(area)
        .margin_right(16)
        .margin_top(MARGIN)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(widest + 34)
        .build_cartesian_2d(x.clone(), y.clone())?;
    let mut mesh = chart.configure_mesh();
    if y_title.is_empty() {
        mesh.disable_y_mesh();
    }
    mesh.bold_line_style(GRID.rgb())
        .light_line_style(GRID.rgb().mix(0.0))
        .axis_style(MUTED.rgb())
        .set_all_tick_mark_size(4)
        .x_label_formatter(&|value| x.text(*value).to_owned())
        .y_label_formatter(&|value| y.text(*value).to_owned())
        .label_style(style(&MUTED.rgb()))
        .axis_desc_style(style(&INK.rgb()))
        .x_desc(x_title)
        .y_desc(y_title)
        .draw()?;
    Ok(chart)
}

/// Text at a pixel: `horizontal` and `vertical` say which part of it lies there.
pub(super) fn text(
    area: &Area<'_>,
    (x, y): (i32, i32),
    text: &str,
    colour: Colour,
    (horizontal, vertical): (HPos, VPos),
) -> Drawn {
    let colour = colour.rgb();
    let style = style(&colour).pos(Pos::new(horizontal, vertical));
    area.draw(&Text::new(text.to_owned(), (x, y), style))
}

/// The bold name of a plot from the pixel `(x, y)`, the centre of its height; returns the pixel
/// where it ends.
pub(super) fn heading(area: &Area<'_>, (x, y): (i32, i32), name: &str) -> Drawn<i32> {
    let colour = INK.rgb();
    let style = style(&colour);
    let font = style.font.style(FontStyle::Bold);
    let style = font.color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(name.to_owned(), (x, y), style))?;
    // Bold letters are wider.
    Ok(x + text_width(name) * 11 / 10)
}

/// The mark before an entry of a legend.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A filled square.
    Square(Colour),
    /// A filled disc.
    Disc(Colour),
    /// A circle that is not filled.
    Ring(Colour),
}

/// Draws marks and texts in a row that begins at the pixel `(x, y)`, the centre of its height.
pub(super) fn legend(area: &Area<'_>, (mut x, y): (i32, i32), entries: &[(Mark, &str)]) -> Drawn {
    for (mark, label) in entries {
        let centre = (x + 6, y);
        match *mark {
            Mark::Square(colour) => {
                let corners = [(x + 1, y - 5), (x + 11, y + 5)];
                area.draw(&Rectangle::new(corners, colour.rgb().filled()))?;
            }
            Mark::Disc(colour) => area.draw(&Circle::new(centre, 5, colour.rgb().filled()))?,
            Mark::Ring(colour) => {
                let ring = Circle::new((0, 0), 4, colour.rgb().stroke_width(2));
                area.draw(&(EmptyElement::at(centre) + ring))?;
            }
        }
        text(area, (x + 18, y), label, INK, (HPos::Left, VPos::Center))?;
        x += 18 + text_width(label) + 20;
    }
    Ok(())
}

fn style(colour: &RGBColor) -> TextStyle<'_> {
    // Plotters counts the height of a font from its box, which is 1.24 times as high.
    let height = f64::from(TEXT) * 1.24;
    TextStyle::from(("sans-serif", height).into_font()).color(colour)
}
