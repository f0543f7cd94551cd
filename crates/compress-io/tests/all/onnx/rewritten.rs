//! What models become, read again by the plain reader. onnxruntime and onnx's checker have accepted
//! files of each kind.

use std::path::Path;

use compress_core::Result;
use compress_core::parameters::Parameters;
use compress_io::onnx::{
    Change, Codes, Form, Onnx, Quantizer, Receiver, Rewrite, RoundToNearest, Weight,
};
use compress_io::{Checkpoint, Source};
use half::f16;

use super::plain::{self, Graph, Node};
use super::{expected, fixture};

/// All weights with axes in a form, where it can be had.
fn changes(model: &Onnx, form: Form, receiver: Receiver) -> Vec<Change<'static>> {
    let uses = model.uses().unwrap().into_iter().enumerate();
    let with_axes = uses.filter(|(_, uses)| uses.axes().is_some());
    let changes = with_axes.map(|(number, _)| Change::new(number, form));
    let can = |change: &Change<'static>| Rewrite::new(model, &[*change], receiver).is_ok();
    changes.filter(can).collect()
}

pub(super) fn rewritten(name: &str, form: Form, receiver: Receiver) -> (Vec<u8>, Graph) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.onnx");
    let model = Onnx::open(fixture(name)).unwrap();
    let changes = changes(&model, form, receiver);
    let rewrite = Rewrite::new(&model, &changes, receiver).unwrap();
    rewrite.write(&model, &path).unwrap();
    Onnx::open(&path).unwrap().uses().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let graph = Graph::of(&bytes);
    (bytes, graph)
}

fn opset(model: &[u8], domain: &str) -> Option<u64> {
    let mut imports = plain::all(model, 8).into_iter();
    let found = imports.find(|import| plain::text(import, 1) == domain);
    found.map(|import| plain::numbers(&import, 2)[0])
}

/// The values of a weight by the node in front of it.
pub(super) fn dequantized(graph: &Graph, name: &str) -> Vec<f32> {
    let node = graph.giver(name).unwrap();
    match node.op.as_str() {
        "Cast" => {
            let halves = graph.tensor(&node.inputs[0]);
            assert_eq!((halves.kind, node.int("to")), (10, Some(1)));
            let chunks = halves.raw.chunks(2);
            chunks
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect()
        }
        "Mul" => {
            let cast = graph.giver(&node.inputs[0]).unwrap();
            assert_eq!((cast.op.as_str(), cast.int("to")), ("Cast", Some(1)));
            let (codes, scales) = (graph.tensor(&cast.inputs[0]), graph.tensor(&node.inputs[1]));
            let axis = scales.shape.iter().position(|dim| *dim > 1).unwrap();
            assert_eq!(scales.shape[axis], codes.shape[axis]);
            assert_eq!(scales.shape.len(), codes.shape.len());
            by_scale(
                &codes.shape,
                &bytes_of(codes),
                &scales.floats(),
                axis,
                usize::MAX,
            )
        }
        _ => {
            assert_eq!(node.op, "DequantizeLinear");
            let (codes, scales) = (graph.tensor(&node.inputs[0]), graph.tensor(&node.inputs[1]));
            let axis = node.int("axis").unwrap() as usize;
            let block = node
                .int("block_size")
                .map_or(usize::MAX, |block| block as usize);
            assert_eq!(codes.kind, if block == usize::MAX { 3 } else { 22 });
            by_scale(
                &codes.shape,
                &bytes_of(codes),
                &scales.floats(),
                axis,
                block,
            )
        }
    }
}

/// The codes of a tensor of 8 or 4 bits.
fn bytes_of(codes: &plain::Tensor) -> Vec<i8> {
    let nibbles = |b: &u8| [(b << 4) as i8 >> 4, *b as i8 >> 4];
    match codes.kind {
        3 => codes.raw.iter().map(|b| *b as i8).collect(),
        _ => codes.raw.iter().flat_map(nibbles).collect(),
    }
}

/// Code · scale, position by position: with blocks along the axis, or one scale for each of its
/// positions.
fn by_scale(shape: &[usize], codes: &[i8], scales: &[f32], axis: usize, block: usize) -> Vec<f32> {
    let count = shape.iter().product();
    let value = |mut position: usize| {
        let code = f32::from(codes[position]);
        let mut index = vec![0; shape.len()];
        for (at, dim) in index.iter_mut().zip(shape).rev() {
            (*at, position) = (position % dim, position / dim);
        }
        if block == usize::MAX {
            return code * scales[index[axis]];
        }
        index[axis] /= block;
        let mut at = 0;
        for (i, dim) in shape.iter().enumerate() {
            at = at * if i == axis { dim.div_ceil(block) } else { *dim } + index[i];
        }
        code * scales[at]
    };
    (0..count).map(value).collect()
}

/// The values of the weight of a `MatMulNBits` as `[N, K]`.
pub(super) fn product(graph: &Graph, node: &Node) -> Vec<f32> {
    let int = |name: &str| node.int(name).unwrap() as usize;
    let (n, k, block) = (int("N"), int("K"), int("block_size"));
    assert_eq!((node.inputs.len(), int("bits")), (3, 4));
    let (codes, scales) = (graph.tensor(&node.inputs[1]), graph.tensor(&node.inputs[2]));
    let blocks = k.div_ceil(block);
    assert_eq!((codes.kind, &codes.shape), (2, &vec![n, blocks, block / 2]));
    assert_eq!(scales.shape, [n, blocks]);
    let scales = scales.floats();
    let mut values = Vec::new();
    for row in 0..n {
        for column in 0..blocks * block {
            let byte = codes.raw[(row * blocks * block + column) / 2];
            let code = if column % 2 == 0 {
                byte & 15
            } else {
                byte >> 4
            };
            match column < k {
                true => {
                    values.push((f32::from(code) - 8.0) * scales[row * blocks + column / block])
                }
                false => assert_eq!(code, 8, "nothing is behind the last input"),
            }
        }
    }
    values
}

/// Checks that values are at most half a step away; the largest magnitude is below 1.
fn close(found: &[f32], largest_code: f32, name: &str) {
    let expected = expected(found.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= 0.5001 / largest_code,
            "{name}: {found} {expected}"
        );
    }
    assert!(
        largest_code > 1000.0 || found != expected,
        "{name} was rounded"
    );
}

const WEIGHTS: [&str; 9] = [
    "conv.weight",
    "up.weight",
    "gemm.weight",
    "wide.weight",
    "matmul.weight",
    "tied.weight",
    "embed.weight",
    "lstm.w",
    "lstm.r",
];

#[test]
fn eight_bits_by_channel_stand_behind_dequantize_linear() {
    let (model, graph) = rewritten("layers.onnx", Form::Int8, Receiver::OnnxRuntime);
    for name in WEIGHTS {
        close(&dequantized(&graph, name), 127.0, name);
    }
    assert_eq!(opset(&model, ""), Some(13));
    // A node had that name already.
    assert_eq!(
        graph.giver("wide.weight").unwrap().inputs[0],
        "wide.weight_quantized_1"
    );
    // What changed between 11 and 13: axes are inputs, and softmax has one axis.
    let squeeze = graph.giver("z").unwrap();
    assert_eq!((squeeze.op.as_str(), squeeze.inputs.len()), ("Squeeze", 2));
    assert_eq!(graph.tensor(&squeeze.inputs[1]).raw, 1_i64.to_le_bytes());
    let ops: Vec<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    assert!(
        ops.windows(4)
            .any(|w| *w == ["Shape", "Flatten", "Softmax", "Reshape"]),
        "{ops:?}"
    );
    assert_eq!(
        graph.giver("m").unwrap().inputs,
        ["u"],
        "ReduceMean changed in 18 alone"
    );
    // What is unknown is still there, at the end and within the weight; and so are texts.
    let unknown = b"\xc0\x3e\x85\x80\x00\xca\x3e\x03new\xd3\x3e\x08\x01\xd4\x3e";
    assert!(model.ends_with(unknown));
    assert_eq!(
        model
            .windows(unknown.len())
            .filter(|w| w == unknown)
            .count(),
        2
    );
    for text in ["a fixture", "a layer", "a weight", "made by"] {
        assert!(
            model.windows(text.len()).any(|w| w == text.as_bytes()),
            "{text}"
        );
    }
    // An initializer that nodes give is no input.
    let graph = &plain::all(&model, 7)[0];
    let inputs: Vec<String> = plain::all(graph, 11)
        .iter()
        .map(|i| plain::text(i, 1))
        .collect();
    assert_eq!(inputs, ["x", "ids"]);
}

#[test]
fn graphs_within_nodes_are_rewritten_where_their_tensors_are() {
    let (model, graph) = rewritten("branches.onnx", Form::Int8, Receiver::OnnxRuntime);
    assert_eq!(opset(&model, ""), Some(16), "it is late enough");
    let found = graph
        .nodes
        .iter()
        .filter(|node| node.op == "DequantizeLinear");
    let outputs: Vec<&str> = found.map(|node| node.outputs[0].as_str()).collect();
    assert_eq!(outputs, ["shared", "w", "w"]);
    close(&dequantized(&graph, "w"), 127.0, "w");
    close(&dequantized(&graph, "shared"), 127.0, "shared");
}

#[test]
fn four_bits_are_a_product_where_they_can_be() {
    let block = 16;
    let (model, graph) = rewritten("layers.onnx", Form::Int4 { block }, Receiver::OnnxRuntime);
    let products: Vec<&Node> = graph
        .nodes
        .iter()
        .filter(|n| n.op == "MatMulNBits")
        .collect();
    let [first, head] = products[..] else {
        panic!("{products:?}");
    };
    assert_eq!((first.int("K"), first.int("N")), (Some(32), Some(20)));
    assert_eq!((head.int("K"), head.int("N")), (Some(20), Some(6)));
    let turned = product(&graph, first);
    let stored: Vec<f32> = (0..32 * 20).map(|i| turned[i % 20 * 32 + i / 20]).collect();
    close(&stored, 7.0, "matmul.weight");
    close(&product(&graph, head), 7.0, "tied.weight");
    let ops: Vec<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    assert!(
        !ops.contains(&"Transpose") && !ops.contains(&"Identity"),
        "{ops:?}"
    );
    for name in WEIGHTS {
        if !["matmul.weight", "tied.weight"].contains(&name) {
            close(&dequantized(&graph, name), 7.0, name);
        }
    }
    assert_eq!(
        (opset(&model, ""), opset(&model, "com.microsoft")),
        (Some(21), Some(1))
    );
    assert_eq!(
        plain::numbers(&model, 1),
        [10],
        "the version of the format that has 4 bits"
    );
    assert_eq!(
        graph.giver("m").unwrap().inputs.len(),
        2,
        "ReduceMean has axes as an input"
    );
}

#[test]
fn half_precision_is_cast_back() {
    let (model, graph) = rewritten("layers.onnx", Form::F16, Receiver::Rten);
    for name in WEIGHTS {
        close(&dequantized(&graph, name), 2048.0, name);
    }
    assert_eq!(opset(&model, ""), Some(11), "a cast needs no other version");
}

#[test]
fn each_receiver_gets_what_it_runs() {
    let (model, graph) = rewritten("layers.onnx", Form::Int8, Receiver::Tract);
    for name in WEIGHTS {
        close(&dequantized(&graph, name), 127.0, name);
    }
    assert_eq!(opset(&model, ""), Some(11));
    let model = Onnx::open(fixture("layers.onnx")).unwrap();
    let refused = |name: &str, block: usize, receiver: Receiver| {
        let number = model
            .tensors()
            .iter()
            .position(|info| info.name == name)
            .unwrap();
        let change = Change::new(number, Form::Int4 { block });
        Rewrite::new(&model, &[change], receiver)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refused("tied.weight", 16, Receiver::Tract), None);
    let error = refused("tied.weight", 16, Receiver::Rten).unwrap();
    assert!(error.contains("do not divide the 20 inputs"), "{error}");
    let error = refused("matmul.weight", 24, Receiver::Rten).unwrap();
    assert!(error.contains("no power of two"), "{error}");
    let error = refused("conv.weight", 16, Receiver::Tract).unwrap();
    assert!(error.contains("conv.weight is used by c (Conv)"), "{error}");
    let error = refused("gemm.bias", 16, Receiver::OnnxRuntime).unwrap();
    assert!(error.contains("which axis is the outputs"), "{error}");
    assert!(refused("conv.weight", 0, Receiver::OnnxRuntime).is_some());
}

/// All weights pruned where they are below a half.
fn pruned(path: &Path) -> Checkpoint {
    let mut model = Checkpoint::open(path).unwrap();
    let prune = |tensor: compress_core::tensor::TensorMut<'_>| {
        let small = tensor.values.iter_mut().filter(|v| v.abs() < 0.5);
        small.for_each(|v| *v = 0.0);
        Ok(())
    };
    model.visit_mut(&mut { prune }).unwrap();
    model
}

#[test]
fn other_values_stand_where_the_old_ones_stood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.onnx");
    for name in ["layers.onnx", "branches.onnx"] {
        let (model, values) = (Onnx::open(fixture(name)).unwrap(), pruned(&fixture(name)));
        let all = (0..model.tensors().len()).map(|number| Change::new(number, Form::Values));
        let changes: Vec<Change<'_>> = all.collect();
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).unwrap();
        rewrite.write(&values, &path).unwrap();
        let after = Checkpoint::open(&path).unwrap();
        for (number, info) in after.tensors().iter().enumerate() {
            let mut expected = expected(info.values());
            expected
                .iter_mut()
                .filter(|v| v.abs() < 0.5)
                .for_each(|v| *v = 0.0);
            assert_eq!(after.values(number).unwrap(), expected, "{}", info.name);
        }
        // The script's tensors have the same fields, so that the rest has the same bytes.
        let length = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert_eq!(length(&path), length(&fixture(name)));
        assert_eq!(after.metadata(), model.metadata());
    }
    let (model, other) = (
        Onnx::open(fixture("layers.onnx")).unwrap(),
        pruned(&fixture("outside.onnx")),
    );
    let changes = [Change::new(0, Form::Values)];
    let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).unwrap();
    let error = rewrite.write(&other, &path).unwrap_err().to_string();
    assert!(error.contains("conv.weight"), "{error}");
}

#[test]
fn values_lie_outside_where_they_did_or_where_they_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.onnx");
    for (name, inline) in [("outside.onnx", u64::MAX), ("layers.onnx", 0)] {
        let model = Onnx::open(fixture(name)).unwrap();
        let changes = [Change::new(1, Form::Int8)];
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).unwrap();
        rewrite.inline(inline).write(&model, &path).unwrap();
        let data = std::fs::read(dir.path().join("new.onnx.data")).unwrap();
        let graph = &plain::all(&std::fs::read(&path).unwrap(), 7)[0];
        let outside = plain::all(graph, 5)
            .into_iter()
            .filter(|t| plain::numbers(t, 14) == [1]);
        let outside: Vec<Vec<u8>> = outside.collect();
        assert!(!outside.is_empty());
        for tensor in outside {
            let pairs = plain::all(&tensor, 13);
            let pairs: Vec<String> = pairs.iter().map(|pair| plain::text(pair, 2)).collect();
            let [location, offset, length] = &pairs[..] else {
                panic!("{pairs:?}");
            };
            assert_eq!(location, "new.onnx.data");
            let (offset, length): (usize, usize) =
                (offset.parse().unwrap(), length.parse().unwrap());
            assert_eq!(offset % 4096, 0);
            let bytes = expected(length / 4).into_iter().flat_map(f32::to_le_bytes);
            assert!(data[offset..offset + length].iter().copied().eq(bytes));
        }
        let after = Onnx::open(&path).unwrap();
        let scale = format!("{}_scale", model.tensors()[1].name);
        assert!(after.tensors().iter().any(|info| info.name == scale));
    }
}

/// Gives what it is told.
struct Given(Codes);

impl Quantizer for Given {
    fn quantize(&self, weight: &Weight<'_>) -> Result<Codes> {
        assert_eq!(
            (weight.name, weight.layout.shape()),
            ("gemm.weight", &[5, 3][..])
        );
        assert_eq!((weight.axes.outputs, weight.values), (0, &expected(15)[..]));
        Ok(self.0.clone())
    }
}

#[test]
fn codes_come_from_whom_the_caller_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.onnx");
    let model = Onnx::open(fixture("layers.onnx")).unwrap();
    let write = |quantizer: &dyn Quantizer| {
        let changes = [Change::new(2, Form::Int8).by(quantizer)];
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).unwrap();
        let written = rewrite
            .write(&model, &path)
            .map_err(|error| error.to_string());
        written.map(|()| dequantized(&Graph::of(&std::fs::read(&path).unwrap()), "gemm.weight"))
    };
    let codes: Vec<i8> = (-128..=127).step_by(18).collect();
    let given = Codes {
        codes,
        scales: vec![0.5, 1.0, 2.0, 4.0, 8.0],
    };
    let expected = |i: usize| f32::from(given.codes[i]) * given.scales[i / 3];
    assert_eq!(given.codes.len(), 15);
    let expected: Vec<f32> = (0..15).map(expected).collect();
    assert_eq!(write(&Given(given.clone())).unwrap(), expected);
    let with = |change: fn(&mut Codes)| {
        let mut codes = given.clone();
        change(&mut codes);
        write(&Given(codes)).unwrap_err()
    };
    assert!(with(|c| c.scales[2] = f32::NAN).contains("a scale of gemm.weight is NaN"));
    assert!(with(|c| c.scales.push(1.0)).contains("the number of scales of gemm.weight is 6"));
    assert!(with(|c| c.codes.truncate(14)).contains("the number of codes of gemm.weight is 14"));
    // Scales of the caller with the codes that are nearest.
    let scales = Some(vec![0.25; 5]);
    let values = write(&RoundToNearest { scales }).unwrap();
    let nearest = super::expected(15)
        .into_iter()
        .map(|v| (v / 0.25).round_ties_even() * 0.25);
    assert_eq!(values, nearest.collect::<Vec<_>>());
}
