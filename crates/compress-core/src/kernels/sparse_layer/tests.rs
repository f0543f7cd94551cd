//! Every level against dense arithmetic written out.

use ndarray::Array2;
use proptest::prelude::*;

use super::*;
use crate::rng;

fn random(rows: usize, cols: usize, seed: u64) -> Array2<f32> {
    let mut values = vec![0.0; rows * cols];
    rng::fill_uniform(
        &mut rng::stream(seed, "sparse_layer"),
        -1.0,
        1.0,
        &mut values,
    )
    .unwrap();
    Array2::from_shape_vec((rows, cols), values).unwrap()
}

fn marks(n: usize, k: usize, density: f64, seed: u64) -> Vec<bool> {
    let draws = random(n.max(1), k.max(1), seed + 77);
    let mut marks: Vec<bool> = draws
        .iter()
        .map(|&x| f64::from(x) * 0.5 + 0.5 < density)
        .collect();
    marks.truncate(n * k);
    marks
}

/// The sum over the samples as the module says.
fn in_lanes(dy: &[f32], x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (i, (&dy, &x)) in dy.iter().zip(x).enumerate() {
        lanes[i % LANES] = dy.mul_add(x, lanes[i % LANES]);
    }
    let mut half = LANES / 2;
    while half > 0 {
        (0..half).for_each(|lane| lanes[lane] += lanes[lane + half]);
        half /= 2;
    }
    lanes[0]
}

fn check(n: usize, k: usize, batch: usize, density: f64, seed: u64) {
    let marks = marks(n, k, density, seed);
    let live = Live::new(n, k, &marks).unwrap();
    let positions: Vec<usize> = live.positions().collect();
    let expected: Vec<usize> = (0..n * k).filter(|&at| marks[at]).collect();
    assert_eq!(positions, expected);
    assert_eq!(live.len(), positions.len());
    let dense = random(n.max(1), k.max(1), seed);
    let dense = dense.as_slice().unwrap();
    let values: Vec<f32> = positions.iter().map(|&at| dense[at]).collect();
    let (x, dy) = (random(k, batch, seed + 1), random(n, batch, seed + 2));
    let bias: Vec<f32> = (0..n).map(|j| j as f32 * 0.25 - 1.0).collect();
    for isa in Isa::available() {
        let what = format!("{isa:?} {n}x{k}, {batch} samples, {density}");
        let mut y = Array2::from_elem((n, batch), f32::NAN);
        forward_at(isa, &live, &values, &bias, x.view(), y.view_mut()).unwrap();
        let expected = Array2::from_shape_fn((n, batch), |(j, b)| {
            let columns = (0..k).filter(|i| marks[j * k + i]);
            columns.fold(bias[j], |sum, i| dense[j * k + i].mul_add(x[(i, b)], sum))
        });
        assert_eq!(y, expected, "{what}");

        let mut dx = Array2::from_elem((k, batch), f32::NAN);
        backward_inputs_at(isa, &live, &values, dy.view(), dx.view_mut()).unwrap();
        let expected = Array2::from_shape_fn((k, batch), |(i, b)| {
            let rows = (0..n).filter(|j| marks[j * k + i]);
            rows.fold(0.0, |sum, j| dense[j * k + i].mul_add(dy[(j, b)], sum))
        });
        assert_eq!(dx, expected, "{what}");

        let mut dw = vec![f32::NAN; live.len()];
        backward_weights_at(isa, &live, dy.view(), x.view(), &mut dw).unwrap();
        let row = |m: &Array2<f32>, i| m.row(i).to_vec();
        let expected: Vec<f32> = positions
            .iter()
            .map(|at| in_lanes(&row(&dy, at / k), &row(&x, at % k)))
            .collect();
        assert_eq!(dw, expected, "{what}");
    }
}

#[test]
fn every_edge_of_the_blocks() {
    for batch in [0, 1, 31, 63, 64, 65, 127, 128, 200, 256] {
        for (n, k) in [(1, 1), (7, 9), (8, 3), (9, 40), (17, 16)] {
            check(n, k, batch, 0.3, 1);
        }
    }
}

#[test]
fn no_weight_all_weights_and_no_rows() {
    for density in [0.0, 1.1] {
        check(5, 6, 70, density, 2);
    }
    check(0, 5, 64, 0.5, 3);
    check(5, 0, 64, 0.5, 3);
}

#[test]
fn threads_do_not_matter() {
    let (n, k, batch) = (100, 300, 256);
    let live = Live::new(n, k, &marks(n, k, 0.1, 4)).unwrap();
    let values = random(1, live.len(), 4).into_raw_vec_and_offset().0;
    let (x, dy) = (random(k, batch, 5), random(n, batch, 6));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let mut y = Array2::zeros((n, batch));
            let mut dx = Array2::zeros((k, batch));
            let mut dw = vec![0.0; live.len()];
            let bias = vec![0.5; n];
            forward(&live, &values, &bias, x.view(), y.view_mut()).unwrap();
            backward_inputs(&live, &values, dy.view(), dx.view_mut()).unwrap();
            backward_weights(&live, dy.view(), x.view(), &mut dw).unwrap();
            (y, dx, dw)
        })
    };
    let one = run(1);
    assert!((2..=3).all(|threads| run(threads) == one));
}

/// The gradients against differences of `Σ y·dy`.
#[test]
fn gradients_are_those_of_the_forward_pass() {
    let (n, k, batch) = (6, 10, 20);
    let live = Live::new(n, k, &marks(n, k, 0.4, 7)).unwrap();
    let values = random(1, live.len(), 7).into_raw_vec_and_offset().0;
    let (x, dy) = (random(k, batch, 8), random(n, batch, 9));
    let objective = |values: &[f32], x: &Array2<f32>| -> f64 {
        let mut y = Array2::zeros((n, batch));
        forward(&live, values, &vec![0.0; n], x.view(), y.view_mut()).unwrap();
        let terms = y.iter().zip(&dy);
        terms.map(|(&y, &dy)| f64::from(y) * f64::from(dy)).sum()
    };
    let mut dw = vec![0.0; live.len()];
    backward_weights(&live, dy.view(), x.view(), &mut dw).unwrap();
    let mut dx = Array2::zeros((k, batch));
    backward_inputs(&live, &values, dy.view(), dx.view_mut()).unwrap();
    // The objective is linear in both, so a whole step is exact but for rounding.
    let before = objective(&values, &x);
    for (i, &slope) in dw.iter().enumerate() {
        let mut moved = values.clone();
        moved[i] += 1.0;
        let found = objective(&moved, &x) - before;
        assert!((found - f64::from(slope)).abs() < 1e-4, "weight {i}");
    }
    for ((i, b), &slope) in dx.indexed_iter() {
        let mut moved = x.clone();
        moved[(i, b)] += 1.0;
        let found = objective(&values, &moved) - before;
        assert!((found - f64::from(slope)).abs() < 1e-4, "input {i}, {b}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(Live::new(2, 3, &[true; 5]).is_err());
    let live = Live::new(2, 3, &[true; 6]).unwrap();
    let (x, mut y) = (random(3, 4, 1), Array2::zeros((2, 4)));
    let values = [1.0; 6];
    let bias = [0.0; 2];
    assert!(forward(&live, &values[..5], &bias, x.view(), y.view_mut()).is_err());
    assert!(forward(&live, &values, &bias[..1], x.view(), y.view_mut()).is_err());
    assert!(forward(&live, &values, &bias, x.t(), y.view_mut()).is_err());
    let strided = random(4, 3, 1);
    assert!(forward(&live, &values, &bias, strided.t(), y.view_mut()).is_err());
    let mut wide = Array2::zeros((3, 5));
    assert!(backward_inputs(&live, &values, y.view(), wide.view_mut()).is_err());
    assert!(backward_weights(&live, y.view(), x.view(), &mut [0.0; 5]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape(
        n in 0usize..20, k in 0usize..30, batch in 0usize..150, density in 0.0f64..1.0,
        seed in 0u64..1000,
    ) {
        check(n, k, batch, density, seed);
    }
}

#[test]
fn what_is_live_is_what_was_marked() {
    for (n, k, density) in [
        (9, 14, 0.2),
        (9, 14, 1.1),
        (9, 14, 0.0),
        (1, 5, 0.5),
        (4, 0, 0.5),
    ] {
        let marks = marks(n, k, density, 11);
        let live = Live::new(n, k, &marks).unwrap();
        let expected: Vec<usize> = (0..n * k).filter(|&i| marks[i]).collect();
        assert!(live.positions().eq(expected));
        let used = |c: &u32| (0..n).any(|row| marks[row * k + *c as usize]);
        assert!(live.live_columns().eq((0..k as u32).filter(used)));
        let mut values = vec![f32::NAN; n * k];
        live.zero_dead(&mut values);
        for (value, live) in values.iter().zip(&marks) {
            assert!(if *live {
                value.is_nan()
            } else {
                value.to_bits() == 0
            });
        }
    }
}
