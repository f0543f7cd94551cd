//! The checks that every codec makes first.

use compress_core::{Error, Result};

/// Fails at the first NaN, naming `what`. One pass without a branch per value.
pub(crate) fn reject_nan(what: &str, values: &[f32]) -> Result<()> {
    if !values.iter().fold(false, |any, v| any | v.is_nan()) {
        return Ok(());
    }
    let index = values.iter().position(|v| v.is_nan()).unwrap_or(0);
    Err(Error::NonFinite {
        what: what.to_owned(),
        index,
        value: f32::NAN,
    })
}

/// Fails unless the values of a codebook ascend, without repetition.
pub(crate) fn check_ascending(name: &str, values: &[f32]) -> Result<()> {
    match values.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let found = format!("{} before {}", pair[0], pair[1]);
            Err(Error::invalid(
                format!("codebook of {name}"),
                found,
                "ascending",
            ))
        }
    }
}

/// Fails unless `count` values fill `shape`, every partial product of which can be counted.
pub(crate) fn check_volume(what: &str, shape: &[usize], count: usize) -> Result<()> {
    let counted = shape
        .iter()
        .try_fold(1usize, |volume, &side| volume.checked_mul(side.max(1)));
    if counted.is_none() {
        return Err(Error::invalid(
            format!("shape of {what}"),
            format!("{shape:?}"),
            "of a volume below 2^64",
        ));
    }
    if shape.iter().product::<usize>() == count {
        return Ok(());
    }
    Error::check_shape(what, shape, &[count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_nan() {
        let error = reject_nan("w", &[0.0, f32::INFINITY, f32::NAN]).unwrap_err();
        assert!(
            matches!(error, Error::NonFinite { index: 2, .. }),
            "{error}"
        );
        assert!(reject_nan("w", &[]).is_ok());
    }

    #[test]
    fn refuses_uncountable_shapes() {
        assert!(check_volume("w", &[0, usize::MAX, 2], 0).is_err());
        assert!(check_volume("w", &[2, 3], 5).is_err());
        assert!(check_volume("w", &[3, 0], 0).is_ok());
        assert!(check_volume("w", &[], 1).is_ok());
    }
}
