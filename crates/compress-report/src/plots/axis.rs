//! Axes: a range, ticks at round numbers, and where a value lies.

use std::ops::Range;

use plotters::coord::ranged1d::{
    KeyPointHint, KeyPointWeight, NoDefaultFormatting, Ranged, ValueFormatter,
};

use crate::number::fixed;

/// Where an axis ends that would be too wide for f64.
const MOST: f64 = 1e307;

/// A linear or logarithmic axis; coordinates on it are the values themselves.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    logarithmic: bool,
    /// The values at the ends.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Value and text of each tick, ascending.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis that covers `values` and `from`, with about `count` ticks, two of them at its
    /// ends. Where the values are so close that f64 has no numbers between them, it is wider than they
    /// are. Where they are so far apart that their distance is beyond f64, those beyond ±[`MOST`] lie
    /// at its ends.
    pub(super) fn linear(from: f64, values: impl Iterator<Item = f64>, count: usize) -> Self {
        let (low, high) = extent(values).map_or((from, from), |(a, b)| (a.min(from), b.max(from)));
        let high = if high > low { high } else { low + 1.0 };
        let (step, first, last) = steps(low, high, count).unwrap_or_else(|| {
            let low = low.clamp(-MOST, MOST);
            let high = high.clamp(-MOST, MOST).max(low + low.abs().max(1.0));
            steps(low, high, count).unwrap_or((1.0, 0, 1))
        });
        let decimals = decimals(step);
        let ticks = (first..=last).map(|i| {
            let value = i as f64 * step;
            (value, fixed(value, decimals))
        });
        Axis {
            logarithmic: false,
            low: first as f64 * step,
            high: last as f64 * step,
            ticks: ticks.collect(),
        }
    }

    /// A logarithmic axis that covers the positive ones of `values`, with room around them.
    /// Ticks are at 1, 2 and 5 times the powers of ten, or fewer over a wide range. Subnormal values
    /// count as the least normal one, since f64 has no round numbers among them.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values.filter(|&v| v > 0.0)).unwrap_or((1.0, 10.0));
        let (low, high) = (low.max(f64::MIN_POSITIVE), high.max(f64::MIN_POSITIVE));
        let (low, high) = (log10(low), log10(high));
        // No narrower than the widest gap between ticks, so that there is always one.
        let room = ((high - low) * 0.06).max(0.2);
        let (low, high) = (low - room, high + room);
        let steps: &[f64] = match high - low {
            span if span < 1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            span if span < 2.5 => &[1.0, 2.0, 5.0],
            span if span < 3.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        let stride = ((high - low) / 8.0).ceil() as usize;
        for exponent in (low.floor() as i32..=high.ceil() as i32).step_by(stride) {
            for step in steps {
                let value = step * tens(exponent);
                if (low..=high).contains(&log10(value)) {
                    ticks.push((value, fixed(value, decimals(value))));
                }
            }
        }
        Axis {
            logarithmic: true,
            // The room around the values may not be in the range of f64.
            low: power_of_ten(low).max(f64::from_bits(1)),
            high: power_of_ten(high).min(f64::MAX),
            ticks,
        }
    }

    /// Logarithmic where the positive ones of `values` differ by more than `factor`, else linear
    /// from zero.
    pub(super) fn automatic(values: &[f64], factor: f64, count: usize) -> Self {
        let positive = values.iter().copied().filter(|&v| v > 0.0);
        match extent(positive) {
            Some((low, high)) if high > low * factor => Axis::logarithmic(values.iter().copied()),
            _ => Axis::linear(0.0, values.iter().copied(), count),
        }
    }

    /// A linear axis with ticks of the caller's choice.
    pub(super) fn named(low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        Axis {
            logarithmic: false,
            low,
            high,
            ticks,
        }
    }

    /// The same axis from `low` to `high`, without the ticks beyond.
    pub(super) fn between(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = (low, high);
        self.ticks.retain(|(tick, _)| (low..=high).contains(tick));
        self
    }

    /// The text at a tick.
    pub(super) fn text(&self, value: f64) -> &str {
        let tick = self.ticks.iter().find(|(tick, _)| *tick == value);
        tick.map_or("", |(_, text)| text)
    }

    /// Where `value` lies, from 0 at the low end to 1 at the high one.
    fn fraction(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.logarithmic { log10(v) } else { v };
        let (low, high) = (scale(self.low), scale(self.high));
        (scale(value.clamp(self.low, self.high)) - low) / (high - low)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        low + (self.fraction(*value) * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight() {
            KeyPointWeight::Bold => self.ticks.iter().map(|(value, _)| *value).collect(),
            KeyPointWeight::Any => Vec::new(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.text(*value).to_owned()
    }
}

/// The least and the greatest finite value.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

/// The step of about `count` ticks from `low` to `high`, and which multiples of it cover these.
/// Nothing where f64 does not hold the step or the distance of the ends.
fn steps(low: f64, high: f64, count: usize) -> Option<(f64, i64, i64)> {
    let step = nice_step((high - low) / count.max(1) as f64);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    let span = last as f64 * step - first as f64 * step;
    (span > 0.0 && span.is_finite()).then_some((step, first, last))
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `step`.
fn nice_step(step: f64) -> f64 {
    let magnitude = tens(log10(step).floor() as i32);
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|m| m * magnitude)
        .find(|&nice| nice >= step * 0.999_999)
        .unwrap_or(10.0 * magnitude)
}

/// How many decimals tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&d| {
            let scaled = step * tens(d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        })
        .unwrap_or(9) as usize
}

// The platform's functions, which decide where a mark is drawn and which ticks there are, and nothing
// that is counted or stored.

fn log10(x: f64) -> f64 {
    x.log10() // tidy: allow(axes of plots alone)
}

fn power_of_ten(exponent: f64) -> f64 {
    10f64.powf(exponent) // tidy: allow(axes of plots alone)
}

fn tens(exponent: i32) -> f64 {
    10f64.powi(exponent) // tidy: allow(axes of plots alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let axis = Axis::linear(0.0, [0.3, 2.36].into_iter(), 5);
        assert_eq!(texts(&axis), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(axis.map(&1.0, (10, 260)), 110);
        assert_eq!(axis.map(&99.0, (10, 260)), 260);
        assert_eq!(axis.map(&1.0, (260, 10)), 160);
        let axis = Axis::linear(0.0, [-0.11, 0.12].into_iter(), 6);
        assert_eq!(axis.ticks.first().map(|t| t.1.as_str()), Some("-0.15"));
    }

    #[test]
    fn logarithmic_ticks_are_round() {
        let axis = Axis::logarithmic([1_700.0, 30_000.0].into_iter());
        assert_eq!(texts(&axis), ["2,000", "5,000", "10,000", "20,000"]);
        let pixels = [2_000.0, 20_000.0].map(|v| axis.map(&v, (0, 1000)));
        let middle = axis.map(&40_000_000f64.sqrt(), (0, 1000));
        assert!((pixels[0] + pixels[1] - 2 * middle).abs() <= 1);
        let wide = Axis::logarithmic([0.1, 1_000_000.0].into_iter());
        assert_eq!(texts(&wide)[..2], ["0.1", "1"]);
        assert_eq!(wide.map(&0.0, (5, 10)), 5);
        assert_eq!(wide.map(&f64::NAN, (5, 10)), 5);
    }

    #[test]
    fn axes_exist_whatever_the_values() {
        const LARGEST: f64 = f64::MAX;
        let odd = [f64::NAN, f64::INFINITY, -0.0, 0.0, 5e-324, LARGEST];
        for values in [
            &odd[..0],
            &odd[..4],
            &odd[..5],
            &odd,
            &[5e-324],
            &[-5e-324, 5e-324],
            &[1e-310, 3e-309],
            &[1e-308],
            &[f64::MIN_POSITIVE],
            &[LARGEST],
            &[-LARGEST],
            &[-LARGEST, LARGEST],
            &[1e308, -1e308],
            &[5e-324, LARGEST],
            &[7.0],
            &[0.0, 0.0],
            &[1e-9, 1e9],
        ] {
            for axis in [
                Axis::linear(0.0, values.iter().copied(), 5),
                Axis::linear(0.0, values.iter().copied(), 1),
                Axis::linear(LARGEST, values.iter().copied(), 5),
                Axis::logarithmic(values.iter().copied()),
                Axis::automatic(values, 20.0, 5),
            ] {
                assert!(axis.low < axis.high, "{values:?} made {axis:?}");
                assert!(!axis.ticks.is_empty(), "{values:?} made {axis:?}");
                assert!(axis.ticks.len() < 20, "{values:?} made {axis:?}");
                assert!(
                    (axis.high - axis.low).is_finite(),
                    "{values:?} made {axis:?}"
                );
                let ticks = axis.ticks.iter().map(|(tick, _)| tick);
                for value in values.iter().chain(ticks).filter(|v| !v.is_nan()) {
                    let fraction = axis.fraction(*value);
                    assert!((0.0..=1.0).contains(&fraction), "{value} on {axis:?}");
                }
            }
        }
    }
}
