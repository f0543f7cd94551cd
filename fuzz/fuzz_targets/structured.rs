//! Any bytes are a mask or an error.
#![no_main]

use compress_core::mask::Mask;
use compress_core::structured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((mask, length)) = structured::from_bytes::<Mask>(bytes) {
        assert!(length <= bytes.len());
        let written = structured::to_bytes(&mask).expect("what was read can be written");
        let (again, _) = structured::from_bytes::<Mask>(&written).expect("and read again");
        assert_eq!(again, mask);
    }
});
