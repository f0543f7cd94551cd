//! Every level against the specification, written once more in the plainest way.

use ndarray::{Array2, ArrayView2, s};
use proptest::prelude::*;

use super::*;

/// One chain per element.
fn naive(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, init: Init<'_>, c: &mut Array2<f32>) {
    for ((i, j), c) in c.indexed_iter_mut() {
        let start = match init {
            Init::Zero => 0.0,
            Init::Accumulate => *c,
            Init::Bias(bias) => bias[j],
        };
        *c = (0..a.ncols()).fold(start, |sum, k| a[(i, k)].mul_add(b[(k, j)], sum));
    }
}

/// Numbers of mixed magnitude whose sums round at every step.
fn numbers(rows: usize, cols: usize, seed: u64) -> Array2<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    Array2::from_shape_simple_fn((rows, cols), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mantissa = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        mantissa * [1.0, 1e-3, 37.0, 0.25][(state >> 33) as usize % 4]
    })
}

/// Equal bits, except that a NaN equals any other.
fn assert_same(found: &Array2<f32>, expected: &Array2<f32>, what: &dyn Fn() -> String) {
    for (at, &e) in expected.indexed_iter() {
        let f = found[at];
        let same = f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan());
        assert!(same, "{} at {at:?}: found {f:e}, expected {e:e}", what());
    }
}

/// Plain and packed, at each level, from each start.
fn check_all(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) {
    let (m, n) = (a.nrows(), b.ncols());
    let c = numbers(m, n, 3);
    let bias = numbers(1, n, 4).into_raw_vec_and_offset().0;
    let packed = PackedB::pack(b).unwrap();
    assert_eq!(packed.dim(), b.dim());
    for init in [Init::Zero, Init::Accumulate, Init::Bias(&bias)] {
        let mut expected = c.clone();
        naive(a, b, init, &mut expected);
        for isa in Isa::available() {
            let what = || format!("{isa:?} {m}x{}x{n} {init:?}", a.ncols());
            let mut found = c.clone();
            gemm_at(isa, a, b, init, found.view_mut()).unwrap();
            assert_same(&found, &expected, &what);
            let mut found = c.clone();
            gemm_packed_at(isa, a, &packed, init, found.view_mut()).unwrap();
            assert_same(&found, &expected, &|| format!("packed {}", what()));
        }
    }
}

#[test]
fn every_edge_of_the_tiles() {
    for m in 0..=30 {
        for n in 0..=70 {
            let k = [0, 1, 2, 3, 7, 15, 16, 17, 31, 33][(m * 71 + n) % 10];
            check_all(numbers(m, k, 1).view(), numbers(k, n, 2).view());
        }
    }
}

#[test]
fn every_edge_of_the_blocks_of_k() {
    let depth = tile::DEPTH;
    for k in [
        depth - 1,
        depth,
        depth + 1,
        2 * depth - 1,
        2 * depth,
        2 * depth + 1,
        3 * depth + 5,
    ] {
        for (m, n) in [(1, 1), (5, 33), (15, 17), (29, 64)] {
            check_all(numbers(m, k, 1).view(), numbers(k, n, 2).view());
        }
    }
}

#[test]
fn every_edge_of_the_grid() {
    for (m, k, n) in [
        (513, 3, 257),
        (512, 5, 256),
        (1100, 2, 33),
        (3, 40, 1000),
        (128, 300, 100),
    ] {
        check_all(numbers(m, k, 1).view(), numbers(k, n, 2).view());
    }
}

#[test]
fn every_layout_of_the_operands() {
    for (m, k, n) in [
        (1, 1, 1),
        (1, 20, 3),
        (20, 1, 40),
        (13, 19, 1),
        (31, 45, 67),
        (29, 300, 40),
    ] {
        let wide = |rows, cols, seed| numbers(2 * rows + 1, 3 * cols + 2, seed);
        let (a, at) = (wide(m, k, 1), wide(k, m, 1));
        let (b, bt) = (wide(k, n, 2), wide(n, k, 2));
        let (a_row, a_column) = (a.slice(s![0, ..k]), a.slice(s![..m, 0]));
        let b_row = b.slice(s![0, ..n]);
        let of_a = [
            a.slice(s![..m, 1..k + 1]),
            a.slice(s![1..2 * m;2, ..3 * k;3]),
            a.slice(s![..m;-1, 1..k + 1]),
            a.slice(s![..m;-1, ..2 * k;-2]),
            at.slice(s![..k, 1..m + 1]).reversed_axes(),
            at.slice(s![..k;-1, 2..m + 2;-1]).reversed_axes(),
            a_row.broadcast((m, k)).unwrap(),
            a_column.broadcast((k, m)).unwrap().reversed_axes(),
        ];
        let of_b = [
            b.slice(s![..k, 1..n + 1]),
            b.slice(s![1..2 * k;2, ..3 * n;3]),
            b.slice(s![..k;-1, 1..n + 1]),
            bt.slice(s![..n, 1..k + 1]).reversed_axes(),
            bt.slice(s![..n;-1, 2..k + 2]).reversed_axes(),
            bt.slice(s![..n;-1, ..2 * k;2]).reversed_axes(),
            b_row.broadcast((k, n)).unwrap(),
        ];
        for a in &of_a {
            for b in &of_b {
                check_all(*a, *b);
            }
        }
    }
}

#[test]
fn the_same_bits_on_every_number_of_threads() {
    for (m, k, n) in [
        (128, 784, 300),
        (600, 128, 300),
        (1, 1200, 1200),
        (140, 257, 129),
    ] {
        let (a, w) = (numbers(m, k, 1), numbers(n, k, 2));
        let packed = PackedB::pack(w.t()).unwrap();
        let mut expected = numbers(m, n, 3);
        gemm_at(
            Isa::Scalar,
            a.view(),
            w.t(),
            Init::Accumulate,
            expected.view_mut(),
        )
        .unwrap();
        for threads in 1..=3 {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            for isa in Isa::available() {
                let what = || format!("{isa:?} {m}x{k}x{n} on {threads} threads");
                let init = Init::Accumulate;
                let (mut plain, mut prepacked) = (numbers(m, n, 3), numbers(m, n, 3));
                pool.install(|| {
                    gemm_at(isa, a.view(), w.t(), init, plain.view_mut()).unwrap();
                    gemm_packed_at(isa, a.view(), &packed, init, prepacked.view_mut()).unwrap();
                });
                assert_same(&plain, &expected, &what);
                assert_same(&prepacked, &expected, &what);
            }
        }
    }
}

#[test]
fn many_callers_at_once() {
    let (a, w) = (numbers(128, 300, 1), numbers(100, 300, 2));
    let mut expected = Array2::zeros((128, 100));
    naive(a.view(), w.t(), Init::Zero, &mut expected);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut found = Array2::zeros((128, 100));
                    gemm(a.view(), w.t(), Init::Zero, found.view_mut()).unwrap();
                    assert_same(&found, &expected, &|| "concurrent".into());
                }
            });
        }
    });
}

#[test]
fn extreme_values() {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-45,
        -1e-45,
        1e-40,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::EPSILON,
        16_777_217.0,
        3e38,
    ];
    // Most rows and columns stay free of NaN for a few steps only if few values are special.
    for rarity in [1, 8, 40] {
        let fill = |rows, cols, seed: u64| {
            let mut x = numbers(rows, cols, seed);
            x.iter_mut().enumerate().for_each(|(i, x)| {
                let hash = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed) >> 32;
                if hash.is_multiple_of(rarity) {
                    *x = special[(hash / rarity) as usize % special.len()];
                }
            });
            x
        };
        for (m, k, n) in [(15, 1, 33), (15, 4, 47), (29, 40, 70)] {
            check_all(fill(m, k, 1).view(), fill(k, n, 2).view());
            check_all(fill(k, m, 1).t(), fill(n, k, 2).t());
        }
    }
}

#[test]
fn minus_zero_is_not_lost() {
    // A chain that starts from -0.0 keeps it; one from 0.0 does not. Padding must not show.
    let (a, b) = (
        Array2::from_elem((3, 2), 0.0),
        Array2::from_elem((2, 5), -0.0),
    );
    for isa in Isa::available() {
        for (bias, expected) in [([-0.0; 5], -0.0f32), ([0.0; 5], 0.0)] {
            let mut c = Array2::from_elem((3, 5), 7.0);
            gemm_at(isa, a.view(), b.view(), Init::Bias(&bias), c.view_mut()).unwrap();
            assert!(
                c.iter().all(|c| c.to_bits() == expected.to_bits()),
                "{isa:?}"
            );
        }
    }
}

#[test]
fn a_product_over_nothing_is_its_start() {
    for isa in Isa::available() {
        let (a, b) = (Array2::zeros((40, 0)), Array2::zeros((0, 35)));
        let mut c = Array2::from_elem((40, 35), f32::NAN);
        gemm_at(isa, a.view(), b.view(), Init::Zero, c.view_mut()).unwrap();
        assert!(c.iter().all(|c| c.to_bits() == 0));
        gemm_at(
            isa,
            a.view(),
            b.view(),
            Init::Bias(&[2.5; 35]),
            c.view_mut(),
        )
        .unwrap();
        assert!(c.iter().all(|&c| c == 2.5));
        gemm_at(isa, a.view(), b.view(), Init::Accumulate, c.view_mut()).unwrap();
        assert!(c.iter().all(|&c| c == 2.5));
    }
}

#[test]
fn a_part_of_a_larger_c_leaves_the_rest() {
    let (a, b) = (numbers(20, 9, 1), numbers(9, 21, 2));
    for isa in Isa::available() {
        let mut c = Array2::from_elem((60, 21), 7.0);
        let part = c.slice_mut(s![20..40, ..]);
        gemm_at(isa, a.view(), b.view(), Init::Zero, part).unwrap();
        assert!(c.slice(s![..20, ..]).iter().all(|&c| c == 7.0));
        assert!(c.slice(s![40.., ..]).iter().all(|&c| c == 7.0));
    }
}

#[test]
fn wrong_shapes_are_refused_before_anything_is_written() {
    let (a, b) = (numbers(4, 3, 1), numbers(3, 5, 2));
    let refused =
        |a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, init: Init<'_>, mut c: Array2<f32>| {
            c.fill(7.0);
            assert!(gemm(a, b, init, c.view_mut()).is_err());
            assert!(gemm_packed(a, &PackedB::pack(b).unwrap(), init, c.view_mut()).is_err());
            assert!(c.iter().all(|&c| c == 7.0));
        };
    refused(a.t(), b.view(), Init::Zero, Array2::zeros((4, 5)));
    refused(a.view(), b.t(), Init::Zero, Array2::zeros((4, 5)));
    refused(a.view(), b.view(), Init::Zero, Array2::zeros((5, 4)));
    refused(
        a.view(),
        b.view(),
        Init::Zero,
        Array2::zeros((5, 4)).reversed_axes(),
    );
    refused(
        a.view(),
        b.view(),
        Init::Bias(&[1.0; 4]),
        Array2::zeros((4, 5)),
    );
    refused(
        a.view(),
        b.view(),
        Init::Bias(&[1.0; 6]),
        Array2::zeros((4, 5)),
    );
}

#[test]
fn a_level_that_the_machine_lacks_is_refused() {
    let (a, b) = (numbers(4, 3, 1), numbers(3, 5, 2));
    for isa in Isa::ALL {
        let mut c = Array2::zeros((4, 5));
        let result = gemm_at(isa, a.view(), b.view(), Init::Zero, c.view_mut());
        assert_eq!(result.is_ok(), isa.is_available());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape(m in 0usize..90, k in 0usize..600, n in 0usize..150, seed: u64, form in 0..4) {
        let a = if form % 2 == 0 { numbers(m, k, seed) } else { numbers(k, m, seed).reversed_axes() };
        let b = if form < 2 { numbers(k, n, !seed) } else { numbers(n, k, !seed).reversed_axes() };
        let mut expected = Array2::zeros((m, n));
        naive(a.view(), b.view(), Init::Zero, &mut expected);
        let packed = PackedB::pack(b.view()).unwrap();
        for isa in Isa::available() {
            let what = || format!("{isa:?} {m}x{k}x{n}, form {form}");
            let mut found = Array2::zeros((m, n));
            gemm_at(isa, a.view(), b.view(), Init::Zero, found.view_mut()).unwrap();
            assert_same(&found, &expected, &what);
            gemm_packed_at(isa, a.view(), &packed, Init::Zero, found.view_mut()).unwrap();
            assert_same(&found, &expected, &what);
        }
    }
}
