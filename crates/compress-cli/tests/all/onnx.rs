//! ONNX through the tool.

use std::path::Path;

use compress_io::{Checkpoint, Source};

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
        ("quantize m.onnx -o q.onnx --target-size 1MB", "--type"),
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
