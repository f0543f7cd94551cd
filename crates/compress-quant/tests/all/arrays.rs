//! Arrays of any rank and layout, and the exact size of what a scheme makes of a tensor.

use compress_core::codec::{QuantizedTensor, Tensor};
use compress_core::observe::{Place, Tap};
use compress_quant::observers::MinMax;
use compress_quant::ptq::{Others, load_into, quantize_model};
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, PowerOfTwo, Range, Scheme, ZeroLevel,
};
use compress_quant::{Granularity, Grid, Lent, dequantize_array, quantize_array};
use compress_testing::normal;
use ndarray::{Array2, Array4, Ix4, array};

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

/// Sets of a tensor `[16, 3, 3, 3]` that share a scale: how many, and of how many values.
const SETS: [(Granularity, usize, usize); 5] = [
    (Granularity::Tensor, 1, 432),
    (Granularity::Channel, 16, 27),
    (Granularity::Group(9), 48, 9),
    // The last group of each row is what is left of it.
    (Granularity::Group(20), 32, 0),
    (Granularity::Group(27), 16, 27),
];

fn convolution() -> Array4<f32> {
    Array4::from_shape_vec((16, 3, 3, 3), normal(3, "conv", 432)).unwrap()
}

fn schemes(granularity: Granularity) -> [Box<dyn Scheme>; 2] {
    let range = Range::LeastSquares;
    [
        Box::new(LinearSymmetric::new(4, granularity, range).unwrap()),
        Box::new(LinearAffine::new(4, granularity, range).unwrap()),
    ]
}

#[test]
fn sets_of_a_convolution_are_quantized_one_by_one() {
    let weight = convolution();
    for (granularity, count, size) in SETS {
        for scheme in schemes(granularity) {
            let quantized = quantize_array("conv", weight.view(), scheme.as_ref()).unwrap();
            let on_grid = on_grid(&quantized);
            let Grid::Linear { scales, .. } = &on_grid.grid else {
                panic!("not linear")
            };
            assert_eq!(
                (quantized.shape(), scales.len()),
                (&[16, 3, 3, 3][..], count)
            );
            let back = dequantize_array(&quantized).unwrap();
            let back: Array4<f32> = back.into_dimensionality::<Ix4>().unwrap();
            if size > 0 {
                // A set by itself, as a tensor of one scale.
                let sets = weight.as_slice().unwrap().chunks(size);
                for (set, found) in sets.zip(back.as_slice().unwrap().chunks(size)) {
                    let alone = quantized_alone(scheme.name(), set);
                    assert_eq!(found, alone, "{granularity:?}");
                }
            }
            // The same values as a matrix, whose rows are everything but the first axis.
            let matrix = weight.view().into_shape_with_order((16, 27)).unwrap();
            let flat = quantize_array("conv", matrix, scheme.as_ref()).unwrap();
            let flat = self::on_grid(&flat);
            assert_eq!((&flat.grid, &flat.codes), (&on_grid.grid, &on_grid.codes));
        }
    }
}

fn on_grid(tensor: &Tensor) -> &QuantizedTensor {
    match tensor {
        Tensor::Quantized(tensor) => tensor,
        other => panic!("{} is not on a grid", other.name()),
    }
}

fn quantized_alone(scheme: &str, set: &[f32]) -> Vec<f32> {
    let [symmetric, affine] = schemes(Granularity::Tensor);
    let scheme = [symmetric, affine].into_iter().find(|s| s.name() == scheme);
    let codec = scheme.unwrap().fit("set", set, &[set.len()]).unwrap();
    let mut values = set.to_vec();
    codec.fake_quantize(&mut values, &[set.len()]).unwrap();
    values
}

#[test]
fn a_lent_convolution_is_quantized_as_its_array_is() {
    for (granularity, ..) in SETS {
        for scheme in schemes(granularity) {
            let mut weight = convolution();
            let expected = quantize_array("conv", weight.view(), scheme.as_ref()).unwrap();
            let mut model = Lent::new().weight("conv", weight.view_mut()).unwrap();
            let tensors = quantize_model(&model, scheme.as_ref(), Others::Float).unwrap();
            assert_eq!(tensors, std::slice::from_ref(&expected));
            load_into(&tensors, &mut model).unwrap();
            let back = dequantize_array(&expected).unwrap();
            assert_eq!(weight.into_dyn(), back);
        }
    }
}

#[test]
fn a_convolution_of_another_layout_is_quantized_as_its_copy() {
    // Channels last in memory, first in the view.
    let last = Array4::from_shape_vec((3, 3, 3, 16), normal(3, "conv", 432)).unwrap();
    let view = last.view().permuted_axes([3, 2, 0, 1]);
    assert!(!view.is_standard_layout());
    let copy = view.as_standard_layout().into_owned();
    for scheme in schemes(Granularity::Channel) {
        let quantized = quantize_array("conv", view, scheme.as_ref()).unwrap();
        let expected = quantize_array("conv", copy.view(), scheme.as_ref()).unwrap();
        assert_eq!(quantized, expected);
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

#[test]
fn an_array_that_repeats_its_elements_beyond_memory_is_refused() {
    let one = ndarray::arr0(1.0_f32);
    let huge = one.broadcast((1 << 20, 1 << 20, 1 << 15)).unwrap();
    let scheme = LinearSymmetric::new(8, Granularity::Channel, Range::AbsMax).unwrap();
    let text = quantize_array("conv", huge, &scheme)
        .unwrap_err()
        .to_string();
    assert!(text.contains("conv") && text.contains("memory"), "{text}");
    let mut observer = MinMax::default();
    let rows = one.broadcast((1 << 30, 1 << 30)).unwrap();
    let place = Place::Value("conv");
    let text = observer.observe(place, rows).unwrap_err().to_string();
    assert!(text.contains("conv") && text.contains("memory"), "{text}");
}
