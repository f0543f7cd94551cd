//! The streams and how a name seeds one.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

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
