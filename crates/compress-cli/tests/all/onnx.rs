//! ONNX through the tool.

use std::collections::BTreeMap;
use std::path::Path;

use compress_io::{Checkpoint, Source};
use serde_json::Value;

use crate::run::{json, run};

/// Small graphs with layers of each kind.
fn graph(dir: &Path) {
    let graph = include_bytes!("../../../compress-io/tests/all/onnx/fixtures/layers.onnx");
    std::fs::write(dir.join("m.onnx"), graph).unwrap();
}

#[test]
fn weights_get_the_form_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    graph(dir.path());
    let report = json(dir.path(), "quantize m.onnx -o q.onnx --type int8");
    let written = report["tensors"].as_array().unwrap();
    let quantized: Vec<_> = written.iter().filter(|t| t["to"] == "int8").collect();
    assert!(!quantized.is_empty());
    assert!(
        quantized
            .iter()
            .all(|t| (0.0..1e-3).contains(&t["relative_error"].as_f64().unwrap()))
    );
    let length = std::fs::metadata(dir.path().join("q.onnx")).unwrap().len();
    assert_eq!(report["bytes"].as_u64().unwrap(), length);
    let file = Checkpoint::open(dir.path().join("q.onnx")).unwrap();
    assert!(file.tensors().iter().any(|info| info.dtype.name() == "i8"));
    let plan = json(
        dir.path(),
        "quantize m.onnx -o d.onnx --type int8 --dry-run",
    );
    assert_eq!(plan["bytes"], report["bytes"]);
    assert!(!dir.path().join("d.onnx").exists());
}

#[test]
fn pruned_graphs_keep_all_else() {
    let dir = tempfile::tempdir().unwrap();
    graph(dir.path());
    json(
        dir.path(),
        "prune m.onnx -o p.onnx --density 0.5 --scope tensor",
    );
    let [before, after] =
        ["m.onnx", "p.onnx"].map(|n| Checkpoint::open(dir.path().join(n)).unwrap());
    assert_eq!(before.tensors(), after.tensors());
    let mut pruned = 0;
    for (index, info) in before
        .tensors()
        .iter()
        .enumerate()
        .filter(|(_, i)| i.dtype.is_float())
    {
        let (old, new) = (before.values(index).unwrap(), after.values(index).unwrap());
        if info.shape.len() < 2 {
            assert_eq!(old, new, "{}", info.name);
            continue;
        }
        let kept = new.iter().filter(|v| **v != 0.0).count();
        assert!(kept <= old.len().div_ceil(2), "{}", info.name);
        assert!(new.iter().zip(&old).all(|(n, o)| *n == 0.0 || n == o));
        pruned += 1;
    }
    assert!(pruned > 2);
}

#[test]
fn quantized_graphs_are_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    graph(dir.path());
    for form in ["int8", "int4"] {
        json(
            dir.path(),
            &format!("quantize m.onnx -o q.onnx --type {form}"),
        );
        for how in ["--density 0.5", "--n-m 2:4"] {
            let ran = run(dir.path(), &format!("prune q.onnx -o p.onnx {how}"));
            assert_eq!(ran.code, 2, "{form} {how}: {}", ran.error);
            assert!(ran.error.contains("prune first"), "{}", ran.error);
            assert!(!dir.path().join("p.onnx").exists());
        }
    }
    // Half precision has the values themselves.
    json(dir.path(), "quantize m.onnx -o h.onnx --type f16");
    let report = json(dir.path(), "prune h.onnx -o p.onnx --density 0.5");
    assert!(report["pruned_tensors"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn groups_lie_along_the_inputs_of_a_graph() {
    let dir = tempfile::tempdir().unwrap();
    graph(dir.path());
    let model = compress_io::onnx::Onnx::open(dir.path().join("m.onnx")).unwrap();
    let uses = model.uses().unwrap();
    // A matrix product's weight: [inputs, outputs].
    let turned = model.tensors().iter().zip(&uses).position(|(info, uses)| {
        let inputs = uses.axes().map(|axes| (axes.outputs, info.shape.len()));
        inputs == Some((1, 2)) && info.shape[0].is_multiple_of(4) && info.dtype.is_float()
    });
    let index = turned.expect("the fixture has one");
    let info = &model.tensors()[index];
    let command = format!("prune m.onnx -o p.onnx --n-m 2:4 --include {}", info.name);
    json(dir.path(), &command);
    let after = Checkpoint::open(dir.path().join("p.onnx")).unwrap();
    let values = after.values(after.position(&info.name).unwrap()).unwrap();
    let (inputs, outputs) = (info.shape[0], info.shape[1]);
    for output in 0..outputs {
        for group in (0..inputs).step_by(4) {
            let kept = (group..group + 4).filter(|i| values[i * outputs + output] != 0.0);
            assert!(kept.count() <= 2, "output {output}, inputs from {group} on");
        }
    }
    assert!(values.iter().any(|v| *v != 0.0));
}

#[test]
fn what_onnx_cannot_have_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    graph(dir.path());
    let cases = [
        ("quantize m.onnx -o q.onnx --type q4_k", "f16, int8, int4"),
        (
            "quantize m.onnx -o q.onnx --target-size 1KB",
            "the file has at least",
        ),
        (
            "quantize m.onnx -o q.onnx --type int4 --block 1",
            "int4 would take",
        ),
        (
            "quantize m.onnx -o q.onnx --bits-per-weight 1",
            "bits per weight are the least",
        ),
        (
            "quantize m.onnx -o q.onnx --bits-per-weight 5 --set conv.weight=int4 --receiver tract",
            "conv.weight",
        ),
        (
            "quantize m.onnx -o q.onnx --type int8 --keep nothing*",
            "fits no tensor",
        ),
        (
            "quantize m.onnx -o q.onnx --type int8 --receiver candle",
            "onnxruntime, rten or tract",
        ),
        ("convert m.onnx -o x.gguf", "general.architecture"),
        ("convert m.onnx -o x.onnx", "by quantize or prune"),
    ];
    for (arguments, said) in cases {
        let ran = run(dir.path(), arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}", ran.error);
        assert!(ran.error.contains(said), "{arguments}: {}", ran.error);
    }
}

/// The stored bytes of a tensor.
fn raw(file: &Checkpoint, name: &str) -> Vec<u8> {
    let place = file.position(name).unwrap();
    file.bytes(place).unwrap().into_owned()
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    let all = bytes
        .chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    all.map(f64::from).collect()
}

/// 10·log₁₀ of energy over squared error.
fn sqnr(before: &[f64], after: &[f64]) -> f64 {
    let energy: f64 = before.iter().map(|a| a * a).sum();
    let error: f64 = before
        .iter()
        .zip(after)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    10.0 * (energy / error).log10()
}

/// A weight of 2 axes by what the file stores of it, one value after the other.
fn by_hand(dir: &Path, name: &str, [rows, columns]: [usize; 2], form: &str) -> Vec<f64> {
    let file = Checkpoint::open(dir.join("q.onnx")).unwrap();
    let codes = raw(&file, &format!("{name}_quantized"));
    if form == "f16" {
        let half = |b: &[u8]| {
            let bits = u16::from_le_bytes([b[0], b[1]]);
            let (exponent, digits) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
            let size = match exponent {
                0 => digits * 2f64.powi(-14),
                _ => (1.0 + digits) * 2f64.powi(exponent - 15),
            };
            if bits >> 15 == 0 { size } else { -size }
        };
        return codes.chunks(2).map(half).collect();
    }
    let scales = floats(&raw(&file, &format!("{name}_scale")));
    let nibble = |i: usize| i32::from(codes[i / 2] >> (4 * (i % 2)) & 15);
    let mut values = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let place = row * columns + column;
            let (code, scale) = match form {
                "int8" => (i32::from(codes[place] as i8), scales[row]),
                // All of a row is in one block.
                "int4" => ((nibble(place) ^ 8) - 8, scales[row]),
                // For each column all of its rows in one block, with 8 as zero.
                _ => (nibble(column * rows + row) - 8, scales[column]),
            };
            values.push(f64::from(code as f32 * scale as f32));
        }
    }
    values
}

#[test]
fn quantized_graphs_are_compared_by_the_names_of_their_weights() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    graph(dir);
    json(dir, "convert m.onnx -o m.npz");
    json(dir, "convert m.onnx -o m.safetensors");
    let before = Checkpoint::open(dir.join("m.onnx")).unwrap();
    let cases = [
        ("f16", "onnxruntime", "gemm.weight", [5, 3], "f16", "f16"),
        ("int8", "onnxruntime", "gemm.weight", [5, 3], "int8", "i8"),
        ("int8", "tract", "gemm.weight", [5, 3], "int8", "i8"),
        ("int4", "onnxruntime", "gemm.weight", [5, 3], "int4", "i4"),
        (
            "int4",
            "onnxruntime",
            "matmul.weight",
            [32, 20],
            "product",
            "u4",
        ),
        ("int4", "tract", "matmul.weight", [32, 20], "product", "u4"),
    ];
    for (form, receiver, name, shape, layout, stored) in cases {
        let command = format!("quantize m.onnx -o q.onnx --type {form} --receiver {receiver}");
        json(dir, &command);
        let expected = sqnr(
            &floats(&raw(&before, name)),
            &by_hand(dir, name, shape, layout),
        );
        for other in ["m.onnx", "m.npz", "m.safetensors"] {
            let report = json(dir, &format!("verify {other} q.onnx --min-cosine 0.99"));
            let lines = report["tensors"].as_array().unwrap();
            let line = lines.iter().find(|line| line["name"] == name).unwrap();
            // None where they are equal, as these values are in half precision.
            let found = line["sqnr"].as_f64().unwrap_or(f64::INFINITY);
            assert!(
                found == expected || (found - expected).abs() < 1e-6,
                "{form}: {found} {expected}"
            );
            assert_eq!(line["b"], stored);
        }
        let shown = json(dir, "inspect q.onnx");
        let tensors = shown["tensors"].as_array().unwrap();
        let line = tensors.iter().find(|line| line["name"] == name).unwrap();
        assert_eq!(line["type"], stored);
        assert_eq!(line["shape"], serde_json::json!(shape));
        let diff = run(dir, "diff m.onnx q.onnx --json");
        assert_eq!(diff.code, 1);
        let diff: Value = serde_json::from_str(&diff.out).unwrap();
        let names = diff["differences"].as_array().unwrap();
        let has = |name: &str| names.iter().any(|d| d["name"] == name);
        assert!(has(name));
        assert!(!has(&format!("{name}_quantized")) && !has(&format!("{name}_scale")));
        // What is read is what is written elsewhere.
        json(dir, "convert q.onnx -o q.safetensors");
        let same = json(dir, "verify q.onnx q.safetensors");
        let lines = same["tensors"].as_array().unwrap();
        assert!(lines.iter().all(|line| line["equal"] == true));
        let strict = run(dir, "verify m.onnx q.onnx --min-sqnr 200");
        assert_eq!(strict.code, i32::from(form != "f16"), "{}", strict.error);
    }
    json(dir, "pack q.onnx -o q.cmp");
    json(dir, "verify q.onnx q.cmp");
}

/// Errors and bytes of each weight by name.
fn weights(report: &Value) -> BTreeMap<String, (f64, u64)> {
    let lines = report["tensors"].as_array().unwrap().iter();
    let of = |line: &Value| {
        let numbers = (line["relative_error"].as_f64(), line["bytes"].as_u64());
        (
            line["name"].as_str().unwrap().to_owned(),
            (numbers.0.unwrap(), numbers.1.unwrap()),
        )
    };
    lines.map(of).collect()
}

#[test]
fn the_forms_within_a_mean_of_bits_have_the_least_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    graph(dir);
    let plan = |goal: &str| json(dir, &format!("quantize m.onnx -o q.onnx {goal} --dry-run"));
    let forms = ["f16", "int8", "int4"].map(|form| weights(&plan(&format!("--type {form}"))));
    let model = Checkpoint::open(dir.join("m.onnx")).unwrap();
    let mut lists: Vec<Vec<(f64, u64)>> = Vec::new();
    let mut count = 0;
    for name in forms[0].keys() {
        let info = &model.tensors()[model.position(name).unwrap()];
        let mut list = vec![(0.0, info.bytes().unwrap())];
        list.extend(forms.iter().filter_map(|form| form.get(name)));
        lists.push(list);
        count += info.values();
    }
    for bits in [7.5, 8.0, 9.5, 14.0, 20.0] {
        // All choices, one by one.
        let (mut best, limit) = (f64::INFINITY, bits * count as f64 / 8.0);
        let all: usize = lists.iter().map(Vec::len).product();
        for mut choice in 0..all {
            let (mut error, mut bytes) = (0.0, 0);
            for list in &lists {
                let (of, size) = list[choice % list.len()];
                (error, bytes) = (error + of, bytes + size);
                choice /= list.len();
            }
            if bytes as f64 <= limit && error < best {
                best = error;
            }
        }
        let report = plan(&format!("--bits-per-weight {bits}"));
        let found = report["error"].as_f64().unwrap();
        assert!(
            (found - best).abs() <= 1e-9,
            "{bits} bits: {found}, {best} is the least"
        );
        assert!(report["bits_per_weight"].as_f64().unwrap() <= bits);
    }
    assert!(!dir.join("q.onnx").exists());
    // What a plan says is what comes out.
    for (form, planned) in ["f16", "int8", "int4"].into_iter().zip(&forms) {
        let report = json(dir, &format!("quantize m.onnx -o q.onnx --type {form}"));
        assert_eq!(weights(&report), *planned, "{form}");
    }
}

#[test]
fn files_have_at_most_the_size_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    graph(dir);
    let whole = std::fs::metadata(dir.join("m.onnx")).unwrap().len();
    for receiver in ["onnxruntime", "rten", "tract"] {
        let goal = |bytes: u64| {
            format!("quantize m.onnx -o q.onnx --target-size {bytes} --receiver {receiver}")
        };
        let refused = run(dir, &goal(1000));
        assert_eq!(refused.code, 2, "{}", refused.error);
        let words = refused.error.split_whitespace();
        let least = words
            .filter_map(|word| word.parse::<u64>().ok())
            .next_back()
            .unwrap();
        assert!(
            refused.error.contains("the target cannot be met"),
            "{}",
            refused.error
        );
        assert_eq!(run(dir, &goal(least - 1)).code, 2);
        let mut last = f64::INFINITY;
        for target in [
            least,
            least + 300,
            least + 1000,
            (least + whole) / 2,
            whole,
            2 * whole,
        ] {
            let report = json(dir, &goal(target));
            let length = std::fs::metadata(dir.join("q.onnx")).unwrap().len();
            assert!(length <= target, "{receiver}: {length} of {target}");
            assert_eq!(report["bytes"], length);
            let error = report["error"].as_f64().unwrap();
            assert!(
                error <= last,
                "{receiver}: more bytes, more error: {error} {last}"
            );
            last = error;
            run(dir, "verify m.onnx q.onnx");
        }
        assert_eq!(last, 0.0, "{receiver}: nothing changes where all fits");
    }
    let command =
        "quantize m.onnx -o q.onnx --target-size 8KB --set gemm.weight=int8 --keep lstm.*";
    let report = json(dir, command);
    let lines = report["tensors"].as_array().unwrap();
    let of = |name: &str| lines.iter().find(|line| line["name"] == name);
    assert_eq!(of("gemm.weight").unwrap()["to"], "int8");
    assert!(
        of("lstm.w").is_none(),
        "it stays, and is no weight that may be chosen"
    );
}

/// A field of a protobuf message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        bytes.push(length as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes.as_slice(), content].concat()
}

#[test]
fn a_size_is_met_by_forms_that_need_no_later_operators() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let node = |op: &str, inputs: &[&str], output: &str, attribute: &[u8]| {
        let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes()));
        let mut bytes: Vec<u8> = inputs.collect();
        bytes.extend(field(2, output.as_bytes()));
        bytes.extend(field(4, op.as_bytes()));
        bytes.extend(attribute);
        field(1, &bytes)
    };
    let values: Vec<u8> = crate::run::values(4096, 1)
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let weight = [
        &[8, 64, 8, 64, 8, 1, 8, 1, 16, 1][..],
        &field(8, b"W"),
        &field(9, &values),
    ];
    let mut graph = [
        field(5, &weight.concat()),
        node("Conv", &["x", "W"], "t0", &[]),
    ]
    .concat();
    // In operators of version 13 the axes are tensors, which makes each of these longer.
    let axes = field(5, &[&field(1, b"axes")[..], &[64, 2, 0xa0, 1, 7]].concat());
    for i in 0..300 {
        let names = [format!("t{i}"), format!("t{}", i + 1)];
        graph.extend(node("Unsqueeze", &[&names[0]], &names[1], &axes));
    }
    let model = [&[8, 7][..], &field(7, &graph), &field(8, &[16, 11])].concat();
    std::fs::write(dir.join("m.onnx"), &model).unwrap();
    let size = model.len() - 7_000;
    let command = format!("quantize m.onnx -o q.onnx --target-size {size}");
    let report = json(dir, &command);
    assert!(report["bytes"].as_u64().unwrap() <= size as u64);
    assert_eq!(report["tensors"][0]["to"], "f16", "{report}");
    let smaller = format!("quantize m.onnx -o q.onnx --target-size {}", size - 5_000);
    let refused = run(dir, &smaller);
    assert_eq!(refused.code, 2, "{}", refused.error);
    assert!(refused.error.contains("at least"), "{}", refused.error);
}
