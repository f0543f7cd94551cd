//! Stored values to f32 and back.

use std::sync::LazyLock;

use compress_core::kernels::quantize::blocks;
use compress_core::{Error, Result};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::dtype::Dtype;

/// Reads `bytes` of type `dtype` as f32: exactly, but for f64, which is rounded to the nearest, and
/// for the signs and payloads of NaNs. Fills `values`; blocks must be whole.
///
/// # Errors
/// Names `what`: where the type stands for no real numbers ([`Dtype::is_float`]), or the bytes are
/// not those of so many values.
pub fn widen_into(dtype: Dtype, what: &str, bytes: &[u8], values: &mut [f32]) -> Result<()> {
    check_bytes(dtype, what, values.len(), bytes.len())?;
    match dtype {
        Dtype::F32 => each(bytes, values, f32::from_le_bytes),
        Dtype::BF16 => each(bytes, values, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
        }),
        Dtype::F16 => {
            // In pieces, on the stack: the crate converts slices with the processor's instruction.
            let mut halves = [f16::ZERO; 1024];
            for (bytes, values) in bytes.chunks(2 * 1024).zip(values.chunks_mut(1024)) {
                let halves = &mut halves[..values.len()];
                each(bytes, halves, f16::from_le_bytes);
                halves.convert_to_f32_slice(values);
            }
        }
        Dtype::F64 => each(bytes, values, |b| f64::from_le_bytes(b) as f32),
        Dtype::F8E4M3 => each(bytes, values, |[b]| F8E4M3[usize::from(b)]),
        Dtype::F8E5M2 => each(bytes, values, |[b]| f16::from_le_bytes([0, b]).to_f32()),
        Dtype::Block(format) => blocks::dequantize_into(format, what, bytes, values)?,
        _ => {
            let expected = match dtype {
                Dtype::Opaque(_) => "a type that is read; these blocks are only copied",
                _ => "a type of real numbers",
            };
            return Err(Error::invalid(
                format!("the type of {what}"),
                dtype,
                expected,
            ));
        }
    }
    Ok(())
}

/// Appends `values` as `dtype`, rounded to the nearest, ties to even.
///
/// # Errors
/// Names `what`: where a finite value becomes infinite, or the type is none of f16, bf16, f32, f64.
pub fn narrow_into(dtype: Dtype, what: &str, values: &[f32], bytes: &mut Vec<u8>) -> Result<()> {
    let start = bytes.len();
    match dtype {
        Dtype::F32 => put(values, bytes, |v| v.to_le_bytes()),
        Dtype::F64 => put(values, bytes, |v| f64::from(v).to_le_bytes()),
        Dtype::BF16 => put(values, bytes, |v| bf16::from_f32(v).to_le_bytes()),
        Dtype::F16 => {
            let mut halves = [f16::ZERO; 1024];
            for values in values.chunks(1024) {
                let halves = &mut halves[..values.len()];
                halves.convert_from_f32_slice(values);
                put(halves, bytes, |half| half.to_le_bytes());
            }
        }
        _ => {
            let expected = "f16, bf16, f32 or f64";
            return Err(Error::invalid(
                format!("the new type of {what}"),
                dtype,
                expected,
            ));
        }
    }
    let overflows = match dtype {
        Dtype::F16 => first(values, |v| f16::from_f32(v).is_infinite()),
        Dtype::BF16 => first(values, |v| bf16::from_f32(v).is_infinite()),
        _ => None,
    };
    if let Some(value) = overflows {
        bytes.truncate(start);
        let what = format!("a value of {what}");
        return Err(Error::invalid(
            what,
            value,
            format!("within the range of {dtype}"),
        ));
    }
    Ok(())
}

fn first(values: &[f32], is_infinite: impl Fn(f32) -> bool) -> Option<f32> {
    // Without an early end, so that it vectorizes; the search is for the message alone.
    let largest = values.iter().fold(0.0_f32, |most, v| match v.is_finite() {
        true => most.max(v.abs()),
        false => most,
    });
    let mut of = values.iter().copied().filter(|v| v.is_finite());
    match is_infinite(largest) {
        true => of.find(|v| is_infinite(*v)),
        false => None,
    }
}

/// Appends what `write` makes of each value.
fn put<const N: usize, T: Copy>(values: &[T], bytes: &mut Vec<u8>, write: impl Fn(T) -> [u8; N]) {
    let start = bytes.len();
    bytes.resize(start + N * values.len(), 0);
    let to = bytes[start..].as_chunks_mut::<N>().0;
    to.iter_mut()
        .zip(values)
        .for_each(|(to, value)| *to = write(*value));
}

fn each<const N: usize, T>(bytes: &[u8], to: &mut [T], read: impl Fn([u8; N]) -> T) {
    for (to, from) in to.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *to = read(*from);
    }
}

fn check_bytes(dtype: Dtype, what: &str, values: usize, bytes: usize) -> Result<()> {
    let expected = dtype.bytes(values).and_then(|n| usize::try_from(n).ok());
    match expected == Some(bytes) {
        true => Ok(()),
        false => {
            let expected = expected.map_or("whole blocks".into(), |n| n.to_string());
            let what = format!("the number of bytes of {what}");
            Err(Error::invalid(what, bytes, expected))
        }
    }
}

/// What each byte stands for in E4M3: ±(1 + m/8)·2^(e − 7), ±m/8·2⁻⁶ where e is 0, and NaN where all
/// bits but the sign are set.
///
/// # References
/// Micikevicius et al. 2022, *FP8 Formats for Deep Learning* (2209.05433), section 3.
static F8E4M3: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let (exponent, mantissa) = ((byte >> 3) & 15, (byte & 7) as f32);
        let magnitude = match (exponent, byte & 7) {
            (15, 7) => f32::NAN,
            (0, _) => mantissa / 512.0,
            _ => (8.0 + mantissa) / 8.0 * f32::from_bits((exponent as u32 + 120) << 23),
        };
        if byte < 128 { magnitude } else { -magnitude }
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_read_as_others_read_it() {
        let read = |dtype, bytes: &[u8]| {
            let mut value = [0.0];
            widen_into(dtype, "w", bytes, &mut value).unwrap();
            value[0]
        };
        assert_eq!(read(Dtype::F32, &[0, 0, 0x80, 0x3f]), 1.0);
        assert_eq!(read(Dtype::BF16, &[0x80, 0xbf]), -1.0);
        assert_eq!(read(Dtype::F16, &[0, 0x3c]), 1.0);
        assert_eq!(read(Dtype::F16, &[1, 0]), 2f32.powi(-24));
        assert_eq!(read(Dtype::F64, &1.1_f64.to_le_bytes()), 1.1);
        // Values from the table 1 of 2209.05433.
        assert_eq!(read(Dtype::F8E4M3, &[0x7e]), 448.0);
        assert_eq!(read(Dtype::F8E4M3, &[0x08]), 2f32.powi(-6));
        assert_eq!(read(Dtype::F8E4M3, &[0x81]), -(2f32.powi(-9)));
        assert!(read(Dtype::F8E4M3, &[0xff]).is_nan());
        assert_eq!(read(Dtype::F8E5M2, &[0x7b]), 57_344.0);
        assert_eq!(read(Dtype::F8E5M2, &[0x01]), 2f32.powi(-16));
        assert_eq!(read(Dtype::F8E5M2, &[0xfc]), f32::NEG_INFINITY);
    }

    #[test]
    fn narrowing_rounds_to_even_and_refuses_what_does_not_fit() {
        let narrowed = |dtype, value| {
            let mut bytes = Vec::new();
            narrow_into(dtype, "w", &[value], &mut bytes).map(|()| bytes)
        };
        // 1 + 2⁻⁸ lies between two values of bf16, and the even one is 1.
        assert_eq!(narrowed(Dtype::BF16, 1.003_906_3).unwrap(), [0x80, 0x3f]);
        assert_eq!(narrowed(Dtype::F16, 65_504.0).unwrap(), [0xff, 0x7b]);
        let error = narrowed(Dtype::F16, 65_520.0).unwrap_err().to_string();
        assert!(error.contains("65520") && error.contains("f16"), "{error}");
        assert!(narrowed(Dtype::F16, f32::INFINITY).is_ok());
        assert!(narrowed(Dtype::I8, 1.0).is_err());
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let error = widen_into(Dtype::F16, "w", &[0; 3], &mut [0.0]).unwrap_err();
        assert!(error.to_string().contains("bytes of w is 3"), "{error}");
        assert!(widen_into(Dtype::I32, "w", &[0; 4], &mut [0.0]).is_err());
    }
}
