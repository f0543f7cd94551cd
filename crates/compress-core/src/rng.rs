//! Named streams of random numbers: ChaCha with 8 rounds, seeded from the run's seed and a name.
//!
//! A consumer draws from its own stream, so adding one does not shift the others. What the
//! distributions return is computed by fixed arithmetic, the same on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator: ChaCha8 (Bernstein 2008), whose output is specified to the bit.
pub type Stream = ChaCha8Rng;

/// The stream of `name` under `seed`.
pub fn stream(seed: u64, name: &str) -> Stream {
    indexed(seed, name, 0)
}

/// One of many streams of the same `name`, as for each image of each epoch.
pub fn indexed(seed: u64, name: &str, index: u64) -> Stream {
    let mut state = mix(seed ^ mix(fnv1a(name) ^ mix(index)));
    let mut key = [0; 32];
    for chunk in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&mix(state).to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes well.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Uniform in [0, 1), a multiple of 2⁻²⁴.
pub fn uniform(stream: &mut Stream) -> f32 {
    (stream.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Uniform in `0..n`, without bias (Lemire 2019, 1805.10941). `n` must not be 0.
pub fn below(stream: &mut Stream, n: u32) -> u32 {
    let threshold = n.wrapping_neg() % n;
    loop {
        let product = u64::from(stream.next_u32()) * u64::from(n);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// A permutation of `values` (Fisher and Yates).
pub fn shuffle<T>(stream: &mut Stream, values: &mut [T]) {
    for i in (1..values.len()).rev() {
        values.swap(i, below(stream, i as u32 + 1) as usize);
    }
}
