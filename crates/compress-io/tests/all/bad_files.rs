//! Files that are cut off, changed or made to mislead: an error or a valid file, never a panic.

use std::path::Path;

use compress_core::parameters::Parameters;
use compress_io::Checkpoint;

use crate::made;

/// Opens a file and reads all of it.
fn read_all(path: &Path) -> compress_core::Result<()> {
    Checkpoint::open(path)?.visit(&mut |tensor| tensor.check())
}

#[test]
fn every_truncation_and_every_flipped_byte_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    for (format, path) in made::files(dir.path()) {
        let whole = std::fs::read(&path).unwrap();
        read_all(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let read = read_all(&path);
            // Zeros at the end that only fill up may be missing.
            let is_padding = whole[length..]
                .iter()
                .all(|b| *b == 0 || b.is_ascii_whitespace());
            assert!(
                read.is_err() || is_padding,
                "{} cut at {length}",
                format.name
            );
        }
        let mut bytes = whole.clone();
        for at in 0..bytes.len() {
            for flip in [0xff, 0x01] {
                bytes[at] ^= flip;
                std::fs::write(&path, &bytes).unwrap();
                let _ = read_all(&path);
                bytes[at] ^= flip;
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

fn refused(name: &str, bytes: &[u8], said: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = read_all(&path).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
    assert!(error.contains(name), "names the file: {error}");
}

fn header(json: &str, data: usize) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn misleading_headers_of_safetensors_are_refused() {
    let name = "m.safetensors";
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend(b"{}");
    refused(name, &huge, "the header has 18446744073709551615 bytes");
    let tensor = |range: &str| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":{range}}}"#);
    let two = |a, b| format!(r#"{{"a":{},"b":{}}}"#, tensor(a), tensor(b));
    refused(
        name,
        &header(&two("[0,4]", "[0,4]"), 4),
        "tensor b are 0..4",
    );
    refused(
        name,
        &header(&two("[0,4]", "[8,12]"), 12),
        "tensor b are 8..12",
    );
    refused(name, &header(&two("[0,4]", "[4,8]"), 9), "end at byte 8");
    let twice = format!(r#"{{"a":{},"a":{}}}"#, tensor("[0,4]"), tensor("[4,8]"));
    refused(name, &header(&twice, 8), "\"a\" is there twice");
    let wide = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    refused(name, &header(wide, 0), "a");
    let kind = r#"{"a":{"dtype":"F31","shape":[],"data_offsets":[0,4]}}"#;
    refused(name, &header(kind, 4), "unknown type \"F31\"");
    let deep = "[".repeat(100_000);
    refused(name, &header(&format!("{{\"a\":{deep}"), 0), "at byte 8");
}

#[test]
fn an_index_leads_to_no_other_folder() {
    let json = r#"{"weight_map":{"a":"../x.safetensors"}}"#;
    refused(
        "m.safetensors.index.json",
        json.as_bytes(),
        "../x.safetensors",
    );
    let json = r#"{"weight_map":{"a":"/etc/passwd"}}"#;
    refused("m.safetensors.index.json", json.as_bytes(), "/etc/passwd");
}

#[test]
fn misleading_headers_of_gguf_are_refused() {
    let start = |tensors: u64, keys: u64| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(keys.to_le_bytes());
        bytes
    };
    refused(
        "m.gguf",
        &start(u64::MAX, 0),
        "number of tensors is 18446744073709551615",
    );
    refused(
        "m.gguf",
        &start(0, 1 << 60),
        "number of keys is 1152921504606846976",
    );
    let mut nested = start(0, 1);
    nested.extend(1_u64.to_le_bytes());
    nested.extend(b"k");
    nested.extend(9_u32.to_le_bytes());
    for _ in 0..1000 {
        nested.extend(9_u32.to_le_bytes());
        nested.extend(1_u64.to_le_bytes());
    }
    refused("m.gguf", &nested, "lists within lists");
    let tensor = |bytes: &mut Vec<u8>, name: &str, length: u64, kind: u32, offset: u64| {
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
    };
    let file = |tensors: &[(&str, u64, u32, u64)]| {
        let mut bytes = start(tensors.len() as u64, 0);
        tensors
            .iter()
            .for_each(|t| tensor(&mut bytes, t.0, t.1, t.2, t.3));
        bytes.resize(bytes.len().next_multiple_of(32) + 128, 0);
        bytes
    };
    refused(
        "m.gguf",
        &file(&[("a", 16, 0, 0), ("b", 1, 0, 32)]),
        "b lies upon another",
    );
    refused(
        "m.gguf",
        &file(&[("a", 1, 0, 0), ("a", 1, 0, 32)]),
        "a is there twice",
    );
    refused("m.gguf", &file(&[("a", 33, 0, 0)]), "cut off");
    refused("m.gguf", &file(&[("a", 1, 0, 8)]), "no multiple of 32");
    refused("m.gguf", &file(&[("a", 1, 0, u64::MAX - 31)]), "a");
    refused("m.gguf", &file(&[("a", 1 << 62, 0, 0)]), "a");
    refused(
        "m.gguf",
        &file(&[("a", 32, 199, 0)]),
        "tensor a has ggml's type 199",
    );
}
