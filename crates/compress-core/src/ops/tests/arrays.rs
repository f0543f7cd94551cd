//! Operations against their formulas, and their boundaries.

use ndarray::{Array2, ArrayView2, array, s};

use super::{assert_same, mixed};
use crate::ops::{elementwise, rows, softmax, vector};

fn softmax64(row: &[f32], temperature: f64) -> Vec<f64> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = row
        .iter()
        .map(|&x| ((f64::from(x) - f64::from(max)) / temperature).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

fn logits(rows: usize, classes: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, classes), |(i, j)| {
        ((i * 7919 + j * 104_729) % 2003) as f32 * 0.02 - 20.0
    })
}

#[test]
fn softmax_and_its_logarithm_agree_with_f64() {
    for (rows, classes) in [(1, 1), (3, 2), (128, 10), (5, 1000), (2, 70_000)] {
        for temperature in [1.0, 0.5, 20.0] {
            let x = logits(rows, classes);
            let (mut p, mut l) = (x.clone(), x.clone());
            softmax::softmax(x.view(), temperature, p.view_mut()).unwrap();
            softmax::log_softmax(x.view(), temperature, l.view_mut()).unwrap();
            for i in 0..rows {
                let row = x.row(i);
                let exact = softmax64(row.as_slice().unwrap(), f64::from(temperature));
                for (j, exact) in exact.into_iter().enumerate() {
                    let error = (f64::from(p[(i, j)]) - exact).abs();
                    assert!(error <= 1e-5 * exact + 1e-40, "{error} of {exact}");
                    let log = exact.ln();
                    let error = (f64::from(l[(i, j)]) - log).abs();
                    assert!(error <= 1e-6 * (1.0 + log.abs()), "{error} of {log}");
                }
            }
        }
    }
}

#[test]
fn softmax_reads_and_writes_strided_arrays() {
    let x = logits(12, 14);
    let strided = x.slice(s![..;3, 1..;2]);
    let dense = strided.as_standard_layout().into_owned();
    let mut expected = dense.clone();
    softmax::softmax(dense.view(), 2.0, expected.view_mut()).unwrap();
    let mut out = Array2::from_elem((8, 21), 9.0);
    softmax::softmax(strided, 2.0, out.slice_mut(s![..;2, ..;3])).unwrap();
    assert_eq!(out.slice(s![..;2, ..;3]), expected);
    assert_eq!(out[(1, 0)], 9.0);
}

#[test]
fn softmax_of_what_has_none_is_nan() {
    let inf = f32::INFINITY;
    let x = array![
        [1.0, f32::NAN, 2.0],
        [inf, 0.0, 1.0],
        [-inf, -inf, -inf],
        [0.0, -inf, 0.0]
    ];
    let (mut p, mut l) = (x.clone(), x.clone());
    softmax::softmax(x.view(), 1.0, p.view_mut()).unwrap();
    softmax::log_softmax(x.view(), 1.0, l.view_mut()).unwrap();
    assert!(p.slice(s![..3, ..]).iter().all(|v| v.is_nan()));
    assert!(l.slice(s![..3, ..]).iter().all(|v| v.is_nan()));
    assert_eq!(p.row(3).to_vec(), [0.5, 0.0, 0.5]);
    assert_eq!(l[(3, 1)], -inf);
}

#[test]
fn softmax_refuses_temperatures_and_shapes() {
    let x = logits(2, 3);
    let mut out = x.clone();
    for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(softmax::softmax(x.view(), temperature, out.view_mut()).is_err());
    }
    let short = out.slice_mut(s![.., ..2]);
    assert!(softmax::log_softmax(x.view(), 1.0, short).is_err());
    let (empty, mut none) = (Array2::zeros((4, 0)), Array2::zeros((4, 0)));
    softmax::softmax(empty.view(), 1.0, none.view_mut()).unwrap();
}

#[test]
fn activations_follow_their_formulas() {
    let mut x = [-1.0, -0.0, 0.0, 2.0, f32::NAN, f32::NEG_INFINITY];
    elementwise::relu(&mut x).unwrap();
    assert_same("relu", &[0.0, 0.0, 0.0, 2.0, f32::NAN, 0.0], &x);
    let mut g = [1.0, -2.0, 3.0];
    elementwise::relu_backward(&[0.0, 0.5, -1.0], &mut g).unwrap();
    assert_eq!(g, [0.0, -2.0, 0.0]);
    let mut g = [2.0, 2.0, 2.0];
    elementwise::tanh_backward(&[0.0, 0.5, -1.0], &mut g).unwrap();
    assert_eq!(g, [2.0, 1.5, 0.0]);
    let mut g = vec![2.0; 100_000];
    elementwise::gelu_backward(&vec![0.0; 100_000], &mut g).unwrap();
    assert!(g.iter().all(|&g| g == 1.0));
}

#[test]
fn lengths_that_differ_are_refused() {
    let (mut two, three) = ([1.0; 2], [1.0; 3]);
    assert!(elementwise::relu_backward(&three, &mut two).is_err());
    assert!(elementwise::tanh_backward(&three, &mut two).is_err());
    assert!(elementwise::gelu_backward(&three, &mut two).is_err());
    assert!(vector::axpy(1.0, &three, &mut two).is_err());
    assert!(vector::zero_where(&mut two, &[true]).is_err());
    let matrix = ArrayView2::from_shape((1, 3), &three).unwrap();
    assert!(rows::column_sums(matrix, &mut two).is_err());
}

#[test]
fn zero_where_leaves_what_is_kept() {
    let values = mixed(1000, 9);
    let keep: Vec<bool> = (0..1000).map(|i| i % 3 == 0).collect();
    let mut found = values.clone();
    vector::zero_where(&mut found, &keep).unwrap();
    for i in 0..1000 {
        let expected = if keep[i] { values[i].to_bits() } else { 0 };
        assert_eq!(found[i].to_bits(), expected);
    }
}

#[test]
fn columns_are_summed_in_the_order_of_the_rows() {
    // In any other order the small value survives or the large ones do not cancel.
    let matrix = array![[1e8, 1.0], [1.0, 2.0], [-1e8, 3.0]];
    let mut out = [7.0, 7.0];
    rows::column_sums(matrix.view(), &mut out).unwrap();
    assert_eq!(out, [0.0, 6.0]);
    let transposed = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let mut out = [0.0; 2];
    rows::column_sums(transposed.t(), &mut out).unwrap();
    assert_eq!(out, [6.0, 15.0]);
    let mut squares = [1.0, 0.0];
    rows::add_column_squares(transposed.t(), &mut squares).unwrap();
    assert_eq!(squares, [15.0, 77.0]);
    let mut values = [1.0, 2.0, 3.0, 4.0];
    vector::axpy(2.0, &[1.0; 4], &mut values).unwrap();
    vector::scale(0.5, &mut values).unwrap();
    assert_eq!(values, [1.5, 2.0, 2.5, 3.0]);
}

#[test]
fn a_column_whose_sum_leaves_f32_on_the_way_is_summed_in_f64() {
    let matrix = array![[3e38, 1.0], [3e38, f32::INFINITY], [-3e38, 2.0]];
    let mut out = [0.0; 2];
    rows::column_sums(matrix.view(), &mut out).unwrap();
    assert_eq!(out, [3e38, f32::INFINITY]);
}
