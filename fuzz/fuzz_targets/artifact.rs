//! Any bytes after the beginning of a model file, under the right checksum.
#![no_main]

use compress_core::artifact::Artifact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"CMP\x01");
    hasher.update(content);
    let checksum = hasher.finalize().to_le_bytes();
    let bytes = [b"CMP\x01", &checksum[..], content].concat();
    let _ = Artifact::from_bytes_with_limit(&bytes, 1 << 16);
});
