//! Importance in each of its forms.

use compress_io::{Dtype, Format, Importance, Plan, TensorInfo};

fn write(path: &std::path::Path, tensors: &[(&str, &[f32])]) {
    let infos = tensors
        .iter()
        .map(|(name, v)| TensorInfo::new(*name, Dtype::F32, [v.len()]));
    let plan = Plan {
        tensors: infos.collect(),
        metadata: vec![("general.architecture".into(), "none".into())],
    };
    let mut file = Format::by_ending(path)
        .unwrap()
        .create(path, &plan)
        .unwrap();
    for value in tensors.iter().flat_map(|(_, values)| *values) {
        file.write(&value.to_le_bytes()).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn each_form_gives_the_mean_squares() {
    let dir = tempfile::tempdir().unwrap();
    let gguf = dir.path().join("imatrix.gguf");
    write(&gguf, &[("w.in_sum2", &[4.0, 8.0]), ("w.counts", &[4.0])]);
    let plain = dir.path().join("i.safetensors");
    write(&plain, &[("w", &[1.0, 2.0])]);
    let old = dir.path().join("imatrix.dat");
    let mut bytes = Vec::new();
    let mut number = |n: i32| bytes.extend(n.to_le_bytes());
    number(1);
    number(1);
    bytes.push(b'w');
    for n in [4_i32, 2] {
        bytes.extend(n.to_le_bytes());
    }
    for sum in [4.0_f32, 8.0] {
        bytes.extend(sum.to_le_bytes());
    }
    std::fs::write(&old, &bytes).unwrap();
    for path in [&gguf, &plain, &old] {
        let read = Importance::open(path).unwrap();
        assert_eq!(
            read.of("w", &[3, 2]).unwrap().unwrap().row(2),
            [1.0, 2.0],
            "{}",
            path.display()
        );
        assert!(read.of("v", &[3, 2]).unwrap().is_none());
        let error = read.of("w", &[3, 3]).unwrap_err().to_string();
        assert!(error.contains("importance values of w"), "{error}");
    }
    for length in 0..bytes.len() {
        std::fs::write(&old, &bytes[..length]).unwrap();
        assert!(Importance::open(&old).is_err(), "cut at {length}");
    }
    write(&plain, &[("w", &[1.0, -2.0])]);
    let error = Importance::open(&plain).unwrap_err().to_string();
    assert!(error.contains("importance of w is -2"), "{error}");
}

#[test]
fn experts_have_an_importance_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("imatrix.gguf");
    // Two experts of three columns; the second saw no input.
    write(
        &path,
        &[
            ("w.in_sum2", &[2.0, 4.0, 6.0, 0.0, 0.0, 0.0]),
            ("w.counts", &[2.0, 0.0]),
        ],
    );
    let read = Importance::open(&path).unwrap();
    let weights = read.of("w", &[2, 5, 3]).unwrap().unwrap();
    assert_eq!(weights.row(4), [1.0, 2.0, 3.0]);
    assert_eq!(weights.row(5), [1.0; 3]);
    assert!(weights.shared().is_none());
    assert!(
        read.of("w", &[3, 3]).is_err(),
        "two sets do not divide three rows"
    );
    write(
        &path,
        &[("w.in_sum2", &[2.0, 4.0, 6.0]), ("w.counts", &[2.0, 0.0])],
    );
    let error = Importance::open(&path).unwrap_err().to_string();
    assert!(error.contains("counts of w is 2"), "{error}");
}
