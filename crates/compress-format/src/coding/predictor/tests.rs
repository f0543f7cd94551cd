//! What mixing learns, and that nothing in it overflows.

use super::*;
use crate::coding::range_coder::{Decoder, Encoder};
use compress_core::rng;

/// Codes `bits` in two contexts: which half of a period, and none.
fn run(coder: &mut impl BitCoder, bits: &mut [bool]) {
    let mut counters = vec![Counter::default(); 3];
    let mut mixer = Mixer::new(1, [1 << 15; 3], 6);
    for (i, bit) in bits.iter_mut().enumerate() {
        let contexts = [0, 1 + i % 2];
        *bit = code_mixed(
            coder,
            *bit,
            (&mut counters, &contexts),
            &[256],
            (&mut mixer, 0),
        );
    }
}

#[test]
fn the_mixer_learns_which_context_tells_most() {
    let mut stream = rng::stream(3, "coding.predictor");
    // Half of the positions almost always set, half almost never: without the second
    // context 1 bit each, with it the entropy of 1/32.
    let bits: Vec<bool> = (0..20_000)
        .map(|i| (rng::below(&mut stream, 32) == 0) ^ (i % 2 == 0))
        .collect();
    let mut encoder = Encoder::default();
    run(&mut encoder, &mut bits.clone());
    let bytes = encoder.finish();
    let ideal = 0.2006 * 20_000.0 / 8.0;
    assert!((bytes.len() as f64) < 1.08 * ideal, "{}", bytes.len());
    let mut decoded = vec![false; bits.len()];
    run(&mut Decoder::new(&bytes), &mut decoded);
    assert_eq!(decoded, bits);
}

#[test]
fn counters_keep_within_their_range() {
    let mut counter = Counter::default();
    for bit in [true, false, true] {
        for _ in 0..100_000 {
            counter.update(bit);
        }
        assert_eq!(counter.evidence() > 0, bit);
    }
}

#[test]
fn weights_stay_bounded_under_the_worst_evidence() {
    let mut mixer = Mixer::new(1, [0; 2], 1000);
    for i in 0..10_000 {
        let evidence = [i32::from(i % 2 == 0) * 20_000 - 10_000, 10_000];
        mixer.mix(0, &evidence);
        mixer.update(0, &evidence, 1, i % 3 == 0);
    }
    assert!(
        mixer.weights[0]
            .iter()
            .all(|w| i64::from(w.abs()) <= HEAVIEST)
    );
}

#[test]
fn a_ratio_is_evidence_for_what_is_seen_more_often_than_expected() {
    let mut ratio = Ratio::default();
    assert_eq!(ratio.evidence(4 << 16), 0);
    // Expected once in eight, seen every second time: four times as often.
    for i in 0..4_000 {
        ratio.update(1 << 13, i % 2 == 0);
    }
    assert!((ratio.evidence(4 << 16) - 2 * 256).abs() < 8);
    for _ in 0..40_000 {
        ratio.update(1 << 13, false);
    }
    assert!(ratio.evidence(4 << 16) < 0);
}
