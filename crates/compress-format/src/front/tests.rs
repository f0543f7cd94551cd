//! Fronts: what they read and give, behind which chains they stand, and what they refuse.

use ndarray::{Array2, s};
use proptest::prelude::*;

use super::Pooling;
use compress_core::Error;
use compress_core::chain::{Activation, Architecture, Front};
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::train::{ArraySamples, Samples};

fn matrix(rows: usize, columns: usize, salt: usize) -> Array2<f32> {
    let value = |(i, j)| ((i * columns + j + salt) * 7919 % 257) as f32 / 256.0 - 0.5;
    Array2::from_shape_fn((rows, columns), value)
}

fn product(x: &Array2<f32>, weight: &Array2<f32>) -> Array2<f32> {
    let mut y = Array2::zeros((x.nrows(), weight.nrows()));
    gemm(x.view(), weight.t(), Init::Zero, y.view_mut()).unwrap();
    y
}

fn pooled_chain(height: u32, width: u32, outputs: usize) -> Architecture {
    behind(Pooling::TentPool { height, width }, outputs)
}

fn behind(front: Pooling, outputs: usize) -> Architecture {
    let chain = Architecture::mlp(&[front.outputs(), outputs], Activation::Relu).unwrap();
    chain.behind(front).unwrap()
}

#[test]
fn stands_before_a_chain_that_fits() {
    let chain = Architecture::mlp(&[196, 10], Activation::Relu).unwrap();
    let front = Pooling::TentPool {
        height: 28,
        width: 28,
    };
    let behind = chain.behind(front).unwrap();
    assert_eq!((behind.features, behind.inputs()), (784, 196));
    assert_eq!((behind.selectable(), behind.reads_features()), (196, false));
    assert_eq!((chain.selectable(), chain.reads_features()), (196, true));
    assert!(behind.behind(front).is_err());
    let (height, width) = (28, 30);
    assert!(chain.behind(Pooling::TentPool { height, width }).is_err());
    let (height, width) = (0, 30);
    assert!(chain.behind(Pooling::TentPool { height, width }).is_err());
    let mut other = behind.clone();
    other.features = 785;
    assert!(other.validate().is_err());
    let mut beyond = behind.clone();
    beyond.selected = Some((100..296).collect());
    assert!(beyond.validate().is_err());
}

#[test]
fn inputs_are_removed_behind_the_front() {
    let chain = pooled_chain(4, 4, 3);
    let fewer = chain.without_inputs(&[true, false, true, true]).unwrap();
    assert_eq!(fewer.selected, Some(vec![0, 2, 3]));
    assert_eq!((fewer.features, &fewer.front), (16, &chain.front));
    fewer.validate().unwrap();
    let all = chain.without_inputs(&[true; 4]).unwrap();
    assert_eq!(all, chain);
}

#[test]
fn samples_pass_through_once_in_the_same_bits() {
    let chain = pooled_chain(5, 7, 3);
    let inputs = matrix(2050, 35, 3);
    let labels: Vec<u32> = (0..2050).map(|i| i % 3).collect();
    let samples = ArraySamples::new(inputs.clone(), labels.clone()).unwrap();
    let passed = Pooling::of(&chain).unwrap().samples(&samples).unwrap();
    let mut read = Array2::zeros((2050, 12));
    chain
        .read_into(inputs.view(), read.view_mut(), &mut Vec::new())
        .unwrap();
    assert_eq!(passed.inputs(), read);
    assert_eq!(passed.labels(), labels);
    assert!(Pooling::of(&chain).unwrap().samples(&passed).is_err());
}

#[test]
fn a_pyramid_is_the_pooled_image_and_what_pooling_that_gives_four_times() {
    for (height, width) in [(28, 28), (5, 7), (1, 1), (2, 9)] {
        let front = Pooling::TentPyramid { height, width };
        let first = Pooling::TentPool { height, width };
        let [h, w] = [height, width].map(|size| size.div_ceil(2));
        let second = Pooling::TentPool {
            height: h,
            width: w,
        };
        assert_eq!(front.outputs(), first.outputs() + second.outputs());
        let images = matrix(3, front.inputs(), 5);
        let mut found = Array2::zeros((3, front.outputs()));
        let values = |m: &Array2<f32>| m.as_slice().unwrap().to_vec();
        front
            .apply(&values(&images), found.as_slice_mut().unwrap())
            .unwrap();
        let mut fine = vec![0.0; 3 * first.outputs()];
        first.apply(&values(&images), &mut fine).unwrap();
        let mut coarse = vec![0.0; 3 * second.outputs()];
        second.apply(&fine, &mut coarse).unwrap();
        for (image, found) in found.rows().into_iter().enumerate() {
            let fine = &fine[image * first.outputs()..][..first.outputs()];
            let coarse = &coarse[image * second.outputs()..][..second.outputs()];
            let expected = fine.iter().copied().chain(coarse.iter().map(|v| 4.0 * v));
            assert!(found.iter().copied().eq(expected), "{height} x {width}");
        }
    }
    let front = Pooling::TentPyramid {
        height: 28,
        width: 28,
    };
    assert_eq!((front.inputs(), front.outputs()), (784, 196 + 49));
    // In the interior of both levels a constant image is constant: 1, and 4.
    let mut of_ones = vec![0.0; 245];
    front.apply(&[1.0; 784], &mut of_ones).unwrap();
    assert_eq!((of_ones[14 * 7 + 7], of_ones[196 + 7 * 3 + 3]), (1.0, 4.0));
    for front in [
        front,
        Pooling::TentPool {
            height: 28,
            width: 28,
        },
    ] {
        let mut of_ones = vec![0.0_f32; front.outputs()];
        front.apply(&[1.0; 784], &mut of_ones).unwrap();
        assert_eq!(of_ones.into_iter().fold(0.0, f32::max), front.gain());
    }
}

#[test]
fn lengths_that_are_no_images_are_refused() {
    for levels in [1, 2] {
        let front = |height, width| match levels {
            1 => Pooling::TentPool { height, width },
            _ => Pooling::TentPyramid { height, width },
        };
        let of_four = front(4, 4).outputs();
        for (pixels, height, width, gives) in [
            (0, 0, 4, 0),
            (16, 0, 4, of_four),
            (16, u32::MAX, 4, of_four),
            (16, u32::MAX, u32::MAX, of_four),
            (15, 4, 4, of_four),
            (16, 4, 4, of_four - 1),
            (16, 4, 4, 2 * of_four),
            (32, 4, 4, of_four),
        ] {
            let done = front(height, width).apply(&vec![1.0; pixels], &mut vec![0.0; gives]);
            assert!(done.is_err(), "{levels} {pixels} {height} {width} {gives}");
        }
        assert!(front(4, 4).apply(&[], &mut []).is_ok());
        let mut out = vec![0.0; of_four];
        let short = front(4, 4).apply(&[0.0; 15], &mut out).unwrap_err();
        let short = short.to_string();
        assert!(short.contains("expected shape [16], found [15]"), "{short}");
    }
}

#[test]
fn read_into_refuses_other_shapes() {
    let chain = pooled_chain(4, 4, 3);
    let inputs = matrix(2, 16, 0);
    let mut wide = Array2::zeros((2, 5));
    let mut long = Array2::zeros((3, 4));
    let mut strided = Array2::zeros((2, 5));
    for out in [
        wide.view_mut(),
        long.view_mut(),
        strided.slice_mut(s![.., ..4]),
    ] {
        assert!(
            chain
                .read_into(inputs.view(), out, &mut Vec::new())
                .is_err()
        );
    }
    let mut out = Array2::zeros((2, 4));
    let narrow = inputs.slice(s![.., ..15]);
    assert!(
        chain
            .read_into(narrow, out.view_mut(), &mut Vec::new())
            .is_err()
    );
    let mut invalid = chain.clone();
    invalid.selected = Some(vec![0, 4]);
    let mut out = Array2::zeros((2, 2));
    assert!(
        invalid
            .read_into(inputs.view(), out.view_mut(), &mut Vec::new())
            .is_err()
    );
}

#[test]
fn a_plain_chain_has_more_weights() {
    let chain = pooled_chain(28, 28, 1);
    let mut weight = Array2::zeros((1, 196));
    // One in the interior reads 4 x 4 pixels, its neighbour shares half of them; a corner lacks a
    // row and a column.
    weight[(0, 14 * 7 + 7)] = 1.0;
    let nonzeros = |weight: &Array2<f32>| {
        let plain = chain.plain_first_weight(weight.view()).unwrap();
        plain.iter().filter(|w| **w != 0.0).count()
    };
    assert_eq!(nonzeros(&weight), 16);
    weight[(0, 14 * 7 + 8)] = 2.0;
    assert_eq!(nonzeros(&weight), 24);
    weight[(0, 0)] = -1.0;
    assert_eq!(nonzeros(&weight), 33);
    assert!(matches!(
        chain.plain_first_weight(matrix(1, 195, 0).view()),
        Err(Error::Shape { .. })
    ));
}

proptest! {
    #[test]
    fn the_plain_chain_computes_the_same(
        height in 1..12_u32,
        width in 1..40_u32,
        pyramid in any::<bool>(),
        keep in proptest::collection::vec(any::<bool>(), 6 * 20 + 3 * 10),
    ) {
        let mut chain = match pyramid {
            true => behind(Pooling::TentPyramid { height, width }, 3),
            false => pooled_chain(height, width, 3),
        };
        let keep = &keep[..chain.inputs()];
        if keep.contains(&true) {
            chain = chain.without_inputs(keep).unwrap();
        }
        let weight = matrix(3, chain.inputs(), 1);
        let inputs = matrix(5, chain.features, 2);
        let mut read = Array2::zeros((5, chain.inputs()));
        chain.read_into(inputs.view(), read.view_mut(), &mut Vec::new()).unwrap();
        let found = product(&read, &weight);
        let plain = chain.plain_first_weight(weight.view()).unwrap();
        let expected = product(&inputs, &plain);
        for (e, f) in expected.iter().zip(&found) {
            prop_assert!((e - f).abs() <= 1e-4, "{e} {f}");
        }
    }
}
