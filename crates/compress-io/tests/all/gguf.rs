//! GGUF by its description, byte by byte.

use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo};

/// A file of one tensor, written by hand from the format's description.
fn by_hand() -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    text(&mut bytes, "general.architecture");
    bytes.extend(8_u32.to_le_bytes());
    text(&mut bytes, "bert");
    text(&mut bytes, "w");
    bytes.extend(2_u32.to_le_bytes());
    // Columns first.
    bytes.extend(3_u64.to_le_bytes());
    bytes.extend(2_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    for value in 0..6 {
        bytes.extend((value as f32).to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

#[test]
fn a_file_is_what_the_description_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let plan = Plan {
        tensors: vec![TensorInfo::new("w", Dtype::F32, [2, 3])],
        metadata: vec![("general.architecture".into(), "bert".into())],
    };
    let mut file = Format::by_ending(&path)
        .unwrap()
        .create(&path, &plan)
        .unwrap();
    for value in 0..6 {
        file.write(&(value as f32).to_le_bytes()).unwrap();
    }
    file.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), by_hand());
    let read = Checkpoint::open(&path).unwrap();
    assert_eq!(read.values(0).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn version_2_is_read_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let mut bytes = by_hand();
    bytes[4] = 2;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Checkpoint::open(&path).unwrap().tensors().len(), 1);
    for (version, said) in [(1_u32, "version is 1"), (3_u32.swap_bytes(), "big-endian")] {
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let error = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_ggml_does_not_take_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let refused = |tensor: TensorInfo| {
        let metadata = vec![("general.architecture".into(), "bert".into())];
        let plan = Plan {
            tensors: vec![tensor],
            metadata,
        };
        let created = Format::by_ending(&path).unwrap().create(&path, &plan);
        created.err().unwrap().to_string()
    };
    let error = refused(TensorInfo::new("w", Dtype::U16, [2]));
    assert!(
        error.contains("type of w is u16") && error.contains("q4_k"),
        "{error}"
    );
    let error = refused(TensorInfo::new("w", Dtype::F32, [1, 1, 1, 1, 1]));
    assert!(error.contains("dimensions of w is 5"), "{error}");
    let error = refused(TensorInfo::new("w".repeat(64), Dtype::F32, [1]));
    assert!(error.contains("64"), "{error}");
    let q4_0 = Dtype::by_name("Q4_0").unwrap();
    let error = refused(TensorInfo::new("w", q4_0, [2, 33]));
    assert!(error.contains("last axis of w is 33"), "{error}");
    let error = Format::by_ending(&path)
        .unwrap()
        .create(&path, &Plan::default());
    assert!(
        error
            .err()
            .unwrap()
            .to_string()
            .contains("general.architecture")
    );
}
