//! Sorting by the bits of floats.
//!
//! The values are cut into parts, by their number alone. The parts are sorted digit by digit on the
//! threads of the pool, and then merged. A sorted list has only one order, so the number of threads
//! does not change it.

/// Bits of a digit.
const DIGIT: u32 = 11;
/// Values from which on there are several parts.
const PARALLEL: usize = 1 << 15;
/// Parts where there are several.
const PARTS: usize = 4;
/// Values from which on a merge is cut in two.
const MERGE: usize = 1 << 14;

/// The finite `values`, ascending, with +0 for −0.
pub(super) fn sorted(values: &[f32]) -> Vec<f32> {
    let mut keys: Vec<u32> = values.iter().map(|v| key(*v)).collect();
    let mut spare = vec![0; keys.len()];
    if keys.len() < PARALLEL {
        sort(&mut keys, &mut spare);
    } else {
        sort_parts(&mut keys, &mut spare, PARTS);
    }
    keys.into_iter().map(value).collect()
}

/// An integer in the order of the value.
pub(super) fn key(value: f32) -> u32 {
    // Adding zero makes −0.0 positive, so that the two zeros are one value.
    let bits = (value + 0.0).to_bits();
    let sign = ((bits as i32) >> 31) as u32;
    bits ^ (sign | 0x8000_0000)
}

/// The value of a key.
fn value(key: u32) -> f32 {
    let sign = (((!key) as i32) >> 31) as u32;
    f32::from_bits(key ^ (sign | 0x8000_0000))
}

/// Sorts `keys` in `parts` (a power of two), using `spare` of the same length.
fn sort_parts(keys: &mut [u32], spare: &mut [u32], parts: usize) {
    if parts <= 1 {
        return sort(keys, spare);
    }
    let middle = keys.len() / 2;
    let (low, high) = keys.split_at_mut(middle);
    let (spare_low, spare_high) = spare.split_at_mut(middle);
    rayon::join(
        || sort_parts(low, spare_low, parts / 2),
        || sort_parts(high, spare_high, parts / 2),
    );
    merge(low, high, spare);
    keys.copy_from_slice(spare);
}

/// Sorts by three digits, lowest first.
fn sort(keys: &mut [u32], spare: &mut [u32]) {
    let mut counts = [[0u32; 1 << DIGIT]; 3];
    for &key in &*keys {
        for (d, counts) in counts.iter_mut().enumerate() {
            counts[digit(key, d)] += 1;
        }
    }
    let (mut from, mut to) = (&mut *keys, &mut *spare);
    for (d, counts) in counts.iter_mut().enumerate() {
        let mut begin = 0;
        for count in counts.iter_mut() {
            (*count, begin) = (begin, begin + *count);
        }
        for &key in &*from {
            let place = &mut counts[digit(key, d)];
            to[*place as usize] = key;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    // Three passes end in `spare`.
    keys.copy_from_slice(spare);
}

fn digit(key: u32, d: usize) -> usize {
    (key >> (DIGIT * d as u32)) as usize & ((1 << DIGIT) - 1)
}

/// Merges two sorted lists into one.
fn merge(a: &[u32], b: &[u32], to: &mut [u32]) {
    if to.len() >= MERGE {
        let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
        let middle = long.len() / 2;
        let other = short.partition_point(|&key| key < long[middle]);
        let (low, high) = to.split_at_mut(middle + other);
        rayon::join(
            || merge(&long[..middle], &short[..other], low),
            || merge(&long[middle..], &short[other..], high),
        );
        return;
    }
    let (mut i, mut j) = (0, 0);
    for to in to {
        let (x, y) = (a.get(i), b.get(j));
        let first = match (x, y) {
            (Some(x), Some(y)) => x <= y,
            (x, _) => x.is_some(),
        };
        let found = if first { x } else { y };
        *to = found.copied().unwrap_or_default();
        i += usize::from(first);
        j += usize::from(!first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[f32]) {
        let mut expected: Vec<f32> = values.iter().map(|v| v + 0.0).collect();
        expected.sort_by(f32::total_cmp);
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(sorted(values)), bits(expected));
    }

    #[test]
    fn extreme_values_and_both_zeros() {
        check(&[]);
        check(&[
            f32::MAX,
            -0.0,
            1e-45,
            0.0,
            f32::MIN,
            -1e-45,
            f32::MIN_POSITIVE,
        ]);
    }

    #[test]
    fn several_parts_and_cut_merges() {
        for n in [PARALLEL - 1, PARALLEL, PARALLEL + 1, 5 * PARALLEL + 3] {
            let hash = |i: usize| (i as u32).wrapping_mul(0x9e37_79b9);
            let values: Vec<f32> = (0..n).map(|i| (hash(i) as i32 as f32) / 1e4).collect();
            check(&values);
            let few: Vec<f32> = (0..n).map(|i| (hash(i) % 3) as f32 - 1.0).collect();
            check(&few);
        }
    }

    proptest! {
        #[test]
        fn any_values(values in prop::collection::vec(-1e30f32..1e30, 0..300)) {
            check(&values);
        }
    }
}
