//! Any container, with its checksums made right: an error, or tensors that are written back the same.
#![no_main]

use std::io::Cursor;

use compress_core::codec::Tensor;
use compress_format::artifact::Artifact;
use compress_format::container::{Container, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = [b"CMP\x03", bytes].concat();
    Artifact::repair_checksum(&mut bytes);
    let Ok(mut container) = Container::open_with_limit(Cursor::new(&bytes), 1 << 14) else {
        return;
    };
    let names: Vec<String> = container.names().map(str::to_owned).collect();
    let read = names.iter().filter_map(|name| container.tensor(name).ok());
    let read: Vec<Tensor> = read.collect();
    let mut writer = Writer::new(Vec::new()).expect("a vector can be written to");
    for tensor in &read {
        writer.tensor(tensor).expect("what was read can be written");
    }
    let written = writer.finish().expect("a vector can be written to");
    let mut again = Container::open_with_limit(Cursor::new(&written), 1 << 14).expect("and read");
    for tensor in &read {
        assert_eq!(
            again.tensor(tensor.name()).expect("and read again"),
            *tensor
        );
    }
});
