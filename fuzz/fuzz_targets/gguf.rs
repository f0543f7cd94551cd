//! Any bytes are a GGUF file or refused; what is read is written back the same, and has its names in
//! Hugging Face's files.
#![no_main]

use compress_io::hugging_face;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    compress_fuzz::copies("m.gguf", bytes);
    if let Some(checkpoint) = compress_fuzz::read(&compress_fuzz::file("m.gguf", bytes)) {
        let _ = hugging_face::from_gguf(&checkpoint);
    }
});
