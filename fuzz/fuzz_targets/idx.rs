//! Any bytes are images and labels, or an error.
#![no_main]

use compress_nn::data::idx::{read_images, read_labels};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(images) = read_images(bytes) {
        let of_each = images.height * images.width;
        assert!(of_each > 0 && images.pixels.len().is_multiple_of(of_each));
    }
    let _ = read_labels(bytes);
});
