//! Cases that are easy to get wrong without anybody noticing.

use std::path::Path;

use compress_io::{Checkpoint, Dtype, Format, OpaqueBlock, Plan, Source, TensorInfo};

use crate::run::{json, model, run, values};

/// A file of tensors in f32 or f64, with the values given.
fn write(dir: &Path, name: &str, tensors: &[(TensorInfo, Vec<f64>)]) {
    let path = dir.join(name);
    let format = Format::by_ending(&path).unwrap();
    let infos: Vec<TensorInfo> = tensors.iter().map(|(info, _)| info.clone()).collect();
    let mut plan = Plan {
        tensors: infos,
        metadata: vec![("general.architecture".into(), "made".into())],
    };
    format.arrange(&mut plan);
    let mut file = format.create(&path, &plan).unwrap();
    for info in &plan.tensors {
        let (_, values) = tensors.iter().find(|(other, _)| other == info).unwrap();
        for &value in values {
            match info.dtype {
                Dtype::F64 => file.write(&value.to_le_bytes()).unwrap(),
                _ => file.write(&(value as f32).to_le_bytes()).unwrap(),
            }
        }
    }
    file.finish().unwrap();
}

fn one(dtype: Dtype, shape: &[usize], values: Vec<f64>) -> [(TensorInfo, Vec<f64>); 1] {
    [(TensorInfo::new("w", dtype, shape), values)]
}

#[test]
fn what_is_kept_is_kept_and_vectors_must_be_named() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let to = |arguments: &str, name: &str| {
        let report = json(
            dir.path(),
            &format!("quantize m.gguf -o q.gguf {arguments}"),
        );
        let tensors = report["tensors"].as_array().unwrap();
        let found = tensors.iter().find(|t| t["name"] == name).unwrap();
        found["to"].as_str().unwrap().to_owned()
    };
    let both = "--type q4_0 --set *=q8_0 --keep embed.* --keep odd.*";
    assert_eq!(to(both, "embed.weight"), "f32", "keep wins");
    let of_layer = "--type q4_0 --set layers.0.*=q8_0";
    assert_eq!(to(of_layer, "layers.0.weight"), "q8_0");
    assert_eq!(
        to(of_layer, "layers.0.bias"),
        "f32",
        "a pattern sets weights"
    );
    assert_eq!(
        to("--type q4_0 --set layers.0.bias=q8_0", "layers.0.bias"),
        "q8_0"
    );
}

#[test]
fn a_file_that_replaces_itself_is_measured_against_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let other = json(dir.path(), "quantize m.gguf -o q.gguf --type q4_0");
    let same = json(dir.path(), "quantize m.gguf -o m.gguf --type q4_0");
    assert_eq!(same["error"], other["error"]);
    assert!(same["error"].as_f64().unwrap() > 0.0);
}

#[test]
fn types_are_chosen_among_those_that_the_file_can_have() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    let report = json(
        dir.path(),
        "quantize m.safetensors -o q.safetensors --bits-per-weight 20",
    );
    assert!(report["bits_per_weight"].as_f64().unwrap() <= 20.0);
    let tensors = report["tensors"].as_array().unwrap();
    assert!(
        tensors
            .iter()
            .any(|t| ["f16", "bf16"].contains(&t["to"].as_str().unwrap()))
    );
    let nan = run(
        dir.path(),
        "quantize m.safetensors -o q.safetensors --bits-per-weight nan",
    );
    assert_eq!(nan.code, 2, "{}", nan.error);
}

#[test]
fn verify_sees_small_differences_and_values_that_are_not_finite() {
    let dir = tempfile::tempdir().unwrap();
    let base = vec![1.0, -2.0, 3.0, 4.0];
    let f64s = |values: Vec<f64>| one(Dtype::F64, &[2, 2], values);
    write(dir.path(), "a.safetensors", &f64s(base.clone()));
    write(
        dir.path(),
        "b.safetensors",
        &f64s(vec![1.0 + 1e-10, -2.0, 3.0, 4.0]),
    );
    let report = json(dir.path(), "verify a.safetensors b.safetensors");
    assert_eq!(report["tensors"][0]["equal"], false);
    let strict = run(
        dir.path(),
        "verify a.safetensors b.safetensors --min-sqnr 300",
    );
    assert_eq!(strict.code, 1);
    write(
        dir.path(),
        "n.safetensors",
        &f64s(vec![f64::NAN, -2.0, 3.0, 4.0]),
    );
    let nan = run(dir.path(), "verify a.safetensors n.safetensors");
    assert_eq!(nan.code, 1, "{}", nan.out);
    assert!(nan.error.contains("w differs"), "{}", nan.error);
    assert_eq!(
        run(dir.path(), "verify n.safetensors n.safetensors").code,
        0
    );
    // What is worked on as f32 is not silently rounded.
    let pruned = run(
        dir.path(),
        "prune a.safetensors -o p.safetensors --density 0.5",
    );
    assert_eq!(pruned.code, 2);
    assert!(pruned.error.contains("w is f64"), "{}", pruned.error);
}

#[test]
fn sizes_count_all_files() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    json(
        dir.path(),
        "convert m.safetensors -o s.safetensors.index.json",
    );
    let report = json(dir.path(), "verify m.safetensors s.safetensors.index.json");
    assert!(report["bytes"].as_u64().unwrap() > 200_000);
    let gate = "verify m.safetensors s.safetensors.index.json --max-bytes 10KB";
    assert_eq!(run(dir.path(), gate).code, 1);
}

#[test]
fn groups_that_do_not_divide_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    let ran = run(dir.path(), "prune m.safetensors -o p.safetensors --n-m 2:4");
    assert_eq!(ran.code, 2);
    assert!(
        ran.error.contains("the 7 inputs of odd.weight"),
        "{}",
        ran.error
    );
    json(
        dir.path(),
        "prune m.safetensors -o p.safetensors --n-m 2:4 --exclude odd.*",
    );
}

#[test]
fn rows_in_another_order_are_compared_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    // A llama with two heads, whose rows of q are elsewhere in GGUF.
    let path = dir.path().join("m.gguf");
    let format = Format::by_ending(&path).unwrap();
    use compress_io::metadata::Value;
    let plan = Plan {
        tensors: vec![TensorInfo::new("blk.0.attn_q.weight", Dtype::F32, [8, 8])],
        metadata: vec![
            ("general.architecture".into(), "llama".into()),
            ("llama.attention.head_count".into(), Value::U32(2)),
            ("llama.attention.head_count_kv".into(), Value::U32(2)),
            ("llama.embedding_length".into(), Value::U32(8)),
        ],
    };
    let mut file = format.create(&path, &plan).unwrap();
    for value in values(64, 3) {
        file.write(&value.to_le_bytes()).unwrap();
    }
    file.finish().unwrap();
    json(dir.path(), "convert m.gguf -o m.safetensors");
    let [gguf, other] =
        ["m.gguf", "m.safetensors"].map(|name| Checkpoint::open(dir.path().join(name)).unwrap());
    assert_ne!(
        gguf.values(0).unwrap(),
        other.values(0).unwrap(),
        "rows are elsewhere"
    );
    assert_eq!(
        other.tensors()[0].name,
        "model.layers.0.self_attn.q_proj.weight"
    );
    let report = json(dir.path(), "verify m.gguf m.safetensors");
    assert_eq!(report["tensors"][0]["equal"], true);
    let found = run(dir.path(), "diff m.gguf m.safetensors").out;
    assert!(!found.contains("values of"), "{found}");
}

#[test]
fn packed_files_are_unpacked_first() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    json(dir.path(), "pack m.gguf -o m.cmp");
    for command in [
        "convert m.cmp -o x.gguf",
        "prune m.cmp -o x.gguf --density 0.5",
    ] {
        let ran = run(dir.path(), command);
        assert_eq!(ran.code, 2, "{}", ran.error);
        assert!(ran.error.contains("unpack it first"), "{}", ran.error);
    }
}

#[test]
fn blocks_that_are_not_read_are_copied_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    // Values and bytes of a block: ggml's header says so.
    for (format, values, bytes) in [
        (OpaqueBlock::Q8_1, 32, 36),
        (OpaqueBlock::Q8_K, 256, 292),
        (OpaqueBlock::Q1_0, 128, 18),
        (OpaqueBlock::Q2_0, 64, 18),
    ] {
        let opaque = TensorInfo::new("a.weight", Dtype::Opaque(format), [2, values]);
        let plain = TensorInfo::new("b.weight", Dtype::F32, [2, 256]);
        let plan = Plan {
            tensors: vec![opaque, plain],
            metadata: vec![("general.architecture".into(), "made".into())],
        };
        let mut file = Format::by_ending(&path)
            .unwrap()
            .create(&path, &plan)
            .unwrap();
        let blocks: Vec<u8> = (0..2 * bytes).map(|i| i as u8).collect();
        file.write(&blocks).unwrap();
        file.write(&[0; 4 * 512]).unwrap();
        file.finish().unwrap();
        for command in [
            "quantize m.gguf -o q.gguf --type q8_0",
            "prune m.gguf -o q.gguf --density 0.5",
            "convert m.gguf -o q.gguf",
        ] {
            let ran = run(dir.path(), command);
            assert_eq!(ran.code, 0, "{command}: {}", ran.error);
            let copy = Checkpoint::open(dir.path().join("q.gguf")).unwrap();
            assert_eq!(copy.tensors()[0].dtype, Dtype::Opaque(format));
            assert_eq!(*copy.bytes(0).unwrap(), blocks, "{command}");
        }
        let name = Dtype::Opaque(format).name();
        json(dir.path(), "pack m.gguf -o m.cmp");
        let report = json(dir.path(), "inspect m.cmp");
        assert_eq!(report["tensors"][0]["type"], name, "{report}");
        for command in [
            "quantize m.gguf -o q.gguf --type q8_0 --set a.weight=q4_0",
            "convert m.gguf -o m.safetensors",
        ] {
            let ran = run(dir.path(), command);
            assert_eq!(ran.code, 2, "{command}");
            for part in ["a.weight", name] {
                assert!(ran.error.contains(part), "{command}: {}", ran.error);
            }
        }
    }
}

#[test]
fn a_size_is_never_exceeded() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let fit = |size: u64| {
        let command = format!("quantize m.gguf -o q.gguf --target-size {size}");
        let report = json(dir.path(), &command);
        let written = dir.path().join("q.gguf").metadata().unwrap().len();
        assert_eq!(report["bytes"], written);
        assert!(written <= size, "{written} for {size}");
        written
    };
    let exact = fit(60_000);
    assert_eq!(fit(exact), exact);
    // A key that the file gets must not take it over the size.
    fit(exact - 1);
    fit(exact - 33);
}
