//! Accuracy against f64, levels against the scalar one, and boundaries.

mod accuracy;
mod arrays;
mod cross_entropy;
mod levels;
mod optimizer;
mod overflow;
mod tent_pool;

/// Every 997th bit pattern: all exponents, both signs, infinities, NaN and subnormals, and
/// mantissas that differ from exponent to exponent (997 is prime).
fn sweep() -> Vec<f32> {
    (0..=u32::MAX).step_by(997).map(f32::from_bits).collect()
}

/// Lengths around every vector width, their remainders, and the blocks that threads take.
const LENGTHS: [usize; 16] = [
    0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000, 70_001,
];

/// Values of every kind, in an order that no vector width divides.
fn mixed(len: usize, salt: u32) -> Vec<f32> {
    const SPECIAL: [f32; 9] = [
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        1e-40,
        -1e-40,
        f32::MAX,
        f32::MIN,
    ];
    (0..len as u32)
        .map(|i| {
            let hash = (i ^ salt).wrapping_mul(2_654_435_761).rotate_left(15);
            match hash % 61 {
                special @ 0..9 => SPECIAL[special as usize],
                _ => (hash >> 8) as f32 / 1_048_576.0 - 8.0,
            }
        })
        .collect()
}

/// Fails at the first difference in bits; one NaN is as good as another.
#[track_caller]
fn assert_same(what: &str, expected: &[f32], found: &[f32]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        let same = e.to_bits() == f.to_bits() || (e.is_nan() && f.is_nan());
        assert!(
            same,
            "{what}: {e:e} became {f:e} at {i} of {}",
            expected.len()
        );
    }
}
