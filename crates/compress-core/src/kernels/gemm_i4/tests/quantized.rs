//! Tensors in ONNX's convention, against the specification written out in that convention.

use ndarray::Array2;

use super::{Numbers, assert_same, product};
use crate::isa::Isa;
use crate::kernels::gemm_i4::activations::{lane_sum, scale_of};
use crate::kernels::gemm_i4::{Activations, PackedI4};
use crate::kernels::granularity::Granularity;

/// A tensor `[n, k]` as a quantizer has it.
struct Tensor {
    shape: [usize; 2],
    granularity: Granularity,
    codes: Vec<i32>,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

impl Tensor {
    fn new(
        shape: [usize; 2],
        granularity: Granularity,
        affine: bool,
        numbers: &mut Numbers,
    ) -> Self {
        let (low, sets) = (if affine { 0 } else { -8 }, granularity.sets(&shape));
        let mut code = |low| low + (numbers.next() & 15) as i32;
        let codes = (0..shape[0] * shape[1]).map(|_| code(low)).collect();
        let zeros = (0..if affine { sets } else { 0 })
            .map(|_| code(0))
            .collect();
        Tensor {
            shape,
            granularity,
            codes,
            scales: (0..sets).map(|_| numbers.unit().abs() + 1e-3).collect(),
            zeros,
        }
    }

    fn packed(&self) -> PackedI4 {
        let (scales, zeros) = (&self.scales, &self.zeros);
        PackedI4::from_quantized(&self.codes, self.shape, self.granularity, scales, zeros).unwrap()
    }

    /// Scale and minimum of a weight.
    fn scale(&self, row: usize, k: usize) -> (f32, Option<f32>) {
        let at = row * self.shape[1] + k;
        let mut sets = self.granularity.ranges(&self.shape);
        let set = sets.position(|set| set.contains(&at)).unwrap();
        let zero = self.zeros.get(set);
        let scale = self.scales[set];
        (scale, zero.map(|&zero| -(scale * zero as f32)))
    }

    /// The codes of a row, group by group, each with where it begins.
    fn groups(&self, row: usize) -> Vec<(usize, &[i32])> {
        let k = self.shape[1];
        let group = match self.granularity {
            Granularity::Group(group) => group as usize,
            _ => k,
        };
        let codes = self.codes[row * k..][..k].chunks(group);
        codes
            .enumerate()
            .map(|(i, codes)| (i * group, codes))
            .collect()
    }

    fn of_floats(&self, row: usize, x: &[f32]) -> f32 {
        let mut sum = 0.0;
        for (start, codes) in self.groups(row) {
            let x = &x[start..][..codes.len()];
            let pairs = codes.iter().zip(x);
            let chain = pairs.fold(0.0, |sum, (&code, x)| (code as f32).mul_add(*x, sum));
            let (scale, minimum) = self.scale(row, start);
            sum = scale.mul_add(chain, sum);
            if let Some(minimum) = minimum {
                sum = minimum.mul_add(lane_sum(x), sum);
            }
        }
        sum
    }

    fn of_integers(&self, row: usize, x: &[f32]) -> f32 {
        let mut sum = 0.0;
        let codes = &self.codes[row * self.shape[1]..][..self.shape[1]];
        for (block, (x, codes)) in x.chunks(32).zip(codes.chunks(32)).enumerate() {
            let (scale_x, inverse) = scale_of(x);
            let x: Vec<i32> = x
                .iter()
                .map(|x| (x * inverse).round_ties_even() as i32)
                .collect();
            let dot: i32 = x.iter().zip(codes).map(|(x, code)| x * code).sum();
            let (scale, minimum) = self.scale(row, block * 32);
            sum = (dot as f32).mul_add(scale * scale_x, sum);
            if let Some(minimum) = minimum {
                sum = minimum.mul_add(x.iter().sum::<i32>() as f32 * scale_x, sum);
            }
        }
        sum
    }
}

fn granularities() -> [Granularity; 5] {
    [
        Granularity::Tensor,
        Granularity::Channel,
        Granularity::Group(32),
        Granularity::Group(96),
        Granularity::Group(1000),
    ]
}

#[test]
fn products_are_those_of_the_tensor() {
    let mut numbers = Numbers(21);
    for shape in [[1, 1], [5, 31], [17, 96], [40, 300]] {
        for (granularity, affine) in granularities()
            .into_iter()
            .flat_map(|g| [(g, false), (g, true)])
        {
            let tensor = Tensor::new(shape, granularity, affine, &mut numbers);
            let packed = tensor.packed();
            let x = numbers.matrix(3, shape[1]);
            for activations in [Activations::F32, Activations::I8] {
                let expected = Array2::from_shape_fn((3, shape[0]), |(i, row)| {
                    let x = x.row(i).to_vec();
                    match activations {
                        Activations::F32 => tensor.of_floats(row, &x),
                        Activations::I8 => tensor.of_integers(row, &x),
                    }
                });
                for isa in Isa::available() {
                    let found = product(isa, x.view(), &packed, None, activations);
                    let what =
                        || format!("{isa:?} {shape:?} {granularity:?} {affine} {activations:?}");
                    assert_same(&found, &expected, &what);
                }
            }
        }
    }
}

#[test]
fn weights_are_those_of_the_grid() {
    let mut numbers = Numbers(22);
    for (granularity, affine) in granularities()
        .into_iter()
        .flat_map(|g| [(g, false), (g, true)])
    {
        let tensor = Tensor::new([9, 70], granularity, affine, &mut numbers);
        for ((row, k), &weight) in tensor.packed().dequantize().indexed_iter() {
            let code = tensor.codes[row * 70 + k] as f32;
            let (scale, minimum) = tensor.scale(row, k);
            assert_eq!(weight, scale * code + minimum.unwrap_or(0.0));
        }
    }
}

#[test]
fn what_the_kernel_cannot_hold_is_refused() {
    let refused = |codes: &[i8], granularity, scales: &[f32], zeros: &[i32], what: &str| {
        let packed = PackedI4::from_quantized(codes, [2, 64], granularity, scales, zeros);
        let error = packed.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let (codes, channel) = ([0; 128], Granularity::Channel);
    refused(&codes[1..], channel, &[1.0; 2], &[], "codes of");
    refused(&codes, channel, &[1.0; 3], &[], "scales of");
    refused(&codes, channel, &[1.0; 2], &[0], "zero points of");
    refused(
        &codes,
        Granularity::Group(24),
        &[1.0; 6],
        &[],
        "a multiple of 32, or as long as a row",
    );
    refused(
        &codes,
        Granularity::Group(0),
        &[1.0; 128],
        &[],
        "a multiple of 32",
    );
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e38] {
        refused(
            &codes,
            channel,
            &[1.0, scale],
            &[],
            "positive, and 8 times it finite",
        );
    }
    refused(
        &codes,
        channel,
        &[1.0, 3e37],
        &[7; 2],
        "positive, and 15 times it finite",
    );
    for (code, zeros, expected) in [
        (8, &[][..], "-8 to 7"),
        (-9, &[], "-8 to 7"),
        (-1, &[0, 0], "0 to 15"),
        (16, &[0, 0], "0 to 15"),
    ] {
        let mut codes = codes;
        codes[77] = code;
        refused(&codes, channel, &[1.0; 2], zeros, expected);
    }
    refused(
        &codes,
        channel,
        &[1.0; 2],
        &[0, 16],
        "zero point of packed weights is 16",
    );
    refused(
        &codes,
        channel,
        &[1.0; 2],
        &[-1, 0],
        "zero point of packed weights is -1",
    );
}

#[test]
fn a_tensor_without_codes_is_packed() {
    for granularity in granularities() {
        for shape in [[0, 5], [5, 0], [0, 0], [1 << 40, 0]] {
            let sets = granularity.sets(&shape);
            if sets < 100 {
                let (scales, zeros) = (vec![1.0; sets], vec![3; sets]);
                for zeros in [&zeros[..], &[]] {
                    let packed =
                        PackedI4::from_quantized::<u8>(&[], shape, granularity, &scales, zeros);
                    assert_eq!(packed.unwrap().dim(), (shape[0], shape[1]));
                }
            }
        }
    }
}
