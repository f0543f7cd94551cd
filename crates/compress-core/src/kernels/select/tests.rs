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
        assert_eq!(largest_magnitudes_at(isa, tensors, k).unwrap(), boundary);
        let mut keep = vec![Vec::new(); tensors.len()];
        keep_largest_at(isa, tensors, boundary, &mut keep);
        assert!(keep == expected, "k = {k} at {}", isa.name());
        let mut zeroed: Vec<Vec<f32>> = tensors.iter().map(|t| t.to_vec()).collect();
        let mut slices: Vec<&mut [f32]> = zeroed.iter_mut().map(Vec::as_mut_slice).collect();
        zero_smaller_at(isa, &mut slices, boundary);
        for ((zeroed, tensor), expected) in zeroed.iter().zip(tensors).zip(&expected) {
            for ((zeroed, &value), &kept) in zeroed.iter().zip(*tensor).zip(expected) {
                // Where the boundary is zero, what is above its ties need not be told from it.
                let stays = kept || value == 0.0 && magnitude == 0.0;
                assert_eq!(*zeroed, if stays { value } else { 0.0 });
            }
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

fn hashed(i: usize) -> f32 {
    ((i as u32).wrapping_mul(2_654_435_761).rotate_left(11) as i32 >> 8) as f32 * 1e-7
}

/// The interval and the pass, with inputs for which they work and others for which they do not.
#[test]
fn narrowing_keeps_the_answer() {
    let n = narrow::WORTHWHILE + 12_345;
    let plain: Vec<f32> = (0..n).map(hashed).collect();
    // What the sample sees of a block does not tell of it.
    let lumps: Vec<f32> = (0..n)
        .map(|i| hashed(i) * (1 + i / 100_000) as f32)
        .collect();
    let coarse: Vec<f32> = (0..n).map(|i| (hashed(i) * 9.0).round()).collect();
    let zeros: Vec<f32> = (0..n)
        .map(|i| if i % 7 == 0 { hashed(i) } else { -0.0 })
        .collect();
    let rising: Vec<f32> = (0..n).map(|i| i as f32).collect();
    for x in [&plain, &lumps, &coarse, &zeros, &rising, &vec![0.5; n]] {
        let tensors: [&[f32]; 3] = [&x[..700], &x[700..700], &x[700..]];
        for k in [1, 2, n / 1000, n / 10, n / 2, n - n / 7, n - 1, n] {
            let found = by_digits(&tensors, k);
            assert_eq!(largest_magnitudes(&tensors, k).ok(), found, "k = {k}");
        }
    }
    let tensors: [&[f32]; 1] = [&plain];
    let narrowed = narrow::select(Isa::Scalar, &tensors, n / 10);
    assert_eq!(narrowed, by_digits(&tensors, n / 10));
    check(&tensors, n / 10);
    let mut bad = plain.clone();
    bad[n - 5] = f32::NAN;
    let text = largest_magnitudes(&[&bad], 9).unwrap_err().to_string();
    assert!(text.contains(&format!("index {}", n - 5)), "{text}");
}

proptest! {
    #[test]
    fn thresholds_mean_what_they_say(
        x in proptest::collection::vec(any::<f32>(), 0..70),
        threshold in any::<f32>(),
    ) {
        for isa in Isa::available() {
            let mut got = x.clone();
            zero_below_at(isa, &mut got, threshold);
            for (got, x) in got.iter().zip(&x) {
                let expected = if x.abs() < threshold { 0.0 } else { *x };
                prop_assert_eq!(got.to_bits(), expected.to_bits());
            }
        }
    }

    #[test]
    fn n_of_m_agrees_with_sorting(
        (rows, columns, x) in (0usize..5, 0usize..300).prop_flat_map(|(r, c)| {
            (Just(r), Just(c), proptest::collection::vec(weight(), r * c))
        }),
        (n, m) in prop_oneof![(0usize..5, Just(4)), (0usize..9, Just(8)), (0usize..17, Just(16)), (0usize..7, 6usize..40)],
    ) {
        let mut expected = Vec::new();
        for row in x.chunks(columns.max(1)) {
            for group in row.chunks(m) {
                let mut order: Vec<usize> = (0..group.len()).collect();
                order.sort_by(|&a, &b| group[b].abs().total_cmp(&group[a].abs()));
                expected.extend((0..group.len()).map(|i| order[..n.min(group.len())].contains(&i)));
            }
        }
        let pattern = NOfM::new(n, m).unwrap();
        for isa in Isa::available() {
            let mut keep = vec![true; rows * columns];
            keep_n_of_m_at(isa, &x, columns, pattern, &mut keep).unwrap();
            prop_assert_eq!(&keep, &expected);
            let mut zeroed = x.clone();
            zero_n_of_m_at(isa, &mut zeroed, columns, pattern).unwrap();
            for ((zeroed, x), keep) in zeroed.iter().zip(&x).zip(&keep) {
                prop_assert_eq!(zeroed.to_bits(), if *keep { x.to_bits() } else { 0 });
            }
        }
    }
}

#[test]
fn n_of_m_joins_the_blocks_of_threads() {
    let x: Vec<f32> = (0..3 * 40_004).map(hashed).collect();
    for (columns, m) in [(40_004, 4), (40_004, 7), (120_012, 4), (12, 4), (4, 8)] {
        let pattern = NOfM::new(2, m).unwrap();
        let mut keep = vec![false; x.len()];
        keep_n_of_m(&x, columns, pattern, &mut keep).unwrap();
        let mut zeroed = x.clone();
        zero_n_of_m(&mut zeroed, columns, pattern).unwrap();
        let kept = x
            .iter()
            .zip(&keep)
            .map(|(&x, &keep)| if keep { x } else { 0.0 });
        assert!(kept.eq(zeroed));
        for (row, keep) in x.chunks(columns).zip(keep.chunks(columns)) {
            for (group, keep) in row.chunks(m).zip(keep.chunks(m)) {
                let mut alone = vec![false; group.len()];
                keep_n_of_m(group, group.len(), pattern, &mut alone).unwrap();
                assert_eq!(keep, alone);
            }
        }
    }
}

#[test]
fn n_of_m_that_does_not_fit_is_refused() {
    assert!(NOfM::new(1, 0).is_err());
    assert!(NOfM::new(5, 4).is_err());
    assert!(NOfM::new(1, usize::MAX).is_err());
    let pattern = NOfM::new(2, 4).unwrap();
    assert!(zero_n_of_m(&mut [0.0; 6], 4, pattern).is_err());
    assert!(zero_n_of_m(&mut [0.0; 6], 0, pattern).is_err());
    assert!(zero_n_of_m(&mut [], 0, pattern).is_ok());
    assert!(keep_n_of_m(&[0.0; 4], 4, pattern, &mut [false; 3]).is_err());
    let mut x = [f32::NAN, 1.0, f32::INFINITY, -f32::NAN];
    zero_n_of_m(&mut x, 4, pattern).unwrap();
    assert!(x[0].is_nan() && x[1] == 0.0 && x[2] == 0.0 && x[3].is_nan());
}
