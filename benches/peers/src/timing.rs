//! The same rule as ours: the first call warms up, then the median of at least 5 calls and 0.3 s.

use std::time::{Duration, Instant};

/// Seconds of one call.
pub(crate) fn seconds<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    const ENOUGH: Duration = Duration::from_millis(300);
    const TOO_LONG: Duration = Duration::from_secs(10);
    run()?;
    let begin = Instant::now();
    let mut samples = Vec::new();
    while samples.is_empty()
        || begin.elapsed() < ENOUGH
        || (samples.len() < 5 && begin.elapsed() < TOO_LONG)
    {
        let begin = Instant::now();
        run()?;
        samples.push(begin.elapsed().as_secs_f64());
    }
    Ok(median(&samples))
}

/// Of no values, NaN.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), 3.0);
    }
}
