//! Blocks of each format mean what ggml's own code reads in them, and are written as ggml writes
//! them or with a smaller error.

use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::quantize::blocks::{
    are_finite, dequantize, quantize, quantize_weighted_into,
};

/// What `make_fixture.py` wrote.
const DECODED: &[u8] = include_bytes!("ggml_blocks/decoded.bin");
const ENCODED: &str = include_str!("ggml_blocks/encoded.csv");
/// Rows and columns of what was encoded.
const ROWS: usize = 8;
const COLUMNS: usize = 512;
/// Blocks of each format, and those whose values are given.
const COUNT: usize = 300;
const SHOWN: usize = 2;

/// Blocks of random bytes whose values are finite.
fn blocks(format: BlockFormat) -> Vec<u8> {
    let mut state = u64::from(format.ggml_type());
    let mut bytes = Vec::new();
    let halves: &[usize] = match format {
        BlockFormat::Q4_1 | BlockFormat::Q5_1 | BlockFormat::Q4_K | BlockFormat::Q5_K => &[0, 2],
        BlockFormat::Q2_K => &[80, 82],
        BlockFormat::Q3_K => &[108],
        BlockFormat::Q6_K => &[208],
        BlockFormat::TQ1_0 => &[52],
        BlockFormat::TQ2_0 => &[64],
        BlockFormat::MXFP4 | BlockFormat::NVFP4 | BlockFormat::IQ1_M => &[],
        _ => &[0],
    };
    for _ in 0..COUNT {
        let mut block: Vec<u8> = (0..format.block_bytes())
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        for &at in halves {
            if block[at + 1] & 0x7c == 0x7c {
                block[at + 1] &= 0xbf;
            }
        }
        match format {
            BlockFormat::MXFP4 => block[0] %= 250,
            BlockFormat::IQ1_M => block[55] &= 0xbf,
            _ => {}
        }
        bytes.extend(block);
    }
    bytes
}

fn hash(numbers: impl Iterator<Item = u32>) -> u64 {
    numbers.fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ u64::from(number)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn values_are_those_that_ggml_reads() {
    let mut rest = DECODED;
    let mut formats = 0;
    while let Some((&number, tail)) = rest.split_first() {
        let format = BlockFormat::of_ggml_type(number.into()).unwrap();
        let (expected_hash, tail) = tail.split_at(8);
        let shown = SHOWN * format.block_len();
        let (expected, tail) = tail.split_at(4 * shown);
        let bytes = blocks(format);
        assert!(are_finite(format, &bytes));
        let values = dequantize(format, "w", &bytes).unwrap();
        for (i, (x, expected)) in values.iter().zip(expected.as_chunks::<4>().0).enumerate() {
            let expected = f32::from_le_bytes(*expected);
            let same = x.to_bits() == expected.to_bits();
            assert!(same, "{format:?}, value {i}: {x}, not {expected}");
        }
        let expected_hash = u64::from_le_bytes(expected_hash.try_into().unwrap());
        let found = hash(values.iter().map(|x| x.to_bits()));
        assert_eq!(found, expected_hash, "{format:?}");
        rest = tail;
        formats += 1;
    }
    assert_eq!(formats, BlockFormat::ALL.len());
}

/// Sums of six uniform numbers.
fn normal(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut sum = || (0..6).fold(0.0, |sum, _| sum + uniform());
    (0..count).map(|_| sum()).collect()
}

fn data(name: &str) -> Vec<f32> {
    let mut x = normal(ROWS * COLUMNS);
    for (i, x) in x.iter_mut().enumerate() {
        *x = match name {
            "cubed" => *x * *x * *x,
            "outliers" if i % 67 == 0 => *x * 16.0,
            "positive" => x.abs() + 0.25,
            _ => *x,
        };
    }
    x
}

#[test]
fn blocks_are_written_as_by_ggml_or_nearer_to_the_values() {
    let importance: Vec<f32> = (0..COLUMNS)
        .map(|j| (1 + j * 37 % 101).pow(2) as f32)
        .collect();
    let (mut compared, mut worse) = (0, Vec::new());
    for line in ENCODED.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let &[number, name, weighted, expected_hash, expected] = &fields[..] else {
            panic!("{line}");
        };
        let format = BlockFormat::of_ggml_type(number.parse().unwrap()).unwrap();
        let weighted = weighted == "1";
        let x = data(name);
        let mut bytes = quantize(format, "w", &x).unwrap();
        if weighted {
            quantize_weighted_into(format, "w", &x, &importance, &mut bytes).unwrap();
        }
        let same = match format {
            BlockFormat::Q8_0 => true,
            BlockFormat::Q4_0 | BlockFormat::Q4_1 | BlockFormat::Q5_0 | BlockFormat::Q5_1 => {
                !weighted
            }
            _ => false,
        };
        if same {
            let found = hash(bytes.iter().map(|&byte| byte.into()));
            assert_eq!(found, expected_hash.parse::<u64>().unwrap(), "{line}");
        }
        let values = dequantize(format, "w", &bytes).unwrap();
        let error: f64 = x
            .iter()
            .zip(values)
            .enumerate()
            .map(|(i, (x, value))| {
                let difference = f64::from(*x) - f64::from(value);
                let weight = if weighted {
                    importance[i % COLUMNS]
                } else {
                    1.0
                };
                f64::from(weight) * difference * difference
            })
            .sum();
        // Without weights it has an error of its own in mind, as ggml does.
        let margin = match format {
            BlockFormat::Q6_K if !weighted => 1.001,
            _ => 1.0 + 1e-9,
        };
        let expected: f64 = expected.parse().unwrap();
        if error > margin * expected {
            worse.push(format!("{format:?} {line}: {error}"));
        }
        compared += 1;
    }
    assert!(worse.is_empty(), "{worse:#?}");
    assert_eq!(compared, 4 * 2 * BlockFormat::ENCODED.len());
}
