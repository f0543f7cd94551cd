//! Files that are cut off, changed or made to mislead: an error or a valid model, never a panic.

use std::path::Path;

use compress_core::Result;
use compress_io::Source;
use compress_io::onnx::{Change, Form, Onnx, Receiver, Rewrite, Weights};

use super::plain::{self, field, matrix, node};
use super::{FIXTURES, fixture};

const FORMS: [Form; 3] = [Form::F16, Form::Int8, Form::Int4 { block: 16 }];

/// Opens a file, reads all of it, and writes it in some forms.
fn read_all(path: &Path, forms: &[Form], is_written: bool) -> Result<()> {
    let model = Onnx::open(path)?;
    for number in 0..model.tensors().len() {
        model.bytes(number)?;
    }
    let uses = model.uses()?;
    read_weights(path)?;
    for &form in forms {
        let all = uses.iter().enumerate();
        let with_axes = all.filter(|(_, uses)| uses.axes().is_some());
        let changes: Vec<Change<'_>> = with_axes.map(|(n, _)| Change::new(n, form)).collect();
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime)?;
        if is_written {
            rewrite.write(&model, path.with_extension("new"))?;
        }
    }
    Ok(())
}

fn read_weights(path: &Path) -> Result<()> {
    let weights = Weights::open(path)?;
    for (number, info) in weights.tensors().iter().enumerate() {
        let bytes = weights.bytes(number)?;
        assert_eq!(bytes.len() as u64, info.bytes()?, "{}", info.name);
    }
    Ok(())
}

/// Quantized models that are cut off or changed.
#[test]
fn codes_that_are_changed_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let model = Onnx::open(fixture("layers.onnx")).unwrap();
    for receiver in [Receiver::OnnxRuntime, Receiver::Tract] {
        for form in FORMS {
            let path = dir.path().join("q.onnx");
            let _ = std::fs::remove_file(&path);
            let can = |c: &Change<'_>| Rewrite::new(&model, &[*c], receiver).is_ok();
            let all = (0..model.tensors().len()).map(|number| Change::new(number, form));
            let changes: Vec<Change<'_>> = all.filter(can).collect();
            let rewrite = Rewrite::new(&model, &changes, receiver).unwrap();
            rewrite.write(&model, &path).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            for at in (0..bytes.len()).step_by(3) {
                bytes[at] ^= 1 << (at % 8);
                put(&path, &bytes);
                let _ = read_weights(&path);
                bytes[at] ^= 1 << (at % 8);
            }
        }
    }
}

/// Writes a file anew: to write upon an old one waits for the disk.
fn put(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn every_truncation_and_every_flipped_byte_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("outside.bin"), dir.path().join("outside.bin")).unwrap();
    for name in FIXTURES {
        let path = dir.path().join(name);
        let whole = std::fs::read(fixture(name)).unwrap();
        std::fs::write(&path, &whole).unwrap();
        read_all(&path, &FORMS, true).unwrap();
        // Without its last byte a graph is none; what is behind it may be missing.
        let graph = &plain::all(&whole, 7)[0];
        let starts = whole
            .windows(graph.len())
            .position(|window| window == graph);
        let end = starts.unwrap() + graph.len();
        for length in 0..whole.len() {
            put(&path, &whole[..length]);
            let read = read_all(&path, &[], false);
            assert!(read.is_err() || length >= end, "{name} cut at {length}");
        }
        let mut bytes = whole.clone();
        for at in 0..bytes.len() {
            for flip in [0xff, 0x01] {
                bytes[at] ^= flip;
                put(&path, &bytes);
                // Files that are written are synchronized, which takes its time.
                let _ = read_all(&path, &FORMS[at % 3..][..1], at % 512 == 0);
                bytes[at] ^= flip;
            }
        }
    }
}

fn opened(model: &[u8]) -> Result<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    std::fs::write(&path, model).unwrap();
    read_all(&path, &FORMS, true)?;
    let model = Onnx::open(&path)?;
    Ok(model
        .tensors()
        .iter()
        .map(|info| info.name.clone())
        .collect())
}

fn refused(graph: &[u8], said: &str) {
    let error = opened(&plain::model(17, graph)).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
    assert!(error.contains("m.onnx"), "names the file: {error}");
}

/// A tensor `w` of f32 with these dimensions, each a number as it is written.
fn tensor(dims: &[&[u8]], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for dim in dims {
        bytes.push(8);
        bytes.extend(*dim);
    }
    bytes.extend([16, 1]);
    bytes.extend(field(8, b"w"));
    bytes.extend(rest);
    field(5, &bytes)
}

#[test]
fn misleading_tensors_are_refused() {
    const HUGE: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    const NEGATIVE: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    refused(&tensor(&[NEGATIVE], &[]), "tensor w has dimension -1");
    refused(&tensor(&[HUGE, HUGE], &[]), "w");
    refused(&tensor(&[HUGE], &[]), "w");
    refused(
        &tensor(&[&[2]], &field(9, &[0; 7])),
        "tensor w has 7 bytes, its shape 8",
    );
    refused(
        &tensor(&[&[2]], &field(4, &[0; 4])),
        "tensor w has 4 bytes of values",
    );
    refused(&tensor(&[&[1_u8][..]; 65], &field(9, &[0; 4])), "65 axes");
    let twice = [
        tensor(&[], &field(9, &[0; 4])),
        tensor(&[], &field(9, &[0; 4])),
    ]
    .concat();
    refused(&twice, "tensor w is there twice");
    refused(&field(5, &[16, 1]), "no name");
    let mut long = vec![0x0a];
    long.extend(HUGE);
    refused(&long, "a field has 9223372036854775807 bytes");
    let error = opened(&[8, 7]).unwrap_err().to_string();
    assert!(error.contains("no graph"), "{error}");
    let graphs = [plain::model(17, b""), field(7, b"")].concat();
    let error = opened(&graphs).unwrap_err().to_string();
    assert!(error.contains("the graph is there twice"), "{error}");
}

#[test]
fn external_data_leads_to_no_other_folder() {
    let at = |location: &str, offset: &str, length: &str| {
        let mut rest = vec![14 << 3, 1];
        for (key, value) in [
            ("location", location),
            ("offset", offset),
            ("length", length),
        ] {
            let pair = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
            rest.extend(field(13, &pair));
        }
        tensor(&[&[1]], &rest)
    };
    for location in [
        "../m.onnx",
        "/etc/passwd",
        "a/../../b",
        "C:\\x",
        "a\\..\\b",
        "a\0b",
    ] {
        refused(&at(location, "0", "4"), "a file in the folder of the model");
    }
    refused(&at("", "0", "4"), "without a location");
    refused(&at("none.bin", "0", "4"), "none.bin");
    refused(
        &at("m.onnx", "1000", "4"),
        "the offset of the external data of w is 1000",
    );
    refused(&at("m.onnx", "18446744073709551615", "4"), "the offset");
    refused(&at("m.onnx", "-1", "4"), "external data of offset \"-1\"");
    refused(
        &at("m.onnx", "0", "5"),
        "the length of the external data of w is 5",
    );
}

#[test]
fn graphs_that_turn_back_or_are_deep_come_to_an_end() {
    // Each passes the other on: none of them is a tensor.
    let circle = [
        node("Identity", &["b"], "a", &[]),
        node("Identity", &["a"], "b", &[]),
        node("Transpose", &["w"], "w", &[]),
        node("MatMul", &["a", "w"], "y", &[]),
        matrix("w", 3, 2),
    ];
    assert_eq!(opened(&plain::model(17, &circle.concat())).unwrap(), ["w"]);
    let within = |inner: &[u8], name: &str| {
        let attribute = [field(1, b"body"), field(6, inner)].concat();
        node("Loop", &[], name, &[attribute])
    };
    let mut graph = matrix("w", 1, 1);
    for _ in 0..31 {
        graph = within(&graph, "y");
    }
    let names = opened(&plain::model(17, &graph)).unwrap();
    assert!(
        names[0].starts_with('@') && names[0].ends_with("/w"),
        "a short name: {names:?}"
    );
    refused(&within(&graph, "y"), "deeper than 32");
    for _ in 0..2000 {
        graph = within(&graph, "y");
    }
    refused(&graph, "deeper than 32");
    // The paths of two tensors are the same.
    let both = [within(&matrix("w", 1, 1), "y"), matrix("y/body/w", 1, 1)].concat();
    let names = opened(&plain::model(17, &both)).unwrap();
    assert_eq!(names[0], "y/body/w");
    assert!(names[1].starts_with("y/body/w@"), "{names:?}");
}

#[test]
fn nodes_that_would_mean_something_else_are_not_raised() {
    let raised = |opset: u8, other: &[u8]| {
        let product = node("Gemm", &["x", "w"], "y", &[]);
        let graph = [product, other.to_vec(), matrix("w", 3, 2)].concat();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.onnx");
        std::fs::write(&path, plain::model(opset, &graph)).unwrap();
        let model = Onnx::open(&path).unwrap();
        let change = [Change::new(0, Form::Int8)];
        let made = Rewrite::new(&model, &change, Receiver::OnnxRuntime);
        made.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(raised(11, &node("Pad", &["y", "p"], "z", &[])), Ok(()));
    let error = raised(10, &node("Pad", &["y"], "z", &[])).unwrap_err();
    assert!(
        error.contains("Pad z") && error.contains("since 11"),
        "{error}"
    );
    let error = raised(12, &node("Upsample", &["y"], "z", &[])).unwrap_err();
    assert!(
        error.contains("Upsample z") && error.contains("not known"),
        "{error}"
    );
    let mode = b"tf_half_pixel_for_nn";
    let mode = [field(1, b"coordinate_transformation_mode"), field(4, mode)].concat();
    let error = raised(12, &node("Resize", &["y"], "z", &[mode])).unwrap_err();
    assert!(error.contains("Resize z"), "{error}");
    let error = raised(8, &[]).unwrap_err();
    assert!(error.contains("only 9 and later"), "{error}");
    assert_eq!(
        raised(13, &node("Upsample", &["y"], "z", &[])),
        Ok(()),
        "13 is enough"
    );
}
