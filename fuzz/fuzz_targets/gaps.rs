//! Positions that are read ascend and stay below the total.
#![no_main]

use compress_format::coding::bits::BitReader;
use compress_format::coding::gaps;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u16, u32, u8)| {
    let (bytes, count, total, parameter) = input;
    let mut bits = BitReader::new(bytes);
    if let Ok(positions) = gaps::read(&mut bits, count.into(), total, u32::from(parameter % 32)) {
        assert_eq!(positions.len(), usize::from(count));
        assert!(positions.windows(2).all(|w| w[0] < w[1]));
        assert!(positions.iter().all(|&p| p < total));
    }
});
