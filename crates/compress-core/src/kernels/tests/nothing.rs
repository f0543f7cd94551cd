//! Products without rows, without columns, or over no inputs, at every level.

use ndarray::{Array2, ArrayView2};

use crate::isa::Isa;
use crate::kernels::code_rows::{CodeRows, Form};
use crate::kernels::gemm_f32::{Init, PackedB, gemm_at, gemm_packed_at};
use crate::kernels::gemm_i4::{Activations, NF4, PackedBlocks, PackedI4, Panels, Scratch};
use crate::kernels::gemm_i8::{
    Epilogue, PackedI8, QuantizedRows, gemm_dequantize_at, gemm_i8_at, gemm_requantize_at,
    gemm_u8_at,
};
use crate::kernels::spmm::{self, Layout, Sparse, Values, spmm_at, spmm_rows_at};
use crate::kernels::{gemm_i4, sparse_layer};

const SIDES: [usize; 5] = [0, 1, 7, 20, 40];

/// All shapes without a multiply-add, at every level: m, k and n.
fn each(run: impl Fn(Isa, usize, usize, usize)) {
    for isa in Isa::available() {
        for (m, k, n) in SIDES.iter().flat_map(|&m| {
            let pairs = SIDES.iter().flat_map(|&k| SIDES.map(|n| (k, n)));
            pairs.map(move |(k, n)| (m, k, n))
        }) {
            if m * k * n == 0 {
                run(isa, m, k, n);
            }
        }
    }
}

fn bias(n: usize) -> Vec<f32> {
    (0..n).map(|j| j as f32 - 2.5).collect()
}

/// Each row is the bias.
fn check(y: ArrayView2<'_, f32>, what: &str) {
    let bias = bias(y.ncols());
    assert!(y.rows().into_iter().all(|y| y.iter().eq(&bias)), "{what}");
}

#[test]
fn floats() {
    each(|isa, m, k, n| {
        let (a, b, bias) = (Array2::ones((m, k)), Array2::ones((k, n)), bias(n));
        let mut c = Array2::from_elem((m, n), f32::NAN);
        gemm_at(isa, a.view(), b.view(), Init::Bias(&bias), c.view_mut()).unwrap();
        check(c.view(), "plain");
        let packed = PackedB::pack(b.view()).unwrap();
        c.fill(f32::NAN);
        gemm_packed_at(isa, a.view(), &packed, Init::Bias(&bias), c.view_mut()).unwrap();
        check(c.view(), "packed");
    });
}

#[test]
fn integers() {
    each(|isa, m, k, n| {
        let w = PackedI8::pack(Array2::ones((k, n)).view()).unwrap();
        let mut c = Array2::from_elem((m, n), 7);
        gemm_i8_at(isa, Array2::ones((m, k)).view(), &w, c.view_mut()).unwrap();
        gemm_u8_at(isa, Array2::ones((m, k)).view(), &w, c.view_mut()).unwrap();
        assert!(c.iter().all(|&c| c == 0));
        let mut x = QuantizedRows::new();
        x.quantize_at(isa, Array2::ones((m, k)).view()).unwrap();
        let (scales, bias) = (vec![1.0; n], bias(n));
        let epilogue = Epilogue {
            scales: &scales,
            bias: Some(&bias),
            relu: false,
        };
        let mut y = Array2::from_elem((m, n), f32::NAN);
        gemm_dequantize_at(isa, &x, &w, epilogue, y.view_mut()).unwrap();
        check(y.view(), "dequantized");
        let mut y = QuantizedRows::new();
        gemm_requantize_at(isa, &x, &w, epilogue, (0.5, 5), &mut y).unwrap();
        let codes = (0..n).map(|j| 2 * j as u8);
        assert!((0..m).all(|row| y.row(row).iter().copied().eq(codes.clone())));
    });
}

fn few_bits(isa: Isa, m: usize, weights: &Panels) {
    let (n, k) = weights.dim();
    let (x, bias) = (Array2::ones((m, k)), bias(n));
    for activations in [Activations::F32, Activations::I8] {
        let mut y = Array2::from_elem((m, n), f32::NAN);
        let (mut scratch, bias) = (Scratch::new(), Some(&bias[..]));
        let (x, to) = (x.view(), y.view_mut());
        gemm_i4::gemm_into_at(isa, x, weights, bias, activations, &mut scratch, to).unwrap();
        check(y.view(), &format!("{isa:?} {m}x{k}x{n} {activations:?}"));
        assert_eq!(weights.dequantize().dim(), (n, k));
    }
}

#[test]
fn weights_of_few_bits() {
    each(|isa, m, k, n| {
        let (codes, scales) = (vec![3; n * k], vec![0.5; n * k.div_ceil(32)]);
        let symmetric = PackedI4::symmetric(&codes, &scales, n, k, 32);
        let affine = PackedI4::affine(&codes, &scales, &scales, n, k, 32);
        let codebook = PackedI4::codebook(&codes, &scales, &NF4, n, k, 32);
        for weights in [symmetric, affine, codebook] {
            few_bits(isa, m, &weights.unwrap());
        }
        for format in PackedBlocks::FORMATS {
            let k = k.next_multiple_of(format.block_len());
            let bytes = vec![0; n * format.row_bytes(k).unwrap()];
            few_bits(isa, m, &PackedBlocks::pack(format, &bytes, n, k).unwrap());
        }
    });
}

#[test]
fn sparse() {
    each(|isa, m, k, n| {
        let (values, bias) = (vec![1.0; n * k], bias(n));
        let epilogue = spmm::Epilogue {
            bias: Some(&bias),
            relu: false,
        };
        for layout in Layout::ALL {
            let Ok(w) = Sparse::from_dense(layout, n, k, Values::F32(&values)) else {
                assert_eq!(layout, Layout::TwoOfFour);
                continue;
            };
            let mut y = Array2::from_elem((n, m), f32::NAN);
            spmm_at(isa, &w, Array2::ones((k, m)).view(), epilogue, y.view_mut()).unwrap();
            check(y.t(), "features");
            let mut y = Array2::from_elem((m, n), f32::NAN);
            spmm_rows_at(isa, &w, Array2::ones((m, k)).view(), epilogue, y.view_mut()).unwrap();
            check(y.view(), "samples");
        }
    });
}

#[test]
fn live_weights() {
    each(|isa, m, k, n| {
        let live = sparse_layer::Live::new(n, k, &vec![true; n * k]).unwrap();
        let (values, x, dy) = (vec![1.0; n * k], Array2::ones((k, m)), Array2::ones((n, m)));
        let mut y = Array2::from_elem((n, m), f32::NAN);
        let to = y.view_mut();
        sparse_layer::forward_at(isa, &live, &values, &bias(n), x.view(), to).unwrap();
        check(y.t(), "forward");
        let mut dx = Array2::from_elem((k, m), f32::NAN);
        let to = dx.view_mut();
        sparse_layer::backward_inputs_at(isa, &live, &values, dy.view(), to).unwrap();
        assert!(dx.iter().all(|&dx| dx == 0.0));
        let mut dw = vec![f32::NAN; n * k];
        sparse_layer::backward_weights_at(isa, &live, dy.view(), x.view(), &mut dw).unwrap();
        assert!(dw.iter().all(|&dw| dw == 0.0));
    });
}

#[test]
fn one_row_of_codes() {
    each(|isa, _, k, n| {
        let inputs: Vec<u16> = (0..k as u16).collect();
        for form in [Form::Scattered, Form::Dense] {
            let rows = CodeRows::new(form, &vec![0; n * k], &bias(n), &inputs, k).unwrap();
            let mut y = vec![f32::NAN; rows.outputs()];
            rows.multiply(isa, &vec![1.0; k], false, &mut y).unwrap();
            let y: Vec<f32> = rows.places().iter().map(|&at| y[usize::from(at)]).collect();
            assert_eq!(y, bias(n));
        }
    });
}
