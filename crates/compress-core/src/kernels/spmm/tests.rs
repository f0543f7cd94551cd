//! Every level, layout and form of the product against the definition.

use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;

use super::*;

/// A matrix as the caller has it.
#[derive(Clone, Debug)]
struct Dense {
    n: usize,
    k: usize,
    mask: Vec<bool>,
    values: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

/// What values are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    F32,
    I8,
    Whole,
}

/// Numbers of mixed magnitude whose sums round at every step.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mantissa = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        mantissa * [1.0, 1e-3, 37.0, 0.25][(state >> 33) as usize % 4]
    };
    (0..count).map(|_| next()).collect()
}

impl Dense {
    /// Each element kept with a probability of `density`, at most two of each four.
    fn random(n: usize, k: usize, density: f32, seed: u64) -> Self {
        let chance = numbers(n * k, seed ^ 0xabcd);
        let mut mask: Vec<bool> = chance
            .iter()
            .map(|c| (c * 1e4).abs().fract() < density)
            .collect();
        for row in mask.chunks_mut(k.max(1)) {
            for group in row.chunks_mut(4) {
                let mut left = 2;
                for kept in group.iter_mut() {
                    *kept &= left > 0;
                    left -= usize::from(*kept);
                }
            }
        }
        let zero = |kept: bool, v: f32| if kept { v } else { 0.0 };
        let values = numbers(n * k, seed);
        let values: Vec<f32> = mask.iter().zip(values).map(|(m, v)| zero(*m, v)).collect();
        let codes = values
            .iter()
            .map(|v| (*v * 1000.0) as i8 | i8::from(*v != 0.0));
        Dense {
            n,
            k,
            codes: codes.collect(),
            mask,
            values,
            scales: numbers(n, seed + 1),
        }
    }

    /// What a layout stores: what is kept, and what it adds.
    fn stored(&self, layout: Layout) -> Vec<bool> {
        let (n, k) = (self.n, self.k);
        let mut stored = self.mask.clone();
        match layout {
            Layout::Csr | Layout::Bitmask => {}
            Layout::Blocks => {
                for row in 0..n {
                    for column in 0..k {
                        let block = row / 16 * 16..n.min(row / 16 * 16 + 16);
                        let any = block.into_iter().any(|r| self.mask[r * k + column]);
                        stored[row * k + column] = any;
                    }
                }
            }
            Layout::TwoOfFour => {
                for group in stored.chunks_mut(4) {
                    for place in 0..4 {
                        if group.iter().filter(|s| **s).count() < 2 {
                            group[place] = true;
                        }
                    }
                }
            }
        }
        stored
    }

    /// The definition, for X `[k, batch]`.
    fn product(
        &self,
        layout: Layout,
        kind: Kind,
        x: ArrayView2<'_, f32>,
        epilogue: Epilogue<'_>,
    ) -> Array2<f32> {
        let stored = self.stored(layout);
        Array2::from_shape_fn((self.n, x.ncols()), |(row, b)| {
            let bias = epilogue.bias.map_or(0.0, |bias| bias[row]);
            let mut sum = if kind == Kind::I8 { 0.0 } else { bias };
            for column in 0..self.k {
                let i = row * self.k + column;
                if stored[i] {
                    let w = match kind {
                        Kind::F32 => self.values[i],
                        Kind::I8 | Kind::Whole => self.codes[i].into(),
                    };
                    sum = w.mul_add(x[(column, b)], sum);
                }
            }
            if kind == Kind::I8 {
                sum = self.scales[row].mul_add(sum, bias);
            }
            if epilogue.relu && sum <= 0.0 {
                0.0
            } else {
                sum
            }
        })
    }

    fn sparse(&self, layout: Layout, kind: Kind) -> Sparse {
        let values = self.values(kind);
        Sparse::from_dense(layout, self.n, self.k, values).unwrap()
    }

    fn values(&self, kind: Kind) -> Values<'_> {
        match kind {
            Kind::F32 => Values::F32(&self.values),
            Kind::I8 => Values::I8 {
                codes: &self.codes,
                scales: &self.scales,
            },
            Kind::Whole => Values::Whole(&self.codes),
        }
    }
}

/// Equal bits, except that a NaN equals any other.
fn assert_same(found: &Array2<f32>, expected: ArrayView2<'_, f32>, what: &dyn Fn() -> String) {
    for (at, &e) in expected.indexed_iter() {
        let f = found[at];
        let same = f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan());
        assert!(same, "{} at {at:?}: found {f:e}, expected {e:e}", what());
    }
}

/// Every layout, all kinds of values, both forms, every level, and every epilogue in turn.
fn check_all(dense: &Dense, x: ArrayView2<'_, f32>) {
    let bias = numbers(dense.n, 77);
    let (n, batch) = (dense.n, x.ncols());
    let turned = x.t().as_standard_layout().into_owned();
    for layout in Layout::ALL {
        if layout == Layout::TwoOfFour && !dense.k.is_multiple_of(4) {
            continue;
        }
        for (kind, with_bias, relu) in [
            (Kind::F32, true, false),
            (Kind::F32, false, true),
            (Kind::I8, true, true),
            (Kind::I8, false, false),
            (Kind::Whole, true, true),
        ] {
            let w = dense.sparse(layout, kind);
            let epilogue = Epilogue {
                bias: with_bias.then_some(&bias[..]),
                relu,
            };
            let expected = dense.product(layout, kind, x, epilogue);
            for isa in Isa::available() {
                let what = || {
                    let k = dense.k;
                    format!("{isa:?} {layout:?} {kind:?} {n}x{k}x{batch} {with_bias} {relu}")
                };
                let mut y = Array2::from_elem((n, batch), 9.0);
                spmm_at(isa, &w, x, epilogue, y.view_mut()).unwrap();
                assert_same(&y, expected.view(), &what);
                let mut y = Array2::from_elem((batch, n), 9.0);
                spmm_rows_at(isa, &w, turned.view(), epilogue, y.view_mut()).unwrap();
                assert_same(&y, expected.t(), &|| format!("rows {}", what()));
            }
        }
    }
}

fn input(k: usize, batch: usize) -> Array2<f32> {
    Array2::from_shape_vec((k, batch), numbers(k * batch, 5)).unwrap()
}

#[test]
fn every_edge_of_slices_blocks_and_windows() {
    for n in (0..=36).chain([63, 64, 65, 127, 128, 129, 200]) {
        let k = [0, 1, 3, 4, 8, 20, 33, 64, 65, 128][n % 10];
        let density = [0.1, 0.5, 1.0, 0.0, 0.02][n % 5];
        let batch = [1, 2, 4, 7, 33][n % 5];
        let dense = Dense::random(n, k, density, n as u64);
        check_all(&dense, input(k, batch).view());
        let dense = Dense::random(n, 40, 0.3, n as u64);
        check_all(&dense, input(40, batch).view());
    }
}

#[test]
fn every_edge_of_panels_and_groups() {
    let dense = Dense::random(70, 36, 0.3, 3);
    // Groups of 2 of 4 change their way at 16, the other layouts at 4.
    for batch in (0..=36).chain([47, 48, 49, 63, 64, 65, 127, 128, 129, 130, 161, 257]) {
        check_all(&dense, input(36, batch).view());
    }
}

#[test]
fn rows_of_very_different_length() {
    let mut dense = Dense::random(130, 64, 1.0, 4);
    for (row, kept) in dense.mask.chunks_mut(64).enumerate() {
        for (column, kept) in kept.iter_mut().enumerate() {
            *kept &= column < row % 65;
            if !*kept {
                dense.values[row * 64 + column] = 0.0;
                dense.codes[row * 64 + column] = 0;
            }
        }
    }
    for batch in [1, 5, 40] {
        check_all(&dense, input(64, batch).view());
    }
}

#[test]
fn large_enough_for_threads_and_for_columns_of_32_bits() {
    let dense = Dense::random(300, 784, 0.1, 6);
    for batch in [1, 48, 200] {
        check_all(&dense, input(784, batch).view());
    }
    let k = (1 << 16) + 4;
    let dense = Dense::random(20, k, 0.01, 6);
    check_all(&dense, input(k, 5).view());
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let dense = Dense::random(513, 400, 0.2, 8);
    let x = input(400, 150);
    for layout in Layout::ALL {
        let w = dense.sparse(layout, Kind::F32);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let mut y = Array2::zeros((513, 150));
            pool.unwrap()
                .install(|| spmm(&w, x.view(), Epilogue::default(), y.view_mut()))
                .unwrap();
            y
        };
        assert_same(&run(1), run(2).view(), &|| format!("{layout:?}"));
    }
}

#[test]
fn what_is_skipped_does_not_meet_what_is_not_finite() {
    // A zero that is stored makes NaN of an infinity; one that is skipped does not.
    let mut dense = Dense::random(20, 8, 0.0, 1);
    dense.mask[3] = true;
    dense.values[3] = 2.0;
    dense.codes[3] = 2;
    let mut x = input(8, 6);
    x.row_mut(5).fill(f32::INFINITY);
    x[(3, 1)] = f32::NAN;
    x[(3, 2)] = f32::NEG_INFINITY;
    x[(3, 3)] = -0.0;
    x[(3, 4)] = 1e-45;
    x[(3, 5)] = f32::MAX;
    check_all(&dense, x.view());
    let w = dense.sparse(Layout::Csr, Kind::F32);
    let mut y = Array2::zeros((20, 6));
    spmm(&w, x.view(), Epilogue::default(), y.view_mut()).unwrap();
    assert!(y.row(1).iter().all(|v| *v == 0.0));
}

#[test]
fn masks_keep_zeros() {
    let mask = [true, false, false, true, true, false, false, false];
    let w = Sparse::from_mask(Layout::Csr, 2, 4, &mask, Values::F32(&[0.0, 3.0, -1.0])).unwrap();
    assert_eq!((w.kept(), w.dim(), w.density()), (3, (2, 4), 0.375));
    assert_eq!(w.to_dense(), [0.0, 0.0, 0.0, 3.0, -1.0, 0.0, 0.0, 0.0]);
    let x = ndarray::array![[f32::INFINITY], [1.0], [1.0], [1.0]];
    let mut y = Array2::zeros((2, 1));
    spmm(&w, x.view(), Epilogue::default(), y.view_mut()).unwrap();
    assert!(y[(0, 0)].is_nan() && y[(1, 0)] == f32::NEG_INFINITY);
}

#[test]
fn refuses_what_does_not_fit() {
    let values = [1.0; 8];
    for layout in Layout::ALL {
        assert!(Sparse::from_dense(layout, 2, 5, Values::F32(&values)).is_err());
        assert!(Sparse::from_dense(layout, usize::MAX, 8, Values::F32(&values)).is_err());
        let scales = [1.0];
        let codes = [1; 8];
        let (codes, scales) = (&codes[..], &scales[..]);
        assert!(Sparse::from_dense(layout, 2, 4, Values::I8 { codes, scales }).is_err());
        let mask = [true; 7];
        assert!(Sparse::from_mask(layout, 2, 4, &mask, Values::F32(&values[..7])).is_err());
    }
    let error = Sparse::from_dense(Layout::TwoOfFour, 2, 4, Values::F32(&values)).unwrap_err();
    assert!(error.to_string().contains("group 0 of row 0"), "{error}");
    assert!(Sparse::from_dense(Layout::TwoOfFour, 1, 6, Values::F32(&[0.0; 6])).is_err());

    let w = Sparse::from_dense(Layout::Csr, 2, 4, Values::F32(&values)).unwrap();
    let x = Array2::zeros((4, 3));
    let mut y = Array2::zeros((2, 3));
    let none = Epilogue::default();
    assert!(spmm(&w, x.t(), none, y.view_mut()).is_err());
    assert!(spmm_rows(&w, x.t(), none, y.view_mut()).is_err());
    assert!(spmm_rows(&w, x.view(), none, y.view_mut()).is_err());
    let bias = Some(&[1.0][..]);
    assert!(spmm(&w, x.view(), Epilogue { bias, relu: false }, y.view_mut()).is_err());
    let strided = Array2::zeros((3, 4));
    assert!(spmm(&w, strided.t(), none, y.view_mut()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_shape(n in 0usize..150, k in 0usize..90, batch in 0usize..70, d in 0.0f32..1.0, seed: u32) {
        let dense = Dense::random(n, k, d, seed.into());
        check_all(&dense, input(k, batch).view());
    }

    #[test]
    fn to_dense_gives_back_what_was_built(n in 0usize..70, k in 0usize..40, d in 0.0f32..1.0, seed: u32) {
        let k = k * 4;
        let dense = Dense::random(n, k, d, seed.into());
        let kept = dense.mask.iter().filter(|m| **m).count();
        for layout in Layout::ALL {
            let w = dense.sparse(layout, Kind::F32);
            prop_assert_eq!(&w.to_dense(), &dense.values);
            prop_assert_eq!((w.dim(), w.layout()), ((n, k), layout));
            let values: Vec<f32> = dense.values.iter().copied().filter(|v| *v != 0.0).collect();
            if values.len() == kept {
                prop_assert_eq!(w.kept(), kept);
                let same = Sparse::from_mask(layout, n, k, &dense.mask, Values::F32(&values)).unwrap();
                prop_assert_eq!(&same.to_dense(), &dense.values);
            }
            let scaled: Vec<f32> = (0..n * k)
                .map(|i| f32::from(dense.codes[i]) * dense.scales[i / k])
                .collect();
            prop_assert_eq!(&dense.sparse(layout, Kind::I8).to_dense(), &scaled);
        }
    }
}
