//! Blocks of each format mean what ggml's own code reads in them.

use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::quantize::blocks::{are_finite, dequantize};

/// What `make_fixture.py` wrote.
const DECODED: &[u8] = include_bytes!("ggml_blocks/decoded.bin");
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

fn hash(values: &[f32]) -> u64 {
    values.iter().fold(0xcbf2_9ce4_8422_2325, |hash, x| {
        (hash ^ u64::from(x.to_bits())).wrapping_mul(0x100_0000_01b3)
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
        assert_eq!(hash(&values), expected_hash, "{format:?}");
        rest = tail;
        formats += 1;
    }
    assert_eq!(formats, BlockFormat::ALL.len());
}
