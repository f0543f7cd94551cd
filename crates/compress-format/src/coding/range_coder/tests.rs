//! Bits come back, in as many bytes as their entropy.

use super::*;
use compress_core::rng;
use proptest::prelude::*;

fn decode(bytes: &[u8], probabilities: &[u16]) -> Vec<bool> {
    let mut decoder = Decoder::new(bytes);
    probabilities
        .iter()
        .map(|&p| decoder.code(false, p))
        .collect()
}

fn encode(bits: &[bool], probabilities: &[u16]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for (&bit, &p) in bits.iter().zip(probabilities) {
        assert_eq!(encoder.code(bit, p), bit);
    }
    encoder.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read(pairs in proptest::collection::vec((any::<bool>(), any::<u16>()), 0..2000)) {
        let (bits, probabilities): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let bytes = encode(&bits, &probabilities);
        prop_assert_ne!(bytes.last(), Some(&0));
        prop_assert_eq!(decode(&bytes, &probabilities), bits);
    }

    #[test]
    fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..64), p in any::<u16>()) {
        prop_assert_eq!(decode(&bytes, &[p; 1000]).len(), 1000);
    }
}

#[test]
fn carries_run_through_many_bytes() {
    // The least likely outcome each time drives the low end up against all ones.
    for p in [1, 2, 255, 32768, 65280, 65535] {
        let bits: Vec<bool> = (0..4000).map(|i| i % 517 == 516).collect();
        let probabilities = vec![p; bits.len()];
        let bytes = encode(&bits, &probabilities);
        assert_eq!(decode(&bytes, &probabilities), bits, "probability {p}");
    }
}

#[test]
fn the_length_is_the_entropy() {
    let mut stream = rng::stream(1, "coding.range");
    for p in [655_u16, 6554, 32768] {
        let bits: Vec<bool> = (0..100_000)
            .map(|_| rng::below(&mut stream, 1 << 16) < u32::from(p))
            .collect();
        let ideal: f64 = bits
            .iter()
            .map(|&b| {
                let q = f64::from(p) / 65536.0;
                -(if b { q } else { 1.0 - q }).log2()
            })
            .sum();
        let bytes = encode(&bits, &vec![p; bits.len()]);
        let excess = bytes.len() as f64 * 8.0 - ideal;
        assert!(excess < 16.0 && excess > -16.0, "{excess} bits at {p}");
    }
}

#[test]
fn nothing_takes_no_bytes_and_plain_bits_take_their_number() {
    assert!(Encoder::default().finish().is_empty());
    let mut encoder = Encoder::default();
    for i in 0..100 {
        encoder.code_bits(i * 2_654_435, 22);
    }
    let bytes = encoder.finish();
    assert!(bytes.len() <= 276, "{}", bytes.len());
    let mut decoder = Decoder::new(&bytes);
    for i in 0..100 {
        assert_eq!(decoder.code_bits(0, 22), (i * 2_654_435) & 0x3f_ffff);
    }
}
