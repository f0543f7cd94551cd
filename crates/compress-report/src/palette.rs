//! The colours of a report: each for a light page, and what replaces it on a dark one.
//!
//! Plots are drawn once, in the light colours; the page's style sheet swaps them by value.

use std::fmt::{self, Display, Formatter};

use plotters::style::RGBColor;

/// A colour on light and on dark ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

impl Colour {
    const fn new(light: u32, dark: u32) -> Self {
        Colour {
            light: bytes(light),
            dark: bytes(dark),
        }
    }

    /// What plots are drawn in.
    pub(super) fn rgb(self) -> RGBColor {
        RGBColor(self.light.0, self.light.1, self.light.2)
    }
}

/// The ground, as that of the page.
pub(super) const GROUND: Colour = Colour::new(0xFFFFFF, 0x15191F);
/// Text and axes.
pub(super) const INK: Colour = Colour::new(0x1F2933, 0xE4E7EB);
/// Text of less weight.
pub(super) const MUTED: Colour = Colour::new(0x52606D, 0x9AA5B1);
/// Grid lines.
pub(super) const GRID: Colour = Colour::new(0xE4E7EB, 0x2A323C);
/// What an image's unused pixels are filled with.
pub(super) const UNUSED: Colour = Colour::new(0xF1F3F5, 0x20262E);

/// What tells series apart, in a fixed order, also for eyes that see few colours.
pub(super) const SERIES: [Colour; 2] = [
    Colour::new(0x1D6FB8, 0x5BA7E8),
    Colour::new(0xD9730D, 0xF0984A),
];

/// What tells many series apart: after the first two, colours that eyes that see few colours can
/// still tell from them by their lightness.
pub(super) const LINES: [Colour; 8] = [
    SERIES[0],
    SERIES[1],
    Colour::new(0x12805C, 0x4CC79B),
    Colour::new(0xA6357F, 0xE37BBE),
    Colour::new(0x6B4FA3, 0xA990DC),
    Colour::new(0x8A6A00, 0xD9B93B),
    Colour::new(0x3A6B7E, 0x7FB6CB),
    Colour::new(0x9C4A3C, 0xD98D7F),
];

/// From few to many.
pub(super) const RAMP: [Colour; 6] = [
    Colour::new(0xC9DDF2, 0x1C3F63),
    Colour::new(0x9CC3E8, 0x25588C),
    Colour::new(0x6AA3DA, 0x3474B4),
    Colour::new(0x3E82C4, 0x5294D6),
    Colour::new(0x1F619F, 0x86B8EA),
    Colour::new(0x0E3F70, 0xC4DFF8),
];

/// Above zero, from near to far.
pub(super) const POSITIVE: [Colour; 5] = [
    Colour::new(0xF3B3A9, 0x572523),
    Colour::new(0xEA8C7F, 0x85342F),
    Colour::new(0xDE5D50, 0xB94A40),
    Colour::new(0xC0312D, 0xE77A6A),
    Colour::new(0x86101A, 0xFFB9AC),
];

/// Below zero, from near to far.
pub(super) const NEGATIVE: [Colour; 5] = [
    Colour::new(0xB0C4F4, 0x22315C),
    Colour::new(0x87A7EC, 0x304A8E),
    Colour::new(0x5A81DC, 0x4669C4),
    Colour::new(0x345BC2, 0x7696EA),
    Colour::new(0x142F88, 0xB4CAFF),
];

/// All of them, as each is there but once.
fn all() -> impl Iterator<Item = Colour> {
    let single = [GROUND, INK, MUTED, GRID, UNUSED].into_iter();
    let ramps = LINES.into_iter().chain(RAMP);
    single.chain(ramps).chain(POSITIVE).chain(NEGATIVE)
}

/// The rules that swap every colour of the plots on a dark page.
pub(super) fn dark_rules() -> String {
    all()
        .map(|colour| {
            let (light, dark) = (hexadecimal(colour.light), hexadecimal(colour.dark));
            format!(
                "svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}\n"
            )
        })
        .collect()
}

impl Display for Colour {
    /// As plots write it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(self.light))
    }
}

fn hexadecimal((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

const fn bytes(rgb: u32) -> (u8, u8, u8) {
    ((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_colours_are_distinct() {
        // The style sheet swaps by value, so two equal ones could not be told apart.
        let all: Vec<_> = all().collect();
        for (i, a) in all.iter().enumerate() {
            let others = all[i + 1..].iter().filter(|b| b.light == a.light);
            assert!(others.count() == 0, "{a:?} is there twice");
        }
    }

    #[test]
    fn rules_name_the_colours_as_plots_write_them() {
        let rules = dark_rules();
        assert!(rules.contains(r##"svg [fill="#1D6FB8"]{fill:#5BA7E8}"##));
    }
}
