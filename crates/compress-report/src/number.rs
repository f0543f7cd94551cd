//! Numbers as text: thousands separated by commas, a fixed number of decimals.

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `x` with `decimals` decimals and its thousands separated; empty where it is not finite.
pub fn fixed(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return String::new();
    }
    let text = format!("{:.decimals$}", x.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole.parse().map_or(whole.to_owned(), thousands);
    let sign = if x < 0.0 { "-" } else { "" };
    format!("{sign}{whole}{fraction}")
}

/// `errors` out of `samples` in percent with two decimals; empty where there are no samples.
pub fn error_percent(errors: usize, samples: usize) -> String {
    if samples == 0 {
        return String::new();
    }
    fixed(errors as f64 * 100.0 / samples as f64, 2)
}

/// `x` rounded to `decimals` decimals, ties away from zero.
pub fn rounded(x: f64, decimals: i32) -> f64 {
    let unit = (0..decimals).fold(1.0, |unit, _| unit * 10.0);
    (x * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (266_610, "266,610"),
            (1_066_440, "1,066,440"),
        ];
        for (n, text) in cases {
            assert_eq!(thousands(n), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn decimals_are_fixed() {
        assert_eq!(fixed(1_234.5, 2), "1,234.50");
        assert_eq!(fixed(0.0, 0), "0");
        assert_eq!(fixed(-1_000.25, 1), "-1,000.2");
        assert_eq!(fixed(1e30, 1), "1000000000000000019884624838656.0");
        assert_eq!(fixed(f64::NAN, 2), "");
        assert_eq!(fixed(f64::INFINITY, 2), "");
    }

    #[test]
    fn errors_become_percent() {
        assert_eq!(error_percent(157, 10_000), "1.57");
        assert_eq!(error_percent(0, 10_000), "0.00");
        assert_eq!(error_percent(3, 0), "");
    }

    #[test]
    fn rounding_keeps_the_decimals_asked_for() {
        assert_eq!(rounded(378.17021, 2), 378.17);
        assert_eq!(rounded(1.5145, 3), 1.515);
        assert_eq!(rounded(2.0, 3), 2.0);
        assert!(rounded(f64::NAN, 3).is_nan());
    }
}
