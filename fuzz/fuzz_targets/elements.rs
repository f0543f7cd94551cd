//! Any bytes are elements or refused; elements are written so that they come back.
#![no_main]

use compress_format::coding::elements::parts::{self, Part};
use compress_format::coding::elements::{self, Layout};
use compress_format::coding::reader::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = elements::read(&mut Reader::new(bytes, 0)) {
        assert!(read.len() <= elements::MOST_RATIO * bytes.len());
    }
    let layouts = [1, 2, 4].map(Layout::integers);
    let floats = [2, 4, 8].map(Layout::floats);
    let blocks = [Layout::runs(&[1, 1, 16])];
    for layout in layouts.into_iter().chain(floats).chain(blocks) {
        let layout = layout.expect("a layout");
        let whole = &bytes[..bytes.len() / layout.size() * layout.size()];
        let mut written = Vec::new();
        elements::write(&mut written, &layout, whole).expect("whole elements");
        let mut parts = Vec::new();
        let put = |part: Part<'_>| {
            parts.extend_from_slice(part.coded);
            Ok(())
        };
        parts::write(&layout, whole, 0, true, put).expect("whole elements");
        assert!(parts == written, "memory changes no byte");
        let read = elements::read(&mut Reader::new(&written, 0));
        assert_eq!(read.expect("what was written"), whole);
    }
});
