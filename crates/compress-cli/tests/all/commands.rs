//! What each command makes.

use compress_io::{Checkpoint, Source};

use crate::run::{json, model, run};

#[test]
fn inspect_counts_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    let report = json(dir.path(), "inspect m.safetensors");
    assert_eq!(report["tensors"].as_array().unwrap().len(), 5);
    assert_eq!(report["values"], 64 * 256 + 96 * 512 + 96 + 32 * 96 + 35);
    assert_eq!(report["bits_per_weight"], 32.0);
    let bias = &report["tensors"][2];
    assert_eq!(bias["name"], "layers.0.bias");
    assert!(bias["least"].as_f64().unwrap() < 0.0 && bias["zeros"] == 0.0);
    let entropy = report["tensors"][0]["entropy"].as_f64().unwrap();
    // Signs and mantissas are nearly random, exponents are not.
    assert!((20.0..30.0).contains(&entropy), "{entropy} bits per value");
    let text = run(dir.path(), "inspect m.safetensors --tensor layers.1.*").out;
    assert!(text.contains("█") && !text.contains("embed"), "{text}");
    let header = json(dir.path(), "inspect m.safetensors --header");
    assert!(header["tensors"][0].get("entropy").is_none());
}

#[test]
fn convert_keeps_values_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    json(dir.path(), "convert m.safetensors -o m.gguf");
    json(dir.path(), "convert m.gguf -o again.safetensors");
    assert_eq!(
        run(dir.path(), "diff m.safetensors again.safetensors").code,
        0
    );
    json(dir.path(), "convert m.gguf -o half.gguf --type bf16");
    let report = json(dir.path(), "verify m.gguf half.gguf --min-sqnr 50");
    assert!(report["tensors"][0]["sqnr"].as_f64().unwrap() < 60.0);
}

#[test]
fn quantize_falls_back_where_blocks_do_not_divide() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let report = json(
        dir.path(),
        "quantize m.gguf -o q.gguf --type q4_k --keep embed.*",
    );
    let to: Vec<(&str, &str)> = report["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["name"].as_str().unwrap(), t["to"].as_str().unwrap()))
        .collect();
    assert!(to.contains(&("embed.weight", "f32")), "kept");
    assert!(to.contains(&("layers.0.weight", "q4_k")));
    assert!(to.contains(&("layers.0.bias", "f32")), "one axis");
    assert!(!to.contains(&("layers.1.weight", "q4_k")), "96 columns");
    assert!(to.contains(&("odd.weight", "f16")));
    let written = Checkpoint::open(dir.path().join("q.gguf")).unwrap();
    assert_eq!(written.tensors()[1].dtype.name(), "q4_k");
    let verified = json(dir.path(), "verify m.gguf q.gguf --min-sqnr 15");
    let worst = verified["tensors"][0]["sqnr"].as_f64().unwrap();
    let last = verified["tensors"][4]["sqnr"]
        .as_f64()
        .unwrap_or(f64::INFINITY);
    assert!(worst <= last, "worst first");
}

#[test]
fn importance_weighs_columns() {
    use compress_io::{Dtype, Format, Plan, TensorInfo};
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let path = dir.path().join("i.safetensors");
    let tensors = vec![TensorInfo::new("layers.0.weight", Dtype::F32, [512])];
    let plan = Plan {
        tensors,
        metadata: vec![],
    };
    let mut file = Format::by_ending(&path)
        .unwrap()
        .create(&path, &plan)
        .unwrap();
    for column in 0..512 {
        let weight: f32 = if column % 32 < 4 { 100.0 } else { 0.01 };
        file.write(&weight.to_le_bytes()).unwrap();
    }
    file.finish().unwrap();
    json(dir.path(), "quantize m.gguf -o a.gguf --type q3_k");
    json(
        dir.path(),
        "quantize m.gguf -o b.gguf --type q3_k --importance i.safetensors",
    );
    let read = |name: &str| {
        let file = Checkpoint::open(dir.path().join(name)).unwrap();
        file.values(file.position("layers.0.weight").unwrap())
            .unwrap()
    };
    let (exact, plain, weighted) = (read("m.gguf"), read("a.gguf"), read("b.gguf"));
    let error = |found: &[f32]| -> f32 {
        let columns = (0..exact.len()).filter(|i| i % 32 < 4);
        columns.map(|i| (found[i] - exact[i]).powi(2)).sum()
    };
    assert!(
        error(&weighted) < 0.7 * error(&plain),
        "where columns matter"
    );
}

#[test]
fn a_target_is_met_and_beats_uniform_types() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let uniform = json(dir.path(), "quantize m.gguf -o u.gguf --type q4_0");
    let bytes = uniform["bytes"].as_u64().unwrap();
    let command = format!("quantize m.gguf -o t.gguf --target-size {bytes} --exact");
    let plan = json(dir.path(), &format!("{command} --dry-run"));
    assert!(
        !dir.path().join("t.gguf").exists(),
        "a dry run writes nothing"
    );
    let chosen = json(dir.path(), &command);
    assert_eq!(
        plan["tensors"], chosen["tensors"],
        "the plan is what is done"
    );
    assert!(chosen["bytes"].as_u64().unwrap() <= bytes);
    let length = std::fs::metadata(dir.path().join("t.gguf")).unwrap().len();
    assert_eq!(chosen["bytes"].as_u64().unwrap(), length);
    let error = |report: &serde_json::Value| report["error"].as_f64().unwrap();
    assert!(error(&chosen) < error(&uniform));
    let bits = json(dir.path(), "quantize m.gguf -o b.gguf --bits-per-weight 6");
    assert!(bits["bits_per_weight"].as_f64().unwrap() <= 6.0);
}

#[test]
fn prune_keeps_the_largest() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    json(
        dir.path(),
        "prune m.safetensors -o p.safetensors --density 0.25 --exclude embed.*",
    );
    let read = |name: &str| Checkpoint::open(dir.path().join(name)).unwrap();
    let (before, after) = (read("m.safetensors"), read("p.safetensors"));
    let (mut kept, mut total, mut least, mut largest) = (0, 0, f32::MAX, 0.0_f32);
    for (index, info) in before.tensors().iter().enumerate() {
        let (old, new) = (before.values(index).unwrap(), after.values(index).unwrap());
        if info.name.starts_with("embed") || info.shape.len() < 2 {
            assert_eq!(old, new, "{}", info.name);
            continue;
        }
        total += old.len();
        for (old, new) in old.into_iter().zip(new) {
            if new == 0.0 {
                largest = largest.max(old.abs());
            } else {
                assert_eq!(old, new);
                kept += 1;
                least = least.min(old.abs());
            }
        }
    }
    assert_eq!(kept, (total as f64 * 0.25).round() as usize);
    assert!(largest <= least);
    json(
        dir.path(),
        "prune m.safetensors -o n.safetensors --n-m 2:4 --include layers.*.weight",
    );
    let after = read("n.safetensors");
    let values = after
        .values(after.position("layers.0.weight").unwrap())
        .unwrap();
    assert!(
        values
            .chunks(4)
            .all(|group| group.iter().filter(|v| **v != 0.0).count() == 2)
    );
}
