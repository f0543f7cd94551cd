//! ONNX: what is read, what is written, and what is refused.

mod bad;
mod plain;
mod rewritten;
mod weights;

use std::path::{Path, PathBuf};

use compress_io::metadata::{self, Value};
use compress_io::onnx::{Onnx, Receiver, Rewrite};
use compress_io::{Checkpoint, Dtype, Format, Plan, Source};

const FIXTURES: [&str; 4] = ["layers.onnx", "branches.onnx", "outside.onnx", "types.onnx"];

/// A model that `onnx/make_fixtures.py` made.
fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/onnx/fixtures");
    folder.join(name)
}

/// The values that the script gives a tensor.
fn expected(count: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 37 + 11) % 64) as f32 - 31.5;
    (0..count).map(|i| number(i) / 32.0).collect()
}

#[test]
fn tensors_are_found_wherever_they_are() {
    let of = |name: &str| {
        let model = Checkpoint::open(fixture(name)).unwrap();
        let tensors = model.tensors().to_vec();
        for (number, info) in tensors.iter().enumerate() {
            assert_eq!(info.dtype, Dtype::F32);
            assert_eq!(
                model.values(number).unwrap(),
                expected(info.values()),
                "{}",
                info.name
            );
        }
        let named = tensors.into_iter().map(|info| (info.name, info.shape));
        named.collect::<Vec<_>>()
    };
    let named = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec());
    assert_eq!(
        of("layers.onnx"),
        [
            named("conv.weight", &[4, 2, 3, 3]),
            named("up.weight", &[4, 3, 2, 2]),
            named("gemm.weight", &[5, 3]),
            named("gemm.bias", &[5]),
            named("wide.weight", &[5, 32]),
            named("matmul.weight", &[32, 20]),
            named("tied.weight", &[6, 20]),
            named("embed.weight", &[10, 6]),
            named("lstm.w", &[1, 20, 6]),
            named("lstm.r", &[1, 20, 5]),
        ]
    );
    // In the order of the file, where attributes are sorted by name.
    assert_eq!(
        of("branches.onnx"),
        [
            named("y/else_branch/o/then_branch/w", &[3, 3]),
            named("y/then_branch/w", &[3, 3]),
            named("shared", &[16, 3]),
        ]
    );
    let outside = [
        named("a", &[16, 18]),
        named("b", &[18, 4]),
        named("small", &[4]),
    ];
    assert_eq!(of("outside.onnx"), outside);
}

#[test]
fn each_type_is_read_from_its_fields_as_from_raw_bytes() {
    let model = Onnx::open(fixture("types.onnx")).unwrap();
    let names: Vec<&str> = model.tensors().iter().map(|t| t.name.as_str()).collect();
    // All but text and the two types of two bits.
    assert_eq!(names.len(), 2 * 25, "{names:?}");
    let mut seen = Vec::new();
    for pair in (0..names.len()).collect::<Vec<_>>().chunks(2) {
        let [typed, raw] = [pair[0], pair[1]].map(|number| &model.tensors()[number]);
        assert_eq!((typed.dtype, &typed.shape), (raw.dtype, &vec![5]));
        let bytes = model.bytes(pair[0]).unwrap();
        assert_eq!(bytes, model.bytes(pair[1]).unwrap(), "{}", typed.name);
        assert_eq!(bytes.len() as u64, typed.bytes().unwrap());
        seen.push(typed.dtype);
    }
    let others = Dtype::all().filter(|dtype| !matches!(dtype, Dtype::Block(_)));
    let missing: Vec<Dtype> = others.filter(|dtype| !seen.contains(dtype)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // 1, 2, 3, 1, 2 by hand.
    let of = |name: &str| {
        let number = names.iter().position(|found| *found == name).unwrap();
        model.bytes(number).unwrap().into_owned()
    };
    assert_eq!(of("INT4.typed"), [0x21, 0x13, 0x02]);
    assert_eq!(of("INT16.typed"), [1, 0, 2, 0, 3, 0, 1, 0, 2, 0]);
    assert_eq!(of("BFLOAT16.typed")[..4], [0x80, 0x3f, 0x00, 0x40]);
    assert_eq!(of("FLOAT8E5M2.typed"), [0x3c, 0x40, 0x42, 0x3c, 0x40]);
    assert_eq!(of("COMPLEX64.typed")[..8], [0, 0, 0x80, 0x3f, 0, 0, 0, 0]);
}

#[test]
fn the_axes_of_weights_are_those_of_their_nodes() {
    let axes = |name: &str| {
        let model = Onnx::open(fixture(name)).unwrap();
        let uses = model.uses().unwrap().into_iter();
        let axes = uses.map(|uses| uses.axes().map(|axes| (axes.outputs, axes.inputs)));
        axes.collect::<Vec<_>>()
    };
    let layers = [
        Some((0, 1)), // Conv
        Some((1, 0)), // ConvTranspose
        Some((0, 1)), // Gemm with transB
        None,         // its bias
        Some((1, 0)), // Gemm
        Some((1, 0)), // MatMul
        Some((0, 1)), // MatMul behind Identity and Transpose
        Some((0, 1)), // Gather
        Some((1, 2)), // LSTM
        Some((1, 2)),
    ];
    assert_eq!(axes("layers.onnx"), layers);
    assert_eq!(axes("branches.onnx"), [Some((1, 0)); 3]);
    let uses = Onnx::open(fixture("layers.onnx")).unwrap().uses().unwrap();
    let used = &uses[6].by[0];
    assert_eq!(
        (&*used.node, &*used.op, used.operand),
        ("head", "MatMul", 1)
    );
}

#[test]
fn a_model_that_does_not_change_is_written_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for name in FIXTURES {
        let model = Onnx::open(fixture(name)).unwrap();
        let path = dir.path().join(name);
        let rewrite = Rewrite::new(&model, &[], Receiver::OnnxRuntime).unwrap();
        rewrite.write(&model, &path).unwrap();
        let same = |name: &str| {
            let [before, after] = [fixture(name), dir.path().join(name)].map(std::fs::read);
            before.unwrap() == after.unwrap()
        };
        assert!(same(name), "{name}");
        assert!(name != "outside.onnx" || same("outside.bin"));
        // Upon itself it would be read and written at once.
        let copied = Onnx::open(&path).unwrap();
        let rewrite = Rewrite::new(&copied, &[], Receiver::OnnxRuntime).unwrap();
        let error = rewrite.write(&copied, &path).unwrap_err().to_string();
        assert!(error.contains("the target is"), "{error}");
    }
}

#[test]
fn a_file_is_known_by_its_beginning_and_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    std::fs::copy(fixture("layers.onnx"), &path).unwrap();
    let model = Checkpoint::open(&path).unwrap();
    assert_eq!(model.format().name, "onnx");
    let get = |key: &str| metadata::get(model.metadata(), key).unwrap().clone();
    assert_eq!(get("opset.ai.onnx"), Value::U64(11));
    assert_eq!(get("producer_name"), "make_fixtures".into());
    assert_eq!(get("made by"), "hand".into());
    let path = dir.path().join("new.onnx");
    let format = Format::by_ending(&path).unwrap();
    let error = format.create(&path, &Plan::default()).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("ONNX is written from an ONNX file"),
        "{error}"
    );
}
