//! Round trips, and lengths against the entropy.

use super::geometry::Geometry;
use super::*;
use crate::coding::range_coder::{BitCoder, Decoder, Encoder};
use compress_core::rng;
use proptest::prelude::*;

fn encode(geometry: &Geometry, values: &[i32], range: (u32, u32)) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut copy = values.to_vec();
    code_integers(&mut encoder, geometry, &mut copy, |_| range);
    assert_eq!(copy, values);
    encoder.finish()
}

fn decode(geometry: &Geometry, bytes: &[u8], count: usize, range: (u32, u32)) -> Vec<i32> {
    let mut values = vec![7; count];
    code_integers(&mut Decoder::new(bytes), geometry, &mut values, |_| range);
    values
}

/// A matrix where each value is non-zero with `per_mille` and then uniform up to ±`top`.
fn sparse(rows: usize, columns: usize, per_mille: u32, top: u32, name: &str) -> Vec<i32> {
    let mut stream = rng::stream(5, name);
    (0..rows * columns)
        .map(|_| {
            let keep = rng::below(&mut stream, 1000) < per_mille;
            let magnitude = 1 + rng::below(&mut stream, top) as i32;
            let sign = if rng::below(&mut stream, 2) == 0 {
                1
            } else {
                -1
            };
            if keep { sign * magnitude } else { 0 }
        })
        .collect()
}

fn binary_entropy(p: f64) -> f64 {
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        columns in 1_usize..20,
        values in proptest::collection::vec(-300_i32..=300, 0..200),
        width in 0_usize..6,
        low in 300_u32..70_000,
    ) {
        let geometry = Geometry::image(columns, None, width).unwrap_or(Geometry::line(columns));
        let bytes = encode(&geometry, &values, (low, 300));
        prop_assert_eq!(decode(&geometry, &bytes, values.len(), (low, 300)), values);
    }

    #[test]
    fn any_bytes_give_values_within_the_range(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        range in (0_u32..70_000, 0_u32..70_000),
        small in (0_u32..3, 0_u32..20),
    ) {
        for range in [range, small] {
            for value in decode(&Geometry::line(9), &bytes, 500, range) {
                let bound = if value < 0 { range.0 } else { range.1 };
                prop_assert!(value.unsigned_abs() <= bound);
            }
        }
    }
}

#[test]
fn zeros_take_next_to_nothing() {
    let bytes = encode(&Geometry::line(784), &vec![0; 300 * 784], (7, 7));
    assert!(bytes.len() < 60, "{} bytes", bytes.len());
}

#[test]
fn independent_positions_come_within_a_few_percent_of_their_entropy() {
    let values = sparse(300, 784, 20, 7, "coding.matrix.iid");
    let nonzero = values.iter().filter(|v| **v != 0).count() as f64;
    let total = values.len() as f64;
    let bits = total * binary_entropy(nonzero / total) + nonzero * 14_f64.log2();
    let geometry = Geometry::image(784, None, 28).unwrap();
    for geometry in [geometry, Geometry::line(784)] {
        let bytes = encode(&geometry, &values, (7, 7));
        let ratio = bytes.len() as f64 * 8.0 / bits;
        assert!(ratio < 1.03, "{ratio} of the entropy");
        assert_eq!(decode(&geometry, &bytes, values.len(), (7, 7)), values);
    }
}

#[test]
fn what_is_dense_is_learnt_nearly_as_if_it_were_known() {
    // Columns near the middle of an image are kept more often, and some rows are.
    let mut stream = rng::stream(6, "coding.matrix.clustered");
    let (mut values, mut known) = (vec![0; 200 * 784], 0.0);
    for (i, value) in values.iter_mut().enumerate() {
        let (row, x, y) = (i / 784, i % 28, i % 784 / 28);
        let centre = (4..24).contains(&x) && (4..24).contains(&y);
        let per_mille = match (centre, row % 4 == 0) {
            (true, true) => 80,
            (true, false) => 8,
            (false, _) => 1,
        };
        known += binary_entropy(f64::from(per_mille) / 1000.0) / 8.0;
        *value = i32::from(rng::below(&mut stream, 1000) < per_mille);
    }
    let set = values.iter().filter(|v| **v != 0).count() as f64;
    let independent = values.len() as f64 * binary_entropy(set / values.len() as f64) / 8.0;
    let bytes = encode(&Geometry::image(784, None, 28).unwrap(), &values, (0, 1));
    let (length, saved) = (bytes.len() as f64, independent - known);
    assert!(
        independent - length > 0.65 * saved,
        "{length} bytes; {known} if known, {independent} if independent"
    );
}

#[test]
fn dense_codes_of_any_width_come_near_their_entropy() {
    for top in [1_u32, 7, 15, 127, 32_767] {
        let mut stream = rng::stream(7, "coding.matrix.dense");
        let values: Vec<i32> = (0..20_000)
            .map(|_| rng::below(&mut stream, 2 * top + 1) as i32 - top as i32)
            .collect();
        let bytes = encode(&Geometry::line(200), &values, (top, top));
        let ideal = 20_000.0 * f64::from(2 * top + 1).log2() / 8.0;
        let ratio = bytes.len() as f64 / ideal;
        assert!(ratio < 1.03, "{ratio} of the entropy up to {top}");
        assert_eq!(
            decode(&Geometry::line(200), &bytes, 20_000, (top, top)),
            values
        );
    }
}

#[test]
fn floats_keep_their_bits() {
    let mut stream = rng::stream(8, "coding.matrix.floats");
    let values: Vec<u32> = (0..4000)
        .map(|i| {
            if i % 9 == 0 {
                rng::below(&mut stream, u32::MAX) | 1
            } else {
                0
            }
        })
        .collect();
    let geometry = Geometry::line(50);
    let mut encoder = Encoder::default();
    code_sparse(
        &mut encoder,
        &geometry,
        &mut values.clone(),
        |coder, value| coder.code_bits(value, 32),
    );
    let bytes = encoder.finish();
    let mut decoded = vec![0; values.len()];
    code_sparse(
        &mut Decoder::new(&bytes),
        &geometry,
        &mut decoded,
        |coder, value| coder.code_bits(value, 32),
    );
    assert_eq!(decoded, values);
}

#[test]
fn empty_matrices_are_fine() {
    assert!(encode(&Geometry::line(0), &[], (7, 7)).is_empty());
    assert!(encode(&Geometry::line(5), &[0; 5], (0, 0)).len() < 2);
}

#[test]
fn what_lies_outside_of_its_range_is_replaced_not_lost_track_of() {
    let geometry = Geometry::line(3);
    let wild = [i32::MIN, i32::MAX, 0, 5, -5, 70_000, 1, 1 << 20, -1];
    for range in [
        (u32::MAX, u32::MAX),
        (0, 0),
        (0, 3),
        (1, 0),
        (20, 20),
        (300, 70_000),
    ] {
        let mut encoder = Encoder::default();
        let mut coded = wild;
        code_integers(&mut encoder, &geometry, &mut coded, |_| range);
        let bytes = encoder.finish();
        assert_eq!(
            decode(&geometry, &bytes, wild.len(), range),
            coded,
            "{range:?}"
        );
        assert!(coded.iter().all(|v| {
            let bound = if *v < 0 { range.0 } else { range.1 };
            v.unsigned_abs() <= bound.min(LARGEST)
        }));
    }
}

#[test]
fn without_columns_there_are_zeros_alone() {
    let none = Geometry::line(0);
    assert_eq!(decode(&none, &[255; 8], 3, (1, 1)), [0; 3]);
    let mut values = [1; 3];
    code_sparse(&mut Decoder::new(&[255; 8]), &none, &mut values, |_, v| v);
    assert_eq!(values, [0; 3]);
}

/// Bits of an encoded matrix.
fn metered(geometry: &Geometry, values: &[i32]) -> f64 {
    let mut meter = crate::coding::meter::Meter::default();
    code_integers(&mut meter, geometry, &mut values.to_vec(), |_| (1, 1));
    meter.bits()
}

#[test]
fn presence_is_about_what_removal_saves() {
    // Rows of clusters: what has neighbours is cheap, what is alone is dear.
    let (rows, width) = (60, 20);
    let geometry = Geometry::image(width * width, None, width).unwrap();
    let mut stream = rng::stream(8, "presence");
    let mut values = vec![0; rows * width * width];
    for (row, values) in values.chunks_mut(width * width).enumerate() {
        let (x, y) = (row % 13 + 2, row % 11 + 3);
        for _ in 0..4 + rng::below(&mut stream, 25) {
            let near = |c: usize, s: &mut rng::Stream| c + rng::below(s, 5) as usize;
            let at = near(y, &mut stream) * width + near(x, &mut stream);
            values[at] = 1 - 2 * i32::from(rng::below(&mut stream, 2) == 0);
        }
        values[rng::below(&mut stream, 400) as usize] = 1;
    }
    let bits = presence_bits(&geometry, &values);
    let all = metered(&geometry, &values);
    let set: Vec<usize> = (0..values.len()).filter(|&i| values[i] != 0).collect();
    assert!(values.iter().zip(&bits).all(|(v, b)| *v != 0 || *b == 0.0));
    // Pairs of a prediction and of what is saved in truth, in the order of predictions.
    let mut pairs: Vec<(f64, f64)> = set
        .iter()
        .step_by(3)
        .map(|&i| {
            let mut without = values.clone();
            without[i] = 0;
            (f64::from(bits[i]), all - metered(&geometry, &without))
        })
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean = |pairs: &[(f64, f64)]| {
        let sum = pairs.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        (sum.0 / pairs.len() as f64, sum.1 / pairs.len() as f64)
    };
    for part in [
        &pairs[..],
        &pairs[..pairs.len() / 4],
        &pairs[pairs.len() * 3 / 4..],
    ] {
        let (predicted, saved) = mean(part);
        // Others of its cluster become dearer without it, which is left out.
        let share = saved / predicted;
        assert!((0.5..1.1).contains(&share), "{predicted} {saved}");
    }
    let (cheap, dear) = (
        mean(&pairs[..pairs.len() / 4]),
        mean(&pairs[pairs.len() * 3 / 4..]),
    );
    assert!(dear.1 > cheap.1 + 2.0, "{cheap:?} {dear:?}");
}
