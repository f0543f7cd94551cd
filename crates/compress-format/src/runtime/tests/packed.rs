//! ggml's blocks and scaled codebooks on the 4-bit kernels.

use super::*;
use compress_core::codec::BlockTensor;
use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::gemm_i4::NF4;
use compress_core::kernels::gemm_i4::PackedBlocks;

/// A layer `[24, 512]` with this weight.
fn layer(weight: Tensor) -> Artifact {
    let bias: Vec<f32> = (0..24).map(|i| i as f32 * 0.125 - 1.0).collect();
    Artifact {
        architecture: Architecture::mlp(&[512, 24], Activation::Relu).unwrap(),
        tensors: vec![weight, float("layers.0.bias", &[24], &bias)],
    }
}

/// Checks the model in f32 against the decoded weights, and on the kernel against f32: an input is
/// off by half of a 127th of its block's largest at most, which is below 1, where `rounds` says that
/// inputs are rounded.
fn check(artifact: &Artifact, kernel: LayerKernel, rounds: bool) {
    let (bytes, _) = artifact.to_bytes().unwrap();
    let read = Artifact::from_bytes(&bytes).unwrap();
    assert_eq!(read, *artifact);
    is_a_dense_product(read.clone(), LayerKernel::DenseF32);
    let exact = Runtime::new(read.clone()).unwrap();
    let packed = Runtime::with(read, Arithmetic::Integer).unwrap();
    assert_eq!(only_kernel(&packed), kernel);
    let weight = artifact.tensors[0].values().unwrap();
    for rows in [1, 3, 70] {
        let inputs = random("runtime.blocks", rows, 512);
        let expected = exact.predict(inputs.view()).unwrap();
        let found = packed.predict(inputs.view()).unwrap();
        for ((i, j), &y) in found.indexed_iter() {
            let weights = weight[j * 512..][..512].iter();
            let bound: f32 = weights.map(|w| w.abs() / 254.0).sum();
            let bound = if rounds { bound * 1.01 + 1e-3 } else { 1e-4 };
            let error = (y - expected[(i, j)]).abs();
            assert!(error <= bound, "{kernel}: {error} of {bound}");
        }
    }
}

#[test]
fn blocks_run_as_they_are() {
    let values = random("runtime.block weights", 24, 512);
    for format in BlockFormat::ENCODED {
        let (values, shape) = (values.as_slice().unwrap(), [24, 512]);
        let blocks = BlockTensor::quantize(format, "layers.0.weight", values, &shape).unwrap();
        let artifact = layer(Tensor::Blocks(blocks));
        let packed = PackedBlocks::FORMATS.contains(&format);
        let kernel = match packed {
            true => LayerKernel::PackedBlocks,
            false => LayerKernel::DenseF32,
        };
        check(&artifact, kernel, packed);
    }
}

#[test]
fn scaled_codebooks_of_16_values_stay_packed() {
    for (granularity, sets) in [
        (Granularity::Group(64), 24 * 8),
        (Granularity::Channel, 24),
        (Granularity::Tensor, 1),
    ] {
        let grid = |values: Vec<f32>| Grid::ScaledCodebook {
            values,
            granularity,
            scales: (0..sets).map(|i| 0.1 + i as f32 * 1e-3).collect(),
        };
        let codes = |most: i32| (0..24 * 512).map(move |i| (i * 7 + i / 13) % most);
        let name = "layers.0.weight";
        let nf4 = on_grid(name, &[24, 512], grid(NF4.to_vec()), codes(16));
        check(&layer(nf4), LayerKernel::PackedI4, false);
        let wide = (0..17).map(|i| i as f32 * 0.1).collect();
        let wide = on_grid(name, &[24, 512], grid(wide), codes(17));
        check(&layer(wide), LayerKernel::DenseF32, false);
    }
    // Groups that the kernel cannot take are decoded.
    let grid = Grid::ScaledCodebook {
        values: NF4.to_vec(),
        granularity: Granularity::Group(40),
        scales: vec![0.5; 24 * 13],
    };
    let codes = (0..24 * 512).map(|i| i % 16);
    let odd = on_grid("layers.0.weight", &[24, 512], grid, codes);
    check(&layer(odd), LayerKernel::DenseF32, false);
}

#[test]
fn a_codebook_of_huge_or_tiny_values_is_summed_within_f32() {
    // Each level is 0 or 3, whatever the codebook and the scale.
    for (largest, scale) in [(3e38, 1e-38), (3e-38, 1e38), (3.0, 1.0)] {
        let grid = Grid::ScaledCodebook {
            values: vec![0.0, largest],
            granularity: Granularity::Tensor,
            scales: vec![scale],
        };
        let codes = (0..24 * 512).map(|i| i % 2);
        let weight = QuantizedTensor::new("layers.0.weight", &[24, 512], grid, codes).unwrap();
        let model = layer(Tensor::Quantized(weight));
        let inputs = Array2::from_elem((2, 512), 2.0);
        let exact = Runtime::new(model.clone()).unwrap();
        let expected = exact.predict(inputs.view()).unwrap();
        let packed = Runtime::with(model, Arithmetic::Integer).unwrap();
        assert_eq!(only_kernel(&packed), LayerKernel::PackedI4);
        for (y, expected) in packed.predict(inputs.view()).unwrap().iter().zip(expected) {
            assert!((y - expected).abs() < 1e-2, "{y} for {expected}");
        }
    }
}
