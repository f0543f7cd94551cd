//! Initialization of weights: He (Kaiming) and Xavier (Glorot).

use compress_core::rng::{self, Stream};
use compress_core::{Result, ops};
use serde::{Deserialize, Serialize};

/// The distribution that a layer's weights are drawn from: He (Kaiming) or Xavier (Glorot)
/// initialization. Biases begin at zero.
///
/// # References
/// He et al., *Delving Deep into Rectifiers*, 2015, 1502.01852, equation 10; Glorot and Bengio,
/// *Understanding the difficulty of training deep feedforward neural networks*, 2010, equation 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Init {
    /// He initialization, uniform within ±√(6 / inputs): for ReLU.
    HeUniform,
    /// He initialization, normal with deviation √(2 / inputs): for ReLU.
    HeNormal,
    /// Xavier initialization, uniform within ±√(6 / (inputs + outputs)): for tanh and no
    /// activation.
    XavierUniform,
    /// Xavier initialization, normal with deviation √(2 / (inputs + outputs)): for tanh and no
    /// activation.
    XavierNormal,
}

impl Init {
    /// Weights of `outputs` × `inputs`, row-major, drawn in this order.
    pub(crate) fn draw(
        self,
        inputs: usize,
        outputs: usize,
        stream: &mut Stream,
    ) -> Result<Vec<f32>> {
        let fan = match self {
            Init::HeUniform | Init::HeNormal => inputs as f32,
            Init::XavierUniform | Init::XavierNormal => inputs as f32 + outputs as f32,
        };
        let count = inputs * outputs;
        match self {
            Init::HeUniform | Init::XavierUniform => {
                let bound = (6.0 / fan).sqrt();
                let uniform = |_| bound * (2.0 * rng::uniform(stream) - 1.0);
                Ok((0..count).map(uniform).collect())
            }
            Init::HeNormal | Init::XavierNormal => {
                let deviation = (2.0 / fan).sqrt();
                let mut values = normals(count, stream)?;
                values.iter_mut().for_each(|v| *v *= deviation);
                Ok(values)
            }
        }
    }
}

/// Standard normal values by Marsaglia's polar method.
fn normals(count: usize, stream: &mut Stream) -> Result<Vec<f32>> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let u = 2.0 * rng::uniform(stream) - 1.0;
        let v = 2.0 * rng::uniform(stream) - 1.0;
        let s = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            let mut logarithm = [s];
            ops::elementwise::ln(&mut logarithm)?;
            let factor = (-2.0 * logarithm[0] / s).sqrt();
            values.extend([u * factor, v * factor]);
        }
    }
    values.truncate(count);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn have_the_deviation_that_the_papers_ask_for() {
        let (inputs, outputs) = (200, 400);
        for (init, variance) in [
            (Init::HeUniform, 2.0 / 200.0),
            (Init::HeNormal, 2.0 / 200.0),
            (Init::XavierUniform, 2.0 / 600.0),
            (Init::XavierNormal, 2.0 / 600.0),
        ] {
            let w = init
                .draw(inputs, outputs, &mut rng::stream(1, "test"))
                .unwrap();
            let n = w.len() as f64;
            let mean = w.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let second = w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{init:?} {mean}");
            // The variance of a normal's sample variance is 2σ⁴/n; a uniform's is smaller.
            assert!(
                (second / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                "{init:?}"
            );
        }
    }

    #[test]
    fn normal_tails_are_normal() {
        let w = normals(100_001, &mut rng::stream(2, "test")).unwrap();
        let beyond = |x: f32| w.iter().filter(|v| v.abs() > x).count() as f64 / 100_001.0;
        for (x, share) in [(1.0, 0.3173_f64), (2.0, 0.0455), (3.0, 0.0027)] {
            assert!((beyond(x) - share).abs() < 5.0 * (share / 1e5).sqrt());
        }
    }
}
