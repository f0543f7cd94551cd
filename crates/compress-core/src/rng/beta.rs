//! The symmetric beta distribution, Beta(α, α).

use rand::Rng;

use super::{Stream, uniform};
use crate::ops::scalar::{exp, ln};
use crate::{Error, Result};

/// A value of Beta(α, α), from 0 to 1. Beta(1, 1) is uniform. Below 1 most values lie near 0 and 1,
/// above 1 most lie near the middle.
///
/// Up to α = 1 by Jöhnk's method, in logarithms. Above by Ulrich's: a coordinate of a point of the
/// disc whose squared radius is 1 − U^(2 / (2α − 1)). The direction is that of a uniform point of the
/// disc, so no sine or cosine is needed. The elementary functions are our own.
///
/// # Errors
/// Where `alpha` is not from 0.001 to 1000.
///
/// # References
/// Jöhnk 1964, *Erzeugung von betaverteilten und gammaverteilten Zufallszahlen*. Ulrich 1984,
/// *Computer generation of distributions on the m-sphere*. Devroye 1986, *Non-Uniform Random Variate
/// Generation*, section IX.4, has both.
pub fn symmetric_beta(stream: &mut Stream, alpha: f32) -> Result<f32> {
    if !(0.001..=1000.0).contains(&alpha) {
        let expected = "from 0.001 to 1000";
        return Err(Error::invalid(
            "alpha of Beta(alpha, alpha)",
            alpha,
            expected,
        ));
    }
    Ok(match alpha <= 1.0 {
        true => by_johnk(stream, alpha),
        false => by_ulrich(stream, alpha),
    })
}

fn by_johnk(stream: &mut Stream, alpha: f32) -> f32 {
    loop {
        let [x, y] = [0, 1].map(|_| ln(uniform(stream)) / alpha);
        // Not where both are −∞.
        let accepted = exp(x) + exp(y) <= 1.0 && x.max(y) > f32::NEG_INFINITY;
        if accepted {
            return 1.0 / (1.0 + exp(y - x));
        }
    }
}

fn by_ulrich(stream: &mut Stream, alpha: f32) -> f32 {
    let squared = 1.0 - exp(ln(uniform(stream)) * (2.0 / (2.0 * alpha - 1.0)));
    let mut coordinate = || (stream.next_u32() >> 8) as f32 * (1.0 / 8_388_608.0) - 1.0;
    loop {
        let (x, y) = (coordinate(), coordinate());
        let s = x * x + y * y;
        if s > 0.0 && s < 1.0 {
            // Rounding may lead past the ends.
            return (0.5 + 0.5 * x * (squared / s).sqrt()).clamp(0.0, 1.0);
        }
    }
}
