//! Packing: ggml's own numbers for its blocks, codes and scales as they were given, and refusals.

#![allow(
    clippy::excessive_precision,
    reason = "exact values, as they were printed"
)]

use half::f16;
use ndarray::{Array2, s};

use super::Numbers;
use crate::kernels::block_format::BlockFormat;
use crate::kernels::gemm_i4::{NF4, PackedBlocks, PackedI4};

fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Blocks of random bytes, and what version 0.19 of the Python package `gguf` makes of them: some
/// weights, and the FNV-1a hash over the bits of all (−0 taken as 0).
#[test]
fn blocks_are_what_ggml_says() {
    for (format, block, weights, hash) in PINNED {
        let bytes = bytes_of(block);
        // Two rows, the second of zeros, and in the first the block after one of zeros.
        let zeros = vec![0; bytes.len()];
        let rows = [&zeros[..], &bytes, &zeros, &zeros].concat();
        let k = 2 * format.block_len();
        let packed = PackedBlocks::pack(format, &rows, 2, k).unwrap();
        let found = packed.dequantize();
        assert!(found.slice(s![0, ..k / 2]).iter().all(|&w| w == 0.0));
        assert!(found.slice(s![1, ..]).iter().all(|&w| w == 0.0));
        let row = found.slice(s![0, k / 2..]);
        for &(i, weight) in weights {
            assert_eq!(row[i], weight, "{} at {i}", format.name());
        }
        let bits = row.iter().map(|w| u64::from((w + 0.0).to_bits()));
        let found = bits.fold(0xcbf2_9ce4_8422_2325, |hash: u64, bits| {
            (hash ^ bits).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(found, hash, "{}", format.name());
    }
}

#[test]
fn packed_bytes_are_those_of_the_blocks() {
    for format in PackedBlocks::FORMATS {
        let bytes = vec![0; 32 * format.row_bytes(512).unwrap()];
        let packed = PackedBlocks::pack(format, &bytes, 32, 512).unwrap();
        assert_eq!(packed.packed_bytes(), bytes.len());
    }
}

#[test]
fn packing_loses_nothing() {
    let mut numbers = Numbers(1);
    for (n, k, group) in [
        (1usize, 1usize, 32usize),
        (17, 70, 32),
        (16, 256, 64),
        (33, 300, 128),
    ] {
        let groups = k.div_ceil(group);
        let codes = numbers.codes(n * k);
        for wide in [false, true] {
            let mut scale = || -> Vec<f32> {
                let round = |v: f32| if wide { v } else { f16::from_f32(v).to_f32() };
                (0..n * groups).map(|_| round(numbers.unit())).collect()
            };
            let (scales, minimums) = (scale(), scale());
            let zeros: Vec<u8> = (0..n * groups).map(|i| i as u8 % 16).collect();
            let at = |j: usize, i: usize| (f32::from(codes[j * k + i]), j * groups + i / group);
            let check = |packed: PackedI4, weight: &dyn Fn(f32, usize) -> f32| {
                let expected = Array2::from_shape_fn((n, k), |(j, i)| {
                    let (code, group) = at(j, i);
                    weight(code, group) + 0.0
                });
                assert_eq!(packed.dequantize(), expected);
            };
            let symmetric = PackedI4::symmetric(&codes, &scales, n, k, group).unwrap();
            assert_eq!(symmetric.wide, wide);
            check(symmetric, &|code, g| scales[g] * (code - 8.0));
            let affine = PackedI4::affine(&codes, &scales, &minimums, n, k, group);
            check(affine.unwrap(), &|code, g| scales[g] * code + minimums[g]);
            let book = PackedI4::codebook(&codes, &scales, &NF4, n, k, group);
            check(book.unwrap(), &|code, g| scales[g] * NF4[code as usize]);
            let zero = PackedI4::with_zero_points(&codes, &scales, &zeros, n, k, group);
            check(zero.unwrap(), &|code, g| {
                scales[g] * code - scales[g] * f32::from(zeros[g])
            });
        }
    }
}

#[test]
fn a_weight_may_be_within_f32_where_its_product_is_not() {
    let packed = PackedI4::affine(&[15; 32], &[3e37], &[-2.4e38], 1, 32, 32).unwrap();
    let weights = packed.dequantize();
    assert!(weights.iter().all(|w| (w - 2.1e38).abs() < 1e32));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (codes, scales) = ([0; 64], [1.0; 2]);
    assert!(PackedI4::symmetric(&codes, &scales, 2, 32, 32).is_ok());
    assert!(PackedI4::symmetric(&codes, &scales, 2, 32, 0).is_err());
    assert!(PackedI4::symmetric(&codes, &scales, 2, 32, 16).is_err());
    assert!(PackedI4::symmetric(&codes, &scales, 2, 31, 32).is_err());
    assert!(PackedI4::symmetric(&codes, &scales[..1], 2, 32, 32).is_err());
    let mut large = codes;
    large[37] = 16;
    let error = PackedI4::symmetric(&large, &scales, 2, 32, 32).unwrap_err();
    assert!(error.to_string().contains("code 37"), "{error}");
    assert!(PackedI4::symmetric(&codes, &scales, usize::MAX, 64, 32).is_err());
    assert!(PackedI4::symmetric(&[], &[], 0, 1 << 40, 32).is_ok());
    assert!(PackedI4::symmetric(&[], &[], 1 << 40, 0, 32).is_ok());
    let error = PackedI4::affine(&codes, &scales, &[0.0], 2, 32, 32).unwrap_err();
    assert!(error.to_string().contains("minimums"), "{error}");
    assert!(PackedI4::with_zero_points(&codes, &scales, &[0], 2, 32, 32).is_err());
    let book = [f32::NAN; 16];
    assert!(PackedI4::codebook(&codes, &scales, &book, 2, 32, 32).is_err());
    for format in PackedBlocks::FORMATS {
        let bytes = vec![0; 3 * format.block_bytes()];
        let k = format.block_len();
        assert!(PackedBlocks::pack(format, &bytes, 3, k).is_ok());
        assert!(PackedBlocks::pack(format, &bytes, 1, 3 * k).is_ok());
        assert!(PackedBlocks::pack(format, &bytes, 3, k - 1).is_err());
        assert!(PackedBlocks::pack(format, &bytes, 2, k).is_err());
        assert!(PackedBlocks::pack(format, &bytes[1..], 3, k).is_err());
        assert!(PackedBlocks::pack(format, &[], 1 << 40, 0).is_ok());
        assert!(PackedBlocks::pack(format, &[], 0, 1 << 40).is_ok());
    }
}

type Pinned = (BlockFormat, &'static str, &'static [(usize, f32)], u64);

const PINNED: [Pinned; 4] = [
    (
        BlockFormat::Q8_0,
        "4c22e5f1a94106a0956a26afbccdafe562f90a945f5693c642276ad5ab2da7394551",
        &[
            (0, -0.332061767578125),
            (1, -0.184478759765625),
            (15, -0.086090087890625),
            (16, 0.12298583984375),
            (31, 0.996185302734375),
        ],
        0x7938_f64c_92c8_cfa5,
    ),
    (
        BlockFormat::Q4_0,
        "4c22d74c3427fa48d732a1df70aca1e92611",
        &[
            (0, -0.012298583984375),
            (1, 0.0491943359375),
            (15, -0.086090087890625),
            (16, 0.061492919921875),
            (31, -0.086090087890625),
        ],
        0x0a02_36b3_275a_95a5,
    ),
    (
        BlockFormat::Q4_K,
        "4c220fa88f063cd25e19a621f9bd0ccc21397c1ec795ca7748dc03d17a88934d85527357a2e64647\
         f03e2fb81f223f4192c58efd5185f0711ef7677a1f132a818d882195a100b28d6b236b82481bd9fe\
         630dc3ce3be4ebcab72f45b35223479f6e794d57037e2cfde9e15a7789781e3721a557d8e5a70329\
         6dcb81db3f65cf9c1bdc5d1d8fc83f0b0bb4db71be572209",
        &[
            (0, 1.135711669921875),
            (31, 1.135711669921875),
            (32, 0.940277099609375),
            (63, 1.087860107421875),
            (64, 2.68072509765625),
            (95, 11.53570556640625),
            (128, 2.49566650390625),
            (160, 1.308074951171875),
            (200, 2.9332275390625),
            (255, 0.3804931640625),
        ],
        0x367c_11ab_53ce_f7a5,
    ),
    (
        BlockFormat::Q6_K,
        "851d3d24f4c0cf83fe4363f82f4759778955f6ced681cbea7179ced2c8f814a13472ff70ce369d83\
         85452a44f318337f08cd1e614f235d3f83bc45fee9ee0403a79be118544441317c9311f85e0429b1\
         9f7ec0e156f65a3322e791b880ee995e3f0d307d2fbaf400693a179e0d027ed4e58be7a9ebc28a27\
         1d43a78855638144eb6603f7b2725de11fe6ac2f88a68182869793f0aad6ded8116e3ab51681c4a3\
         74fec70a68b3e4bdc92b387987416c17ec90963ec766888ab4b80eba7c5cfd81121bea9cee1810df\
         d5169faf26cd7b5c4c22",
        &[
            (0, 4.64886474609375),
            (31, 5.645050048828125),
            (32, -1.082275390625),
            (63, 35.6658935546875),
            (64, -1.77099609375),
            (95, 2.95166015625),
            (128, 13.220977783203125),
            (160, 1.192962646484375),
            (200, -11.68365478515625),
            (255, 4.52587890625),
        ],
        0x4ae0_f087_ba68_5f0d,
    ),
];
