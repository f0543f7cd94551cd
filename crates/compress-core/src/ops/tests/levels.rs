//! Every level gives the bits of the scalar one.

use super::{LENGTHS, assert_same, mixed, sweep};
use crate::isa::Isa;
use crate::ops::{elementwise, rows, softmax, vector};

/// Runs `f` at every level over `x` and compares with the scalar level.
fn same_on_all_levels(what: &str, x: &[f32], f: impl Fn(Isa, &mut [f32])) {
    let mut expected = x.to_vec();
    f(Isa::Scalar, &mut expected);
    for isa in Isa::available() {
        let mut found = x.to_vec();
        f(isa, &mut found);
        assert_same(&format!("{what} at {}", isa.name()), &expected, &found);
    }
}

#[test]
fn elementary_functions_over_the_whole_range() {
    let x = sweep();
    same_on_all_levels("exp", &x, elementwise::exp_at);
    same_on_all_levels("ln", &x, elementwise::ln_at);
    same_on_all_levels("tanh", &x, elementwise::tanh_at);
    same_on_all_levels("gelu", &x, elementwise::gelu_at);
}

#[test]
fn one_value_is_as_a_slice() {
    use crate::ops::scalar;
    let x = mixed(1000, 5);
    type Pair = (fn(f32) -> f32, fn(Isa, &mut [f32]));
    let functions: [Pair; 4] = [
        (scalar::exp, elementwise::exp_at),
        (scalar::ln, elementwise::ln_at),
        (scalar::tanh, elementwise::tanh_at),
        (scalar::gelu, elementwise::gelu_at),
    ];
    for (one, many) in functions {
        let expected: Vec<f32> = x.iter().map(|&x| one(x)).collect();
        let mut found = x.clone();
        many(Isa::active().unwrap(), &mut found);
        assert_same("a function", &expected, &found);
    }
}

#[test]
fn activations_at_every_length() {
    for len in LENGTHS {
        let (x, y) = (mixed(len, 1), mixed(len, 2));
        same_on_all_levels("relu", &x, elementwise::relu_at);
        same_on_all_levels("relu_backward", &x, |isa, g| {
            elementwise::relu_backward_at(isa, &y, g);
        });
        same_on_all_levels("tanh", &x, elementwise::tanh_at);
        same_on_all_levels("tanh_backward", &x, |isa, g| {
            elementwise::tanh_backward_at(isa, &y, g);
        });
        same_on_all_levels("gelu_backward", &x, |isa, g| {
            elementwise::gelu_backward_at(isa, &y, g);
        });
    }
}

#[test]
fn vectors_at_every_length() {
    for len in LENGTHS {
        let (x, y) = (mixed(len, 3), mixed(len, 4));
        let keep: Vec<bool> = y.iter().map(|&y| y > 0.0).collect();
        same_on_all_levels("axpy", &x, |isa, v| vector::axpy_at(isa, 0.3, &y, v));
        same_on_all_levels("scale", &x, |isa, v| vector::scale_at(isa, 0.3, v));
        same_on_all_levels("zero_where", &x, |isa, v| {
            vector::zero_where_at(isa, v, &keep);
        });
    }
}

#[test]
fn rows_of_every_width() {
    for columns in [1, 2, 3, 10, 16, 17, 100, 257] {
        let matrix = mixed(columns * 9, 6);
        same_on_all_levels("column_sums", &mixed(columns, 7), |isa, out| {
            rows::column_sums_at(isa, &matrix, out);
        });
        let squares = |isa| {
            let mut out = vec![0.0; columns];
            rows::add_column_squares_at(isa, &matrix, &mut out);
            out.iter().map(|&s| s as f32).collect::<Vec<_>>()
        };
        let expected = squares(Isa::Scalar);
        for isa in Isa::available() {
            assert_same("add_column_squares", &expected, &squares(isa));
        }
    }
}

#[test]
fn softmax_of_every_width() {
    for classes in [1, 2, 10, 16, 31, 33, 1000, 9001] {
        let logits = mixed(classes * 5, 8);
        // One row in which nothing is infinite.
        let logits: Vec<f32> = logits
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                if i < classes && (x.is_nan() || x.abs() > 1e9) {
                    1.0
                } else {
                    x
                }
            })
            .collect();
        same_on_all_levels("softmax", &logits, |isa, v| {
            softmax::softmax_at(isa, v, classes, 1.5);
        });
        same_on_all_levels("log_softmax", &logits, |isa, v| {
            softmax::log_softmax_at(isa, v, classes, 1.5);
        });
    }
}
