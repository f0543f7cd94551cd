//! Operands that no memory holds: views that repeat an element, and shapes with nothing behind them.

use ndarray::{Array2, ArrayView2, arr0};

use crate::Result;
use crate::isa::Isa;
use crate::kernels::gemm_f32::{Init, PackedB, gemm_at};
use crate::kernels::gemm_i4::{PackedBlocks, PackedI4, Scratch};
use crate::kernels::gemm_i8::{PackedI8, QuantizedRows, gemm_i8_at};
use crate::kernels::granularity::Granularity;
use crate::kernels::quantize::{self, CodeType, Codes, Sets};
use crate::kernels::sparse_layer::{Live, forward};
use crate::kernels::spmm::{Layout, Sparse, Values};
use crate::linalg::Cholesky;
use crate::ops::rows::{add_column_squares, column_sums};

/// More rows, columns or both than there are bytes.
const SHAPES: [(usize, usize); 4] = [
    (1 << 40, 1 << 20),
    (1 << 20, 1 << 40),
    (1 << 61, 2),
    (2, 1 << 61),
];

/// Fails unless this is an error that says `what`.
fn refused<T>(result: Result<T>, what: &str) {
    let error = result.err().expect("too large").to_string();
    assert!(error.contains(what), "{error}");
}

#[test]
fn packing_refuses() {
    let (one, code) = (arr0(1.0f32), arr0(1i8));
    for shape in SHAPES {
        refused(
            PackedB::pack(one.broadcast(shape).unwrap()),
            "B of a matrix product",
        );
        refused(
            PackedI8::pack(code.broadcast(shape).unwrap()),
            "B of a matrix product",
        );
    }
    // No codes, but a sum for each column.
    let none = Array2::<i8>::zeros((0, 1));
    refused(
        PackedI8::pack(none.broadcast((0, 1 << 61)).unwrap()),
        "B of a matrix product",
    );
    for (n, k) in [(usize::MAX, 0), (0, usize::MAX), (1 << 60, 0), (0, 1 << 60)] {
        refused(PackedI4::symmetric(&[], &[], n, k, 32), "packed weights");
        refused(
            PackedI4::symmetric(&[], &[], n, k, usize::MAX - 31),
            "packed weights",
        );
        for format in PackedBlocks::FORMATS {
            assert!(PackedBlocks::pack(format, &[], n, k).is_err());
        }
    }
    let weights = PackedI4::symmetric(&[8; 64], &[1.0; 2], 2, 32, usize::MAX - 31).unwrap();
    for rows in [usize::MAX, 1 << 50] {
        refused(Scratch::for_rows(&weights, rows), "x of a product");
    }
    refused(
        Sparse::from_dense(Layout::Csr, 1 << 31, 0, Values::F32(&[])),
        "rows",
    );
    assert!(Sparse::from_dense(Layout::Csr, 0, 1 << 31, Values::F32(&[])).is_ok());
    assert!(Live::new(1 << 31, 0, &[]).is_err());
}

#[test]
fn products_refuse_what_they_would_copy() {
    let (one, code) = (arr0(1.0f32), arr0(1i8));
    let (k, n) = (1 << 60, 2);
    for isa in Isa::available() {
        let (a, b) = (
            one.broadcast((1, k)).unwrap(),
            one.broadcast((k, n)).unwrap(),
        );
        let mut c = Array2::zeros((1, n));
        refused(
            gemm_at(isa, a, b, Init::Zero, c.view_mut()),
            "B of a matrix product",
        );
        let mut none = Array2::zeros((0, n));
        gemm_at(
            isa,
            one.broadcast((0, k)).unwrap(),
            b,
            Init::Zero,
            none.view_mut(),
        )
        .unwrap();
        // The shapes are looked at before the codes are taken.
        let w = PackedI8::pack(Array2::ones((4, 3)).view()).unwrap();
        let (a, mut c) = (code.broadcast((1 << 60, 4)).unwrap(), Array2::zeros((2, 3)));
        refused(
            gemm_i8_at(isa, a, &w, c.view_mut()),
            "C of a matrix product",
        );
        let mut rows = QuantizedRows::new();
        for shape in SHAPES {
            let x = one.broadcast(shape).unwrap();
            refused(rows.quantize_at(isa, x), "A of a matrix product");
            refused(rows.quantize_with(x, 1.0, 0), "A of a matrix product");
            assert_eq!(rows.dim(), (0, 0));
        }
        rows.quantize_at(isa, Array2::ones((2, 3)).view()).unwrap();
        assert_eq!(rows.row(1), [255; 3]);
    }
}

#[test]
fn reductions_along_rows_refuse_what_they_would_copy() {
    let one = arr0(1.0f32);
    let matrix = one.broadcast((1 << 60, 2)).unwrap();
    refused(column_sums(matrix, &mut [0.0; 2]), "column sums");
    refused(add_column_squares(matrix, &mut [0.0; 2]), "column squares");
}

#[test]
fn factorizations_refuse() {
    let one = arr0(1.0f64);
    for n in [1 << 30, 1 << 26] {
        refused(
            Cholesky::factor("gram", one.broadcast((n, n)).unwrap()),
            "shape of gram",
        );
    }
    let factor = Cholesky::factor("gram", Array2::ones((1, 1)).view()).unwrap();
    let sides: ArrayView2<'_, f64> = one.broadcast((1, 1 << 60)).unwrap();
    refused(factor.solve(sides), "right-hand sides");
}

#[test]
fn quantization_refuses() {
    for granularity in [
        Granularity::Tensor,
        Granularity::Channel,
        Granularity::Group(32),
    ] {
        let sets = Sets::new("w", &[1 << 40, 1 << 20], granularity).unwrap();
        refused(quantize::quantize(&sets, &[], CodeType::I8), "w");
        refused(quantize::encode_to(&sets, &[], &[], &[], CodeType::U4), "w");
        refused(
            quantize::dequantize(&sets, Codes::I8(&[]), &[], &[]),
            "codes of w",
        );
    }
    refused(
        Sets::new("w", &[1 << 62, 0], Granularity::Channel),
        "rows of w",
    );
    assert!(Sets::new("w", &[1 << 20, 0], Granularity::Channel).is_ok());
}

#[test]
fn many_samples_of_a_layer_without_features() {
    let live = Live::new(0, 0, &[]).unwrap();
    let mut y = Array2::zeros((0, usize::MAX >> 2));
    let from = ArrayView2::from_shape((0, usize::MAX >> 2), &[]).unwrap();
    forward(&live, &[], &[], from, y.view_mut()).unwrap();
}
