//! Any file, with its checksum made right: an error, or a model that is written back the same.
#![no_main]

use compress_format::artifact::Artifact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    Artifact::repair_checksum(&mut bytes);
    if let Ok(read) = Artifact::from_bytes_with_limit(&bytes, 1 << 14) {
        let (written, _) = read.to_bytes().expect("what was read can be written");
        assert_eq!(
            Artifact::from_bytes(&written).expect("and read again"),
            read
        );
    }
});
