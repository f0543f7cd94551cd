//! Quantized weights under their own names, against a plain reading of the same files.

use std::path::Path;

use compress_io::onnx::{Form, Onnx, Receiver};
use compress_io::{Checkpoint, Dtype, ONNX_WEIGHTS, Source};
use half::f16;

use super::plain::{self, Graph, field, node};
use super::rewritten::{dequantized, product, rewritten};
use super::{expected, fixture};

fn open(model: &[u8]) -> Checkpoint {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    std::fs::write(&path, model).unwrap();
    Checkpoint::open_as(&ONNX_WEIGHTS, &path).unwrap()
}

/// The values of a weight by the plain reader: as `MatMulNBits` has it, or by the node in front of it.
fn plainly(graph: &Graph, name: &str, shape: &[usize]) -> Vec<f32> {
    let codes = format!("{name}_quantized");
    let is_product = |node: &&plain::Node| node.op == "MatMulNBits" && node.inputs[1] == codes;
    let Some(node) = graph.nodes.iter().find(is_product) else {
        return dequantized(graph, name.rsplit('/').next().unwrap());
    };
    let by_output = product(graph, node);
    let inputs = node.int("K").unwrap() as usize;
    match name {
        // Its axes are turned by a node, which the product does without.
        "tied.weight" => by_output,
        _ => {
            let turned =
                (0..by_output.len()).map(|i| by_output[i % shape[1] * inputs + i / shape[1]]);
            turned.collect()
        }
    }
}

#[test]
fn weights_of_every_form_have_their_names_and_values() {
    let forms = [Form::F16, Form::Int8, Form::Int4 { block: 16 }];
    let mut types = Vec::new();
    for file in ["layers.onnx", "branches.onnx"] {
        let before = Checkpoint::open(fixture(file)).unwrap();
        for receiver in [Receiver::OnnxRuntime, Receiver::Rten, Receiver::Tract] {
            for form in forms {
                let (model, graph) = rewritten(file, form, receiver);
                let after = open(&model);
                let floats = |tensors: &Checkpoint| {
                    let floats = tensors
                        .tensors()
                        .iter()
                        .filter(|info| info.dtype.is_float());
                    let mut named: Vec<_> =
                        floats.map(|i| (i.name.clone(), i.shape.clone())).collect();
                    named.sort();
                    named
                };
                assert_eq!(
                    floats(&before),
                    floats(&after),
                    "{file} {receiver:?} {form:?}"
                );
                for (number, info) in after.tensors().iter().enumerate() {
                    let (stored, bytes) = after.stored(number).unwrap();
                    if !info.dtype.is_float() || stored == Dtype::F32 {
                        continue;
                    }
                    types.push(stored);
                    let values = after.values(number).unwrap();
                    let found = plainly(&graph, &info.name, &info.shape);
                    assert_eq!(values, found, "{file} {receiver:?} {form:?} {}", info.name);
                    // Half a step of the coarsest.
                    let known = expected(values.len());
                    let off = values.iter().zip(&known).map(|(a, b)| (a - b).abs());
                    assert!(off.fold(0.0, f32::max) < 0.08, "{}", info.name);
                    assert!(
                        bytes < 4 * values.len() as u64 + 64,
                        "{}: {bytes}",
                        info.name
                    );
                }
            }
        }
    }
    for dtype in [Dtype::F16, Dtype::I8, Dtype::I4, Dtype::U4] {
        assert!(types.contains(&dtype), "{dtype} was seen");
    }
}

/// A tensor of a type, as it is written.
fn tensor(name: &str, kind: u8, dims: &[u8], raw: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = dims.iter().flat_map(|dim| [8, *dim]).collect();
    bytes.extend([16, kind]);
    bytes.extend(field(8, name.as_bytes()));
    bytes.extend(field(9, raw));
    field(5, &bytes)
}

fn floats(name: &str, dims: &[u8], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, 1, dims, &raw)
}

fn int(name: &str, value: u8) -> Vec<u8> {
    [field(1, name.as_bytes()), vec![3 << 3, value]].concat()
}

/// A node of onnxruntime's own domain.
fn product_of(inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut made = plain::all(&node("MatMulNBits", inputs, output, attributes), 1).remove(0);
    made.extend(field(7, b"com.microsoft"));
    field(1, &made)
}

fn values(model: &Checkpoint, name: &str) -> Vec<f32> {
    model.values(model.position(name).unwrap()).unwrap()
}

#[test]
fn graphs_of_others_are_read() {
    const U8: u8 = 2;
    const I8: u8 = 3;
    const F16: u8 = 10;
    const U4: u8 = 21;
    let graph = [
        // One scale, a zero point.
        node("DequantizeLinear", &["a", "a.s", "a.z"], "A", &[]),
        tensor("a", U8, &[3], &[0, 128, 255]),
        floats("a.s", &[], &[0.5]),
        tensor("a.z", U8, &[], &[128]),
        // A scale for each position of the usual axis, which is the second; in half precision.
        node("DequantizeLinear", &["b", "b.s"], "B", &[]),
        tensor("b", I8, &[2, 3], &[1, 2, 3, 255, 254, 253]),
        tensor(
            "b.s",
            F16,
            &[3],
            &[1.0, 2.0, 0.5]
                .map(|v| f16::from_f32(v).to_le_bytes())
                .concat(),
        ),
        // Blocks of two along the first axis, of which the last is half empty.
        node(
            "DequantizeLinear",
            &["c", "c.s", "c.z"],
            "C",
            &[int("axis", 0), int("block_size", 2)],
        ),
        tensor("c", U4, &[3, 1], &[0x21, 0x0f]),
        floats("c.s", &[2, 1], &[1.0, 10.0]),
        tensor("c.z", U4, &[2, 1], &[0x71]),
        // Three inputs, two outputs, blocks of two, zero points 1 and 2, then 3 and 4.
        product_of(
            &["x", "d_Q4", "d.s", "d.z"],
            "y",
            &[
                int("K", 3),
                int("N", 2),
                int("bits", 4),
                int("block_size", 2),
            ],
        ),
        tensor("d_Q4", U8, &[2, 2, 1], &[0x21, 0x03, 0x54, 0x06]),
        floats("d.s", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        tensor("d.z", U8, &[2, 1], &[0x21, 0x43]),
        floats("x", &[1, 3], &[0.0; 3]),
    ];
    let model = open(&plain::model(21, &graph.concat()));
    let names: Vec<&str> = model
        .tensors()
        .iter()
        .map(|info| info.name.as_str())
        .collect();
    assert_eq!(names, ["A", "B", "C", "d", "x"]);
    assert_eq!(values(&model, "A"), [-64.0, 0.0, 63.5]);
    assert_eq!(values(&model, "B"), [1.0, 4.0, 1.5, -1.0, -4.0, -1.5]);
    assert_eq!(values(&model, "C"), [0.0, 1.0, 80.0]);
    // [inputs, outputs]: (1 − 1)·1, (4 − 3)·3; (2 − 1)·1, (5 − 3)·3; (3 − 2)·2, (6 − 4)·4.
    assert_eq!(values(&model, "d"), [0.0, 3.0, 1.0, 6.0, 2.0, 8.0]);
    assert_eq!(model.tensors()[3].shape, [3, 2]);
    assert_eq!(model.stored(3).unwrap(), (Dtype::U4, 4 + 16 + 2));
}

#[test]
fn what_is_not_understood_stays_as_it_is() {
    const I8: u8 = 3;
    let codes = |name: &str| tensor(name, I8, &[2, 2], &[1, 2, 3, 4]);
    let graph = [
        // Its codes are computed.
        node("Relu", &["a"], "r", &[]),
        node("DequantizeLinear", &["r", "s"], "A", &[]),
        codes("a"),
        // Axes are turned in between.
        node("Transpose", &["b"], "t", &[]),
        node("DequantizeLinear", &["t", "s"], "B", &[]),
        codes("b"),
        // As many scales as nothing has.
        node("DequantizeLinear", &["c", "three"], "C", &[]),
        codes("c"),
        floats("three", &[3], &[1.0; 3]),
        // Not how codes are named.
        node("Cast", &["d"], "e", &[int("to", 1)]),
        node("Mul", &["e", "s"], "D", &[]),
        codes("d"),
        // A scale that another node needs as well.
        node("DequantizeLinear", &["f", "s"], "F", &[]),
        codes("f"),
        floats("s", &[2], &[1.0, 2.0]),
    ];
    let model = open(&plain::model(21, &graph.concat()));
    let names: Vec<&str> = model
        .tensors()
        .iter()
        .map(|info| info.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c", "three", "d", "F", "s"]);
    assert_eq!(values(&model, "F"), [1.0, 4.0, 3.0, 8.0]);
}

#[test]
fn sizes_are_those_of_the_files_that_are_written() {
    use compress_io::onnx::{Change, Rewrite};
    let dir = tempfile::tempdir().unwrap();
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    for (file, inline) in [
        ("layers.onnx", u64::MAX),
        ("layers.onnx", 0),
        ("outside.onnx", 0),
    ] {
        let model = Onnx::open(fixture(file)).unwrap();
        let uses = model.uses().unwrap();
        let all = (0..uses.len()).filter(|number| uses[*number].axes().is_some());
        let mut sum = 0;
        for (count, form) in [Form::F16, Form::Int8, Form::Int4 { block: 16 }]
            .into_iter()
            .enumerate()
        {
            let changes: Vec<Change<'_>> = all
                .clone()
                .map(|number| Change::new(number, form))
                .collect();
            let path = dir.path().join(format!("{count}.onnx"));
            let make = |changes: &[Change<'static>]| {
                Rewrite::new(&model, changes, Receiver::OnnxRuntime)
                    .unwrap()
                    .inline(inline)
            };
            let sizes = make(&changes).sizes(&path).unwrap();
            make(&changes).write(&model, &path).unwrap();
            let beside = path.with_extension("onnx.data");
            assert_eq!(
                sizes.files,
                length(&path) + length(&beside),
                "{file} {form:?}"
            );
            assert_eq!(sizes.tensors.len(), changes.len());
            let _ = std::fs::remove_file(&beside);
            sum += sizes.files;
            if inline < u64::MAX {
                continue;
            }
            // Of two files that differ in one tensor, the difference is what the tensor says.
            let less = make(&changes[1..]).sizes(&path).unwrap();
            let said = sizes.tensors[&all.clone().next().unwrap()].change;
            let found = sizes.files as i64 - less.files as i64;
            // Lengths of the fields around have as many bytes, or one more.
            assert!((found - said).abs() <= 2, "{form:?}: {found} {said}");
        }
        assert!(sum > 0);
    }
}

/// An attribute that is a graph.
fn branch(name: &str, graph: &[Vec<u8>]) -> Vec<u8> {
    let kind = vec![0xa0, 1, 5];
    [field(1, name.as_bytes()), field(6, &graph.concat()), kind].concat()
}

#[test]
fn names_within_branches_are_those_before_the_rewrite() {
    use compress_io::onnx::{Change, Rewrite};
    // Paths of one output are short, of the other too long to be spelled out.
    for output in ["y".to_owned(), "y".repeat(200)] {
        let dir = tempfile::tempdir().unwrap();
        let [before, after] = ["m.onnx", "q.onnx"].map(|name| dir.path().join(name));
        let then = [
            node("MatMul", &["x", "W"], "a", &[]),
            plain::matrix("inner", 16, 2),
            node("MatMul", &["x", "inner"], "b", &[]),
        ];
        let other = [node("MatMul", &["x", "W"], "c", &[])];
        let branches = [branch("then_branch", &then), branch("else_branch", &other)];
        let graph = [
            plain::matrix("W", 16, 2),
            node("If", &["condition"], &output, &branches),
        ];
        std::fs::write(&before, plain::model(21, &graph.concat())).unwrap();
        let model = Onnx::open(&before).unwrap();
        let names = |source: &dyn Source| -> Vec<String> {
            let names = source.tensors().iter().map(|info| info.name.clone());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let own = names(&model);
        assert_eq!(own.len(), 2);
        let outer = model.tensors().iter().position(|info| info.name == "W");
        let change = Change::new(outer.unwrap(), Form::Int4 { block: 16 });
        let rewrite = Rewrite::new(&model, &[change], Receiver::OnnxRuntime).unwrap();
        rewrite.write(&model, &after).unwrap();
        let weights = Checkpoint::open_as(&ONNX_WEIGHTS, &after).unwrap();
        assert_eq!(names(&weights), own);
        let stored = Onnx::open(&after).unwrap();
        let inner = own.iter().find(|name| name.ends_with("inner")).unwrap();
        assert!(names(&stored).contains(inner));
    }
}

#[test]
fn codes_are_one_weight_however_often_they_are_dequantized() {
    const I8: u8 = 3;
    let mut graph = vec![
        tensor("q", I8, &[2, 2], &[1, 2, 3, 4]),
        floats("s", &[], &[0.5]),
    ];
    for i in 0..1000 {
        let output = format!("w{i}");
        graph.push(node("DequantizeLinear", &["q", "s"], &output, &[]));
    }
    let model = open(&plain::model(21, &graph.concat()));
    let names: Vec<&str> = model.tensors().iter().map(|info| &*info.name).collect();
    assert_eq!(names, ["w0", "q", "s"]);
    assert_eq!(values(&model, "w0"), [0.5, 1.0, 1.5, 2.0]);
}
