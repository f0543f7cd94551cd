//! Reports how far the tensors, or the activations, of a compressed model are from the original
//! ones, one by one: signal to quantization noise ratio (SQNR), cosine similarity and largest error. Where
//! accuracy collapses, this shows which tensor is to blame.

use std::fmt;

use compress_core::codec::Tensor;
use compress_core::kernels::memory::row_major;
use compress_core::observe::{Observe, Place, compare};
use compress_core::ops::elementwise;
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::TensorRef;
use compress_core::{Error, Result};

/// How far one tensor is from the original.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorError {
    /// Its name.
    pub name: String,
    /// How many values were compared.
    pub count: usize,
    /// The sum of squares of the original values.
    pub signal: f64,
    /// The sum of squared differences.
    pub squared_error: f64,
    /// The largest magnitude of a difference.
    pub max_error: f32,
    /// The cosine similarity of the original and the compressed tensor; 1 where both are zero.
    pub cosine: f64,
    /// Signal to quantization noise ratio (SQNR), 10·log₁₀(signal / squared error), in decibels.
    /// Infinite where there is no error, −∞ where there is an error and no signal.
    pub sqnr_db: f64,
}

/// Sums over pairs of values, in their order.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: usize,
    signal: f64,
    squared_error: f64,
    max_error: f32,
    product: f64,
    square: f64,
}

impl Sums {
    fn add(&mut self, original: f32, compressed: f32) {
        let (a, b) = (f64::from(original), f64::from(compressed));
        let difference = a - b;
        self.count += 1;
        self.signal += a * a;
        self.squared_error += difference * difference;
        self.max_error = self.max_error.max(difference.abs() as f32);
        self.product += a * b;
        self.square += b * b;
    }

    fn error(&self, name: &str) -> Result<TensorError> {
        let mut cosine = 1.0;
        if self.signal > 0.0 || self.square > 0.0 {
            let norms = self.signal.sqrt() * self.square.sqrt();
            cosine = if norms > 0.0 {
                self.product / norms
            } else {
                0.0
            };
        }
        Ok(TensorError {
            name: name.to_owned(),
            count: self.count,
            signal: self.signal,
            squared_error: self.squared_error,
            max_error: self.max_error,
            cosine,
            sqnr_db: sqnr_db(self.signal, self.squared_error)?,
        })
    }
}

/// One [`TensorError`] for each tensor or activation, in order. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorReport {
    /// One for each tensor or activation.
    pub tensors: Vec<TensorError>,
}

impl ErrorReport {
    /// Compares the tensors of two models.
    ///
    /// # Errors
    /// Where a tensor of one is missing from the other, a shape differs, or a value is not finite.
    pub fn between(
        original: &(impl Parameters + ?Sized),
        compressed: &(impl Parameters + ?Sized),
    ) -> Result<Self> {
        let counts =
            [parameters::names(original)?, parameters::names(compressed)?].map(|n| n.len());
        Error::check_shape("the list of tensors", &counts[..1], &counts[1..])?;
        let mut report = ErrorReport::default();
        original.visit(&mut |tensor| {
            parameters::with(compressed, tensor.name, |other| {
                report.push(tensor, other.shape, other.values)
            })
        })?;
        Ok(report)
    }

    /// Compares a model with the tensors that it became, decoded.
    ///
    /// # Errors
    /// As for [`ErrorReport::between`], and where a tensor does not decode.
    pub fn of_tensors(original: &(impl Parameters + ?Sized), tensors: &[Tensor]) -> Result<Self> {
        let count = parameters::names(original)?.len();
        Error::check_shape("the list of tensors", &[count], &[tensors.len()])?;
        let mut report = ErrorReport::default();
        for tensor in tensors {
            parameters::with(original, tensor.name(), |original| {
                report.push(original, tensor.shape(), &tensor.values()?)
            })?;
        }
        Ok(report)
    }

    /// Compares activations: runs two models on the same calibration data and looks at `values` of
    /// their graphs, such as the outputs of layers. So it shows how errors grow from layer to layer.
    ///
    /// # Errors
    /// Where there is no data, a model does not show a value, or one is not finite; those of the
    /// models.
    ///
    /// ```
    /// use compress_core::observe::OnSamples;
    /// use compress_quant::ptq::{ErrorReport, Others, load_into, quantize_model};
    /// use compress_quant::schemes::{Settings, by_name};
    ///
    /// // Any two `Observe`: here networks on samples.
    /// let network = compress_testing::Chain::random(&[4, 8, 3], 1);
    /// let data = compress_testing::blobs(64, 4, 3, 2);
    /// let mut quantized = network.clone();
    /// let scheme = by_name("linear_symmetric", &Settings::default())?;
    /// let tensors = quantize_model(&network, scheme.as_ref(), Others::Float)?;
    /// load_into(&tensors, &mut quantized)?;
    /// let [original, quantized] = [&network, &quantized].map(|n| OnSamples::new(n, &data));
    /// let report = ErrorReport::of_activations(&original, &quantized, &["layers.0", "layers.1"])?;
    /// assert_eq!(report.tensors[1].count, 64 * 3);
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn of_activations(
        original: &dyn Observe,
        compressed: &dyn Observe,
        values: &[&str],
    ) -> Result<Self> {
        let places: Vec<Place<'_>> = values.iter().map(|&name| Place::Value(name)).collect();
        let mut sums = vec![Sums::default(); places.len()];
        // The places come in turn, batch by batch.
        let mut turns = (0..places.len()).cycle();
        compare(original, compressed, &places, &mut |place, a, b| {
            for rows in [&a, &b] {
                let what = place.to_string();
                let rows = row_major(&what, rows.view())?;
                Error::check_finite(&what, rows.as_slice().unwrap_or_default())?;
            }
            if let Some(turn) = turns.next() {
                let pairs = a.iter().zip(&b);
                pairs.for_each(|(&a, &b)| sums[turn].add(a, b));
            }
            Ok(())
        })?;
        let errors = values
            .iter()
            .zip(&sums)
            .map(|(name, sums)| sums.error(name));
        Ok(ErrorReport {
            tensors: errors.collect::<Result<_>>()?,
        })
    }

    fn push(&mut self, original: TensorRef<'_>, shape: &[usize], values: &[f32]) -> Result<()> {
        let name = original.name;
        Error::check_shape(name, original.shape, shape)?;
        Error::check_shape(name, &[original.values.len()], &[values.len()])?;
        original.check_finite()?;
        Error::check_finite(name, values)?;
        let mut sums = Sums::default();
        original
            .values
            .iter()
            .zip(values)
            .for_each(|(&a, &b)| sums.add(a, b));
        self.tensors.push(sums.error(name)?);
        Ok(())
    }

    /// The sum of squared differences over all tensors.
    pub fn squared_error(&self) -> f64 {
        self.tensors.iter().map(|t| t.squared_error).sum()
    }

    /// Signal to quantization noise ratio (SQNR) over all tensors together, in decibels.
    pub fn sqnr_db(&self) -> Result<f64> {
        let signal = self.tensors.iter().map(|t| t.signal).sum();
        sqnr_db(signal, self.squared_error())
    }

    /// The `count` tensors with the most noise for their signal, worst first. These should get more
    /// bits, or stay in full precision.
    pub fn worst(&self, count: usize) -> Vec<&TensorError> {
        let mut sorted: Vec<&TensorError> = self.tensors.iter().collect();
        sorted.sort_by(|a, b| noise_share(b).total_cmp(&noise_share(a)));
        sorted.truncate(count);
        sorted
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |t: &TensorError| t.name.chars().count();
        let width = self.tensors.iter().map(name).max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:width$} {:>10} {:>9} {:>11} {:>9}",
            "tensor", "values", "SQNR dB", "max error", "cosine"
        )?;
        for t in &self.tensors {
            writeln!(
                f,
                "{:width$} {:>10} {:>9.2} {:>11.3e} {:>9.6}",
                t.name, t.count, t.sqnr_db, t.max_error, t.cosine
            )?;
        }
        Ok(())
    }
}

/// Noise divided by signal. An error without signal counts as the worst, no error as the best.
fn noise_share(t: &TensorError) -> f64 {
    if t.squared_error == 0.0 {
        0.0
    } else {
        t.squared_error / t.signal
    }
}

/// 10·log₁₀(signal / noise), by the exponent and a logarithm of the mantissa.
fn sqnr_db(signal: f64, noise: f64) -> Result<f64> {
    if noise == 0.0 {
        return Ok(f64::INFINITY);
    }
    let (signal_exponent, signal_mantissa) = split(signal);
    let (noise_exponent, noise_mantissa) = split(noise);
    if signal_mantissa == 0.0 {
        return Ok(f64::NEG_INFINITY);
    }
    let mut logarithm = [(signal_mantissa / noise_mantissa) as f32];
    elementwise::ln(&mut logarithm)?;
    let exponent = f64::from(signal_exponent - noise_exponent);
    let natural = exponent * std::f64::consts::LN_2 + f64::from(logarithm[0]);
    Ok(10.0 * natural * std::f64::consts::LOG10_E)
}

/// Exponent and mantissa in [1, 2). The mantissa is 0 for zero and for subnormal numbers; sums of
/// squares of f32 are never subnormal.
fn split(x: f64) -> (i32, f64) {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7ff;
    if exponent == 0 {
        return (0, 0.0);
    }
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    (exponent - 1023, mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels() {
        assert_eq!(sqnr_db(1.0, 0.0).unwrap(), f64::INFINITY);
        assert_eq!(sqnr_db(0.0, 1.0).unwrap(), f64::NEG_INFINITY);
        assert_eq!(sqnr_db(3.0, 3.0).unwrap(), 0.0);
        for (signal, noise) in [(100.0, 1.0), (1.0, 8.0), (1.7e-60, 3e50), (5e-80, 1e-90)] {
            let expected = 10.0 * f64::log10(signal / noise);
            let found = sqnr_db(signal, noise).unwrap();
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn sums_and_cosine() {
        let between = |a: &[f32], b: &[f32]| {
            let mut sums = Sums::default();
            a.iter().zip(b).for_each(|(&a, &b)| sums.add(a, b));
            sums.error("w").unwrap()
        };
        let error = between(&[3.0, 4.0], &[3.0, -4.0]);
        assert_eq!((error.signal, error.squared_error), (25.0, 64.0));
        assert_eq!((error.max_error, error.count), (8.0, 2));
        assert_eq!(error.cosine, -7.0 / 25.0);
        assert_eq!(between(&[0.0], &[0.0]).cosine, 1.0);
        assert_eq!(between(&[1.0], &[0.0]).cosine, 0.0);
    }
}
