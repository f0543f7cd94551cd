//! The code of the nearest value of a codebook.

/// The range of the thresholds is cut into this many equal parts. For each part it is known which
/// codes occur in it. A power of two.
const PARTS: usize = 4096;

/// Finds codes by a table of where the thresholds lie. A part of their range with at most one
/// threshold takes one comparison, a part with more a binary search.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Search {
    /// A weight above `thresholds[i]` is nearer to value `i + 1` than to value `i`. Infinity at
    /// the end.
    thresholds: Vec<f32>,
    /// The lowest threshold, and parts per unit.
    low: f32,
    factor: f32,
    /// For each part how many thresholds lie in the parts before it; then their number.
    before: Vec<u16>,
}

impl Search {
    /// For the nearest of ascending `values`, at most 65,536; halfway, the lower one.
    pub(super) fn nearest(values: &[f32]) -> Self {
        Search::new(values.windows(2).map(|v| threshold(v[0], v[1])).collect())
    }

    /// Over at most 65,535 ascending thresholds.
    fn new(mut thresholds: Vec<f32>) -> Self {
        let low = thresholds.first().copied().unwrap_or(0.0);
        let high = thresholds.last().copied().unwrap_or(0.0);
        let mut search = Search {
            thresholds: Vec::new(),
            low,
            // The quotient is infinite where the range is too narrow for f32, and zero where it is
            // too wide. Both will do: parts only must not fall as weights grow.
            factor: ((PARTS - 3) as f32 / (high - low)).max(f32::MIN_POSITIVE),
            before: vec![0; PARTS + 1],
        };
        for t in &thresholds {
            let part = search.part(*t);
            search.before[part + 1] += 1;
        }
        for part in 0..PARTS {
            search.before[part + 1] += search.before[part];
        }
        thresholds.push(f32::INFINITY);
        search.thresholds = thresholds;
        search
    }

    /// The part that a weight lies in; it never falls as the weight grows. Weights outside of the
    /// range go to the first or the last part, which hold no threshold.
    #[inline(always)]
    fn part(&self, weight: f32) -> usize {
        const LAST: f32 = (PARTS - 1) as f32;
        let position = (weight - self.low) * self.factor + 1.0;
        // In this order a NaN (zero times infinity, at the lowest threshold) becomes 0.
        let position = if position > 0.0 { position } else { 0.0 };
        let position = if position < LAST { position } else { LAST };
        // From 2²³ on neighbours are 1 apart: the last bits are the rounded position.
        (position + 8_388_608.0).to_bits() as usize & (PARTS - 1)
    }

    /// How many thresholds are below the weight.
    #[inline(always)]
    pub(super) fn code(&self, weight: f32) -> usize {
        let part = self.part(weight);
        let (from, to) = (self.before[part] as usize, self.before[part + 1] as usize);
        if to > from + 1 {
            return from + self.thresholds[from..to].partition_point(|t| weight > *t);
        }
        // Where the part holds none, the next threshold lies in a later one, above the weight.
        from + usize::from(weight > self.thresholds[from])
    }
}

/// The largest f32 that is not above the middle between `a` and `b`, exactly.
fn threshold(a: f32, b: f32) -> f32 {
    let (a, b) = (f64::from(a), f64::from(b));
    // The sum and what it lost by rounding (Knuth's two-sum).
    let sum = a + b;
    let b_part = sum - a;
    let lost = (a - (sum - b_part)) + (b - b_part);
    let middle = sum / 2.0;
    let nearest = middle as f32;
    let above = match f64::from(nearest).total_cmp(&middle) {
        std::cmp::Ordering::Equal => lost < 0.0,
        order => order.is_gt(),
    };
    if above { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact() {
        assert_eq!(threshold(1.0, 2.0), 1.5);
        assert_eq!(threshold(-1e-30, 1.0), 0.5f32.next_down());
        assert_eq!(threshold(1e-30, 1.0), 0.5);
        assert_eq!(threshold(-3.0, 3.0), 0.0);
        assert_eq!(threshold(f32::MIN, f32::MAX), 0.0);
        // Between neighbours the middle is no f32: the lower one stays below it.
        assert_eq!(threshold(1.0, 1.0f32.next_up()), 1.0);
        assert_eq!(threshold(-1.0f32.next_up(), -1.0), -1.0f32.next_up());
    }

    #[test]
    fn the_table_finds_what_a_search_finds() {
        let tests: [Vec<f32>; 7] = [
            vec![],
            vec![0.25],
            vec![-1.0, -0.999_999_9, 0.0, 1e-30, 5.0],
            vec![f32::MIN, -1.0, 1.0, f32::MAX],
            vec![1e-45, 2e-45, 3e-45],
            vec![1.0, 1.0f32.next_up(), 1e30],
            (0..300).map(|i| (i * i) as f32 * 0.01 - 40.0).collect(),
        ];
        for thresholds in tests {
            let mut weights = vec![0.0, f32::MIN, f32::MAX, f32::INFINITY, f32::NEG_INFINITY];
            for t in &thresholds {
                weights.extend([*t, t.next_up(), t.next_down(), t * 1.001, t + 0.1]);
            }
            let search = Search::new(thresholds.clone());
            for w in weights {
                let expected = thresholds.iter().filter(|t| w > **t).count();
                assert_eq!(search.code(w), expected, "{w} among {thresholds:?}");
            }
        }
    }
}
