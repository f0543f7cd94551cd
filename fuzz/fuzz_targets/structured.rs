//! Any bytes are an architecture or an error.
#![no_main]

use compress_core::network::Architecture;
use compress_core::structured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((architecture, length)) = structured::from_bytes::<Architecture>(bytes) {
        assert!(length <= bytes.len());
        let written = structured::to_bytes(&architecture).expect("what was read can be written");
        let (again, _) = structured::from_bytes::<Architecture>(&written).expect("and read again");
        assert_eq!(again, architecture);
    }
});
