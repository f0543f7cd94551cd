//! Sizes in bytes, as people write them.

/// The units that are read: the decimal and the binary ones.
const UNITS: [(&str, f64); 10] = [
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KIB", 1024.0),
    ("MIB", 1_048_576.0),
    ("GIB", 1_073_741_824.0),
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("B", 1.0),
];

/// Reads `80MB`, `1.5 GiB`, `1G` or `12345`.
///
/// # Errors
/// Says what would be right.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size; write 80MB, 1.5GiB or a number of bytes");
    let upper = text.trim().to_ascii_uppercase();
    let unit = UNITS.iter().find(|(unit, _)| upper.ends_with(unit));
    let (number, factor) = match unit {
        Some((unit, factor)) => (&upper[..upper.len() - unit.len()], *factor),
        None => (upper.as_str(), 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let bytes = number * factor;
    match bytes.is_finite() && (0.0..=9e18).contains(&bytes) {
        true => Ok(bytes.round() as u64),
        false => Err(wrong()),
    }
}

/// `12,345 bytes` up to a million, `98.2 MB` beyond.
pub(crate) fn show(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} bytes", thousands(bytes)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let read = ["80MB", "1.5 GiB", "1g", "12345", "7b", "2kib"].map(|t| parse(t).unwrap());
        assert_eq!(read, [80_000_000, 1_610_612_736, 1 << 30, 12_345, 7, 2048]);
        for wrong in ["", "MB", "-1", "1TB?", "nan", "1e30GB"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show(999_999), "999,999 bytes");
        assert_eq!(show(98_240_000), "98.2 MB");
        assert_eq!(show(7_000_000_000), "7.00 GB");
    }
}
