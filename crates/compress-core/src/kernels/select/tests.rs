//! Against sorting.

use proptest::prelude::*;

use super::*;

/// The definition: sort by magnitude descending, then by position, and keep the first k.
fn by_sorting(tensors: &[&[f32]], k: usize) -> (f32, Vec<Vec<bool>>) {
    let mut all: Vec<(f32, usize, usize)> = Vec::new();
    for (t, values) in tensors.iter().enumerate() {
        all.extend(values.iter().enumerate().map(|(i, v)| (v.abs(), t, i)));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut keep: Vec<Vec<bool>> = tensors.iter().map(|t| vec![false; t.len()]).collect();
    all[..k].iter().for_each(|&(_, t, i)| keep[t][i] = true);
    (all[k - 1].0, keep)
}

fn check(tensors: &[&[f32]], k: usize) {
    let (magnitude, expected) = by_sorting(tensors, k);
    let boundary = largest_magnitudes(tensors, k).unwrap();
    assert_eq!(boundary.magnitude.to_bits(), magnitude.to_bits(), "k = {k}");
    let mut keep = vec![vec![true; 3]; tensors.len()];
    keep_largest(tensors, boundary, &mut keep).unwrap();
    assert_eq!(keep, expected, "k = {k}");
    for isa in Isa::available() {
        let mut ties = boundary.ties_kept;
        for (values, expected) in tensors.iter().zip(&expected) {
            let mut keep = vec![false; values.len()];
            ties -= keep_at(isa, values, magnitude, ties, &mut keep);
            assert_eq!(&keep, expected, "k = {k} at {}", isa.name());
        }
    }
}

/// Weights as they come: many of one magnitude, zeros of both signs, subnormals, and any bits.
fn weight() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(0.5),
        Just(-0.5),
        Just(f32::MAX),
        (1u32..9).prop_map(f32::from_bits),
        -1.0f32..1.0,
        // Neighbours in the last digit.
        (0x3f80_0000u32..0x3f80_0020).prop_map(f32::from_bits),
        any::<u32>().prop_map(|b| f32::from_bits(b & 0xbf7f_ffff)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn agrees_with_sorting(
        a in proptest::collection::vec(weight(), 0..300),
        b in proptest::collection::vec(weight(), 1..300),
        k in 0.0f64..1.0,
    ) {
        let total = a.len() + b.len();
        check(&[&a, &b], 1 + (k * (total - 1) as f64) as usize);
    }
}

#[test]
fn blocks_of_threads_are_merged() {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(11);
    let x: Vec<f32> = (0..600_001)
        .map(|i| (hash(i) as i32 >> 8) as f32 * 1e-7)
        .collect();
    for k in [1, 60_000, 600_001] {
        check(&[&x[..300_000], &[], &x[300_000..]], k);
    }
}

#[test]
fn ties_go_to_the_first() {
    let (a, b) = ([1.0, -1.0, 0.5], [-1.0, 2.0, 1.0]);
    let boundary = largest_magnitudes(&[&a, &b], 4).unwrap();
    let expected = Boundary {
        magnitude: 1.0,
        ties_kept: 3,
    };
    assert_eq!(boundary, expected);
    let mut keep = vec![Vec::new(); 2];
    keep_largest(&[&a, &b], boundary, &mut keep).unwrap();
    assert_eq!(keep, [vec![true, true, false], vec![true, true, false]]);
}

#[test]
fn what_cannot_be_selected_is_refused() {
    let x = [1.0, 2.0];
    assert!(largest_magnitudes(&[&x], 0).is_err());
    assert!(largest_magnitudes(&[&x], 3).is_err());
    assert!(largest_magnitudes(&[], 1).is_err());
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = largest_magnitudes(&[&x, &[0.0, bad]], 1).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("tensor 1") && text.contains("index 1"),
            "{text}"
        );
    }
    let boundary = largest_magnitudes(&[&x], 1).unwrap();
    assert!(keep_largest(&[&x], boundary, &mut []).is_err());
}
