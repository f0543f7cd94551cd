//! Numbers in as few bytes as they need: seven bits a byte, lowest first, the top bit set on all
//! bytes but the last. [`super::reader::Reader::varint`] reads them.

#[cfg(test)]
mod tests;

/// Appends `value`.
pub fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
