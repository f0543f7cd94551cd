//! Weights near the ends of f32's range.

use compress_quant::schemes::{LinearAffine, LinearSymmetric, Range};
use compress_quant::{Granularity, dequantize_array, quantize_array};
use ndarray::array;

#[test]
fn ranges_wider_than_any_f32_keep_their_ends() {
    let weights = array![[-2e38, 2e38, 1e38], [-f32::MAX, 0.0, f32::MAX]];
    for range in [Range::AbsMax, Range::LeastSquares] {
        for granularity in [Granularity::Tensor, Granularity::Channel] {
            let affine = LinearAffine::new(8, granularity, range).unwrap();
            let symmetric = LinearSymmetric::new(8, granularity, range).unwrap();
            for scheme in [&affine as &dyn compress_quant::schemes::Scheme, &symmetric] {
                let quantized = quantize_array("w", weights.view(), scheme).unwrap();
                let back = dequantize_array(&quantized).unwrap();
                for (x, got) in weights.iter().zip(&back) {
                    // A 250th of the width of the widest range.
                    let error = (f64::from(*got) - f64::from(*x)).abs();
                    assert!(
                        error < 2.8e36,
                        "{x} became {got}, {granularity:?} {range:?}"
                    );
                }
            }
        }
    }
}
