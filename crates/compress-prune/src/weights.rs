//! Magnitude pruning of a slice of weights by a threshold.

use compress_core::isa::Isa;
use compress_core::kernels::select::zero_below_at;

/// Magnitude pruning: sets to zero each weight whose absolute value is below `threshold`, and
/// returns the weights.
///
/// The test is exactly `|w| < threshold`, as IEEE 754 compares:
///
/// - a weight whose magnitude equals the threshold stays;
/// - a NaN stays, since it compares false, and so does an infinity;
/// - −0.0 becomes 0.0 where the threshold is positive;
/// - a threshold that is zero, negative or NaN changes nothing; an infinite one leaves NaN and
///   infinities only.
///
/// # Examples
/// ```
/// let mut weights = [0.5, -0.01, 0.1, -2.0];
/// compress_prune::prune_weights(&mut weights, 0.1);
/// assert_eq!(weights, [0.5, 0.0, 0.1, -2.0]);
/// ```
///
/// # References
/// Han, Pool, Tran, Dally 2015 (1506.02626), section 3: weights below a threshold are removed.
pub fn prune_weights(weights: &mut [f32], threshold: f32) -> &mut [f32] {
    // This cannot fail. Every level gives the same bits. So where the level that was asked for is
    // missing, the scalar one serves; functions that can fail report it.
    let isa = Isa::active().unwrap_or(Isa::Scalar);
    zero_below_at(isa, weights, threshold);
    weights
}

#[cfg(test)]
mod tests {
    use super::prune_weights;
    use proptest::prelude::*;

    fn pruned(weights: &[f32], threshold: f32) -> Vec<u32> {
        let mut weights = weights.to_vec();
        bits(prune_weights(&mut weights, threshold))
    }

    fn bits(weights: &[f32]) -> Vec<u32> {
        weights.iter().map(|w| w.to_bits()).collect()
    }

    #[test]
    fn the_boundary_stays_and_what_is_below_goes() {
        let below = f32::from_bits(0.1_f32.to_bits() - 1);
        let got = pruned(&[0.1, -0.1, below, -below, 0.3, -0.3], 0.1);
        assert_eq!(got, bits(&[0.1, -0.1, 0.0, 0.0, 0.3, -0.3]));
    }

    #[test]
    fn nan_and_infinities_stay() {
        let nan = f32::from_bits(0x7fc0_1234);
        let weights = [nan, -nan, f32::INFINITY, f32::NEG_INFINITY];
        assert_eq!(pruned(&weights, 1.0), bits(&weights));
        assert_eq!(pruned(&weights, f32::INFINITY), bits(&weights));
        assert_eq!(pruned(&[f32::MAX], f32::INFINITY), bits(&[0.0]));
    }

    #[test]
    fn negative_zero_becomes_zero_only_below_a_positive_threshold() {
        let tiny = f32::from_bits(1);
        assert_eq!(
            pruned(&[-0.0, 0.0, tiny, -tiny], tiny),
            bits(&[0.0, 0.0, tiny, -tiny])
        );
        assert_eq!(pruned(&[-0.0], 0.0), bits(&[-0.0]));
    }

    #[test]
    fn a_threshold_that_is_no_magnitude_changes_nothing() {
        let weights = [1.0, -0.0, 1e-40, -3.0];
        for threshold in [0.0, -0.0, -1.0, f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(pruned(&weights, threshold), bits(&weights), "{threshold}");
        }
        assert!(prune_weights(&mut [], 1.0).is_empty());
    }

    proptest! {
        #[test]
        fn means_what_it_says(
            weights in prop::collection::vec(any::<f32>(), 0..70),
            threshold in any::<f32>(),
        ) {
            let got = pruned(&weights, threshold);
            for (&before, after) in weights.iter().zip(got) {
                let goes = before > -threshold && before < threshold;
                prop_assert_eq!(after, if goes { 0 } else { before.to_bits() });
            }
        }
    }
}
