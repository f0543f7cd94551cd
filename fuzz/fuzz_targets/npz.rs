//! Any bytes are an npz or npy file or refused; what is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    compress_fuzz::copies("m.npz", bytes);
    compress_fuzz::copies("m.npy", bytes);
});
