//! Arrays of any layout, and the exact size of what a scheme makes of a tensor.

use compress_core::codec::{QuantizedTensor, Tensor};
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, PowerOfTwo, Range, Scheme, ZeroLevel,
};
use compress_quant::{Granularity, Grid, dequantize_array, quantize_array};
use compress_testing::normal;
use ndarray::{Array2, Array4, array};

#[test]
fn arrays_of_any_layout() {
    let weights: Array2<f32> = array![[0.5, -1.0, 0.0], [2.0, 0.25, 1.0]];
    let scheme = LinearSymmetric::new(8, Granularity::Channel, Range::AbsMax).unwrap();
    let straight = quantize_array("w", weights.view(), &scheme).unwrap();
    let turned = weights.t().as_standard_layout().into_owned();
    assert_eq!(quantize_array("w", turned.t(), &scheme).unwrap(), straight);
    let back = dequantize_array(&straight).unwrap();
    assert!((&back - &weights).iter().all(|e| e.abs() < 0.01));
    let Tensor::Quantized(mut short) = straight else {
        panic!("not quantized");
    };
    short.shape = vec![5];
    assert!(dequantize_array(&Tensor::Quantized(short)).is_err());
}

#[test]
fn a_convolution_has_a_scale_for_each_output() {
    let weights = normal(7, "conv", 16 * 3 * 3 * 3);
    let weights = Array4::from_shape_vec((16, 3, 3, 3), weights).unwrap();
    let scheme = LinearSymmetric::new(8, Granularity::Channel, Range::AbsMax).unwrap();
    let tensor = quantize_array("conv", weights.view(), &scheme).unwrap();
    let Tensor::Quantized(QuantizedTensor {
        grid: Grid::Linear { scales, .. },
        codes,
        ..
    }) = &tensor
    else {
        panic!("not linear");
    };
    assert_eq!((scales.len(), codes.as_slice().bytes()), (16, 432));
    let back = dequantize_array(&tensor).unwrap();
    for ((row, found), scale) in weights.outer_iter().zip(back.outer_iter()).zip(scales) {
        assert!(
            row.iter()
                .zip(found)
                .all(|(a, b)| (a - b).abs() <= 0.501 * scale)
        );
    }
}

#[test]
fn sizes_in_bits() {
    let weights = normal(1, "w", 1200);
    let size = |scheme: &dyn Scheme| {
        let codec = scheme.fit("w", &weights, &[30, 40]).unwrap();
        codec.size_bits(1200)
    };
    let symmetric = |g| LinearSymmetric::new(4, g, Range::AbsMax).unwrap();
    assert_eq!(size(&symmetric(Granularity::Tensor)), 4 * 1200 + 32);
    assert_eq!(size(&symmetric(Granularity::Group(16))), 4 * 1200 + 32 * 90);
    let affine = LinearAffine::new(8, Granularity::Channel, Range::AbsMax).unwrap();
    assert_eq!(size(&affine), 8 * 1200 + 30 * (32 + 8));
    let book = Codebook::new(16, ZeroLevel::Free).unwrap();
    assert_eq!(size(&book), 4 * 1200 + 16 * 32);
    assert_eq!(size(&PowerOfTwo::new(4).unwrap()), 4 * 1200 + 8);
}
