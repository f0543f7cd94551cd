//! Any bytes are a safetensors file or refused; what is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    compress_fuzz::copies("m.safetensors", bytes);
    compress_fuzz::read(&compress_fuzz::file("m.safetensors.index.json", bytes));
});
