//! Structured headers and checkpoints as bytes. The only file that names `bincode`, which is no
//! longer maintained: another format would replace it here.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// The most that a file can make a reader allocate for one structure.
const LIMIT: usize = 1 << 30;

/// The bytes of `value`: integers as varints, little-endian.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(value, config).map_err(Error::other)?;
    if bytes.len() > LIMIT {
        let most = format!("at most {LIMIT}, which is what can be read again");
        return Err(Error::invalid("the size of a structure", bytes.len(), most));
    }
    Ok(bytes)
}

/// Reads a value from the beginning of `bytes`; returns it and how many bytes it took.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize)> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    bincode::serde::decode_from_slice(bytes, config).map_err(|error| Error::Format {
        offset: 0,
        reason: error.to_string(),
    })
}

/// Reads what [`to_bytes`] wrote; nothing may follow it.
///
/// # Errors
/// As [`from_bytes`], and where bytes are left.
pub fn from_all_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let (value, used) = from_bytes(bytes)?;
    if used == bytes.len() {
        return Ok(value);
    }
    let reason = format!("{} bytes too many", bytes.len() - used);
    Err(Error::Format {
        offset: used,
        reason,
    })
}
