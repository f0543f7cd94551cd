//! The Rust peers, a file for each family of rows. Each takes the row's name apart, so that a new
//! shape needs nothing here.

mod blocks;
mod gemm_f32;
mod gemm_i8;
mod train;

use crate::{Finding, PeersError};

/// What is wrong with a peer.
type Failure = Box<dyn std::error::Error>;

/// Who, and the value in the row's unit.
type Values = Result<Vec<(&'static str, f64)>, Failure>;

/// All peers that can do the row; none where nobody can.
pub(crate) fn measure(name: &str) -> Result<Vec<Finding>, PeersError> {
    let parts: Vec<&str> = name.split('/').collect();
    let (unit, values): (&str, Values) = match parts[..] {
        ["gemm_f32", shape, _] => ("GFLOP/s", gemm_f32::measure(&numbers(shape))),
        ["gemm_i8", shape, _] => ("GOP/s", gemm_i8::measure(&numbers(shape))),
        ["gemm_i4", shape, .., batch] => (
            "µs",
            blocks::multiply_4(&numbers(shape), after("bs", batch)),
        ),
        ["gemm_q8_0", shape, batch] => (
            "µs",
            blocks::multiply_8(&numbers(shape), after("bs", batch)),
        ),
        ["quantize", format @ ("q8_0" | "q4_0" | "q4_k"), ..] => ("ms", blocks::quantize(format)),
        ["train_epoch", widths, batch] => ("s", train::epoch(&numbers(widths), after("bs", batch))),
        _ => ("", Ok(Vec::new())),
    };
    let values = values.map_err(|fault| PeersError::Failed(format!("{name}: {fault}")))?;
    let finding = |(peer, value)| Finding {
        name: name.to_owned(),
        peer: String::from(peer),
        value,
        unit: unit.to_owned(),
    };
    Ok(values.into_iter().map(finding).collect())
}

/// `4096x4096` or `784-300-100-10`.
fn numbers(text: &str) -> Vec<usize> {
    let parts = text.split(['x', '-']).map(str::parse);
    parts.filter_map(Result::ok).collect()
}

/// The number behind a prefix; 1 where there is none.
fn after(prefix: &str, text: &str) -> usize {
    let number = text.strip_prefix(prefix).and_then(|n| n.parse().ok());
    number.unwrap_or(1)
}

/// Values from −0.5 to 0.5 that look random.
fn values(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(numbers("4096x4096"), [4096, 4096]);
        assert_eq!(numbers("784-300-100-10"), [784, 300, 100, 10]);
        assert_eq!(after("bs", "bs64"), 64);
        assert!(measure("nobody/does/this").unwrap().is_empty());
    }

    #[test]
    fn small_rows_are_done() {
        for name in [
            "gemm_f32/8x16x8/t1",
            "gemm_i8/8x64x8/t1",
            "gemm_i4/256x256/bs1",
        ] {
            let found = measure(name).unwrap();
            assert!(!found.is_empty(), "{name}");
            assert!(found.iter().all(|f| f.value > 0.0), "{found:?}");
        }
    }
}
