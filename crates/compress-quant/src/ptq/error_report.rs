//! Reports how far the parameters of a compressed network are from the original ones, tensor by
//! tensor: signal to quantization noise ratio (SQNR), cosine similarity and largest error. Where
//! accuracy collapses, this shows which tensor is to blame.

use std::fmt;

use compress_core::codec::Tensor;
use compress_core::network::Network;
use compress_core::ops::elementwise;
use compress_core::{Error, Result};

/// How far one tensor is from the original.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorError {
    /// The parameter's name.
    pub name: String,
    /// How many values it has.
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

impl TensorError {
    fn between(name: &str, original: &[f32], compressed: &[f32]) -> Result<Self> {
        let mut error = TensorError {
            name: name.to_owned(),
            count: original.len(),
            signal: 0.0,
            squared_error: 0.0,
            max_error: 0.0,
            cosine: 1.0,
            sqnr_db: f64::INFINITY,
        };
        let (mut product, mut square) = (0.0, 0.0);
        for (&a, &b) in original.iter().zip(compressed) {
            let (a, b) = (f64::from(a), f64::from(b));
            let difference = a - b;
            error.signal += a * a;
            error.squared_error += difference * difference;
            error.max_error = error.max_error.max(difference.abs() as f32);
            product += a * b;
            square += b * b;
        }
        if error.signal > 0.0 || square > 0.0 {
            let norms = error.signal.sqrt() * square.sqrt();
            error.cosine = if norms > 0.0 { product / norms } else { 0.0 };
        }
        error.sqnr_db = sqnr_db(error.signal, error.squared_error)?;
        Ok(error)
    }
}

/// One [`TensorError`] for each parameter, in the network's order. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorReport {
    /// One for each parameter.
    pub tensors: Vec<TensorError>,
}

impl ErrorReport {
    /// Compares the parameters of two networks of the same layers.
    ///
    /// # Errors
    /// Where a parameter of one is missing from the other, a shape differs, or a value is not
    /// finite.
    pub fn between(original: &dyn Network, compressed: &dyn Network) -> Result<Self> {
        let count = original.parameters().len();
        Error::check_shape("parameters", &[count], &[compressed.parameters().len()])?;
        let mut report = ErrorReport::default();
        for parameter in original.parameters() {
            let other = compressed.parameter(parameter.name())?;
            report.push(original, parameter.name(), other.shape(), other.values())?;
        }
        Ok(report)
    }

    /// Compares a network with the tensors that it became, decoded.
    ///
    /// # Errors
    /// As for [`ErrorReport::between`], and where a tensor does not decode.
    pub fn of_tensors(original: &dyn Network, tensors: &[Tensor]) -> Result<Self> {
        let count = original.parameters().len();
        Error::check_shape("tensors", &[count], &[tensors.len()])?;
        let mut report = ErrorReport::default();
        for tensor in tensors {
            let values = tensor.values()?;
            report.push(original, tensor.name(), tensor.shape(), &values)?;
        }
        Ok(report)
    }

    fn push(
        &mut self,
        original: &dyn Network,
        name: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<()> {
        let parameter = original.parameter(name)?;
        Error::check_shape(name, parameter.shape(), shape)?;
        Error::check_shape(name, &[parameter.values().len()], &[values.len()])?;
        Error::check_finite(name, parameter.values())?;
        Error::check_finite(name, values)?;
        let error = TensorError::between(name, parameter.values(), values)?;
        self.tensors.push(error);
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
        let error = TensorError::between("w", &[3.0, 4.0], &[3.0, -4.0]).unwrap();
        assert_eq!((error.signal, error.squared_error), (25.0, 64.0));
        assert_eq!((error.max_error, error.count), (8.0, 2));
        assert_eq!(error.cosine, -7.0 / 25.0);
        assert_eq!(
            TensorError::between("w", &[0.0], &[0.0]).unwrap().cosine,
            1.0
        );
        assert_eq!(
            TensorError::between("w", &[1.0], &[0.0]).unwrap().cosine,
            0.0
        );
    }
}
