//! What is metered is what is written.

use super::*;

#[test]
fn the_parts_add_up_to_the_length() {
    let mut meter = Meter::default();
    meter.code_bits(0xabcd, 16);
    meter.begin(Part::Signs);
    for i in 0..8_000 {
        meter.code(i % 8 == 0, 1 << 13);
    }
    assert!(meter.bits() > 16.0);
    let (bytes, bits) = meter.finish();
    assert!((bits[0] - 16.0).abs() < 0.05, "{}", bits[0]);
    // The entropy of one in eight.
    let ideal = 8_000.0 * (8_f64.log2() / 8.0 + 7.0 / 8.0 * (8.0 / 7.0_f64).log2());
    assert!(
        (bits[3] / ideal - 1.0).abs() < 0.01,
        "{} for {ideal}",
        bits[3]
    );
    let length = bytes.len() as f64 * 8.0;
    assert!((length - bits[0] - bits[3]).abs() < 16.0);
}
