//! Packing and unpacking.

use std::path::Path;

use compress_io::{Checkpoint, Source};

use crate::run::{json, model, run};

/// Packs and unpacks a file, which must come back the same. Returns the share that it takes.
fn round_trip(dir: &Path, name: &str) -> f64 {
    let report = json(dir, &format!("pack {name} -o packed.cmp"));
    json(dir, "unpack packed.cmp -o back");
    let before = std::fs::read(dir.join(name)).unwrap();
    assert!(std::fs::read(dir.join("back")).unwrap() == before, "{name}");
    let bytes = std::fs::metadata(dir.join("packed.cmp")).unwrap().len();
    assert_eq!(report["bytes"], bytes);
    assert_eq!(report["from"], before.len());
    bytes as f64 / before.len() as f64
}

#[test]
fn files_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(dir, "m.safetensors");
    model(dir, "m.gguf");
    json(dir, "convert m.safetensors -o half.safetensors --type bf16");
    json(dir, "quantize m.gguf -o q8.gguf --type q8_0");
    json(dir, "quantize m.gguf -o q4.gguf --type q4_k");
    json(
        dir,
        "prune m.safetensors -o pruned.safetensors --density 0.1",
    );
    std::fs::write(dir.join("empty"), b"").unwrap();
    std::fs::write(dir.join("text.json"), "{\"a\": \"b\"}\n".repeat(1000)).unwrap();
    // Cut off, so that its tensors are not found.
    let whole = std::fs::read(dir.join("m.gguf")).unwrap();
    std::fs::write(dir.join("cut.gguf"), &whole[..whole.len() - 5]).unwrap();
    let most = [
        ("m.safetensors", 0.9),
        ("m.gguf", 0.9),
        ("half.safetensors", 0.8),
        ("q8.gguf", 0.99),
        ("q4.gguf", 1.01),
        ("pruned.safetensors", 0.16),
        ("text.json", 0.6),
        ("cut.gguf", 1.01),
    ];
    for (name, most) in most {
        let share = round_trip(dir, name);
        assert!(share < most, "{name}: {share}");
    }
    // The memory does not change what is written.
    json(dir, "pack m.safetensors -o whole.cmp");
    json(dir, "pack m.safetensors -o little.cmp --max-mem 1");
    let of = |name: &str| std::fs::read(dir.join(name)).unwrap();
    assert!(of("whole.cmp") == of("little.cmp"));
    json(dir, "unpack little.cmp -o back --max-mem 1");
    assert!(of("back") == of("m.safetensors"));
    json(dir, "pack empty -o empty.cmp");
    json(dir, "unpack empty.cmp -o back");
    assert!(std::fs::read(dir.join("back")).unwrap().is_empty());
}

#[test]
fn folders_and_shards_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let inner = dir.join("model");
    std::fs::create_dir_all(inner.join("elsewhere")).unwrap();
    model(&inner, "a.safetensors");
    // The same names of tensors again.
    model(&inner, "b.safetensors");
    model(&inner, "c.safetensors.index.json");
    std::fs::write(inner.join("config.json"), "{}").unwrap();
    let files = |dir: &Path| -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .filter(|path| path.is_file())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read(path).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    json(dir, "pack model -o all.cmp");
    json(dir, "unpack all.cmp -o new/folder");
    assert!(files(&dir.join("new/folder")) == files(&inner));
    let report = json(dir, "pack model/c.safetensors.index.json -o shards.cmp");
    assert_eq!(report["files"].as_array().unwrap().len(), 2);
    assert_eq!(report["files"][1]["tensors"], 5);
    json(dir, "unpack shards.cmp -o shards");
    assert!(
        files(&dir.join("shards"))
            .iter()
            .all(|file| files(&inner).contains(file))
    );
}

#[test]
fn one_tensor_is_taken_out_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(dir, "m.safetensors");
    json(dir, "pack m.safetensors -o m.cmp");
    let whole = Checkpoint::open(dir.join("m.safetensors")).unwrap();
    let index = whole.position("layers.0.weight").unwrap();
    let listed = json(dir, "inspect m.cmp");
    let expected = json(dir, "inspect m.safetensors");
    assert_eq!(listed["tensors"], expected["tensors"]);
    assert_eq!(listed["format"], "cmp");
    // Another tensor is damaged.
    let packed = std::fs::read(dir.join("m.cmp")).unwrap();
    let mut damaged = packed.clone();
    damaged[20] ^= 1;
    std::fs::write(dir.join("damaged.cmp"), &damaged).unwrap();
    for name in ["t.safetensors", "t.npy", "t.gguf"] {
        json(
            dir,
            &format!("unpack damaged.cmp -o {name} --tensor layers.0.weight"),
        );
        let taken = Checkpoint::open(dir.join(name)).unwrap();
        assert_eq!(taken.tensors().len(), 1);
        assert_eq!(taken.tensors()[0].shape, [96, 512]);
        assert!(
            taken.bytes(0).unwrap() == whole.bytes(index).unwrap(),
            "{name}"
        );
    }
    let cases = [
        ("unpack damaged.cmp -o x", 3, "embed.weight"),
        (
            "unpack m.cmp -o t.safetensors --tensor layers.9",
            2,
            "layers.0.weight",
        ),
        (
            "unpack m.cmp -o t.xyz --tensor layers.0.weight",
            2,
            ".safetensors",
        ),
        ("unpack m.safetensors -o x", 3, "no container"),
        ("unpack none.cmp -o x", 3, "none.cmp"),
        ("pack none -o x.cmp", 3, "none"),
        ("pack m.safetensors -o none/x.cmp", 4, "none/x.cmp"),
    ];
    for (arguments, code, said) in cases {
        let ran = run(dir, arguments);
        assert_eq!(ran.code, code, "{arguments}: {}", ran.error);
        assert!(ran.error.contains(said), "{arguments}: {}", ran.error);
    }
    assert!(!dir.join("x").exists());
}

#[test]
fn files_that_would_lie_elsewhere_are_refused() {
    use compress_format::container::{Layout, Writer};
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let lines = |name: &str, gaps: &str, rest: usize| {
        format!(
            "[{{\"name\":\"{name}\",\"bytes\":3,\"crc32\":891568578,\"tensors\":0,\"rest\":{rest},\"gaps\":{gaps}}}]"
        )
    };
    let cases = [
        (lines("x", "[[0,3]]", 1), 0, ""),
        (lines("../x", "[[0,3]]", 1), 3, "without a folder"),
        (lines("/tmp/x", "[[0,3]]", 1), 3, "without a folder"),
        (lines("x/", "[[0,3]]", 1), 3, "without a folder"),
        (lines("", "[[0,3]]", 1), 3, "without a folder"),
        (lines("..", "[[0,3]]", 1), 3, "without a folder"),
        (lines("x", "[[0,3]]", 2), 3, "number of tensors"),
        (lines("x", "[[0,18446744073709551615]]", 1), 3, "gaps"),
        (lines("x", "[[0,2]]", 1), 3, "those that were packed"),
        (lines("x", "[[9,3]]", 1), 3, "those that were packed"),
        ("[".into(), 3, "EOF"),
    ];
    for (files, code, said) in cases {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let layout = Layout::integers(1).unwrap();
        writer
            .elements("rest", &[3], "bytes", &layout, b"abc")
            .unwrap();
        writer.metadata("files", &files).unwrap();
        std::fs::write(dir.join("p.cmp"), writer.finish().unwrap()).unwrap();
        let ran = run(dir, "unpack p.cmp -o out");
        assert_eq!(ran.code, code, "{files}: {}", ran.error);
        assert!(ran.error.contains(said), "{files}: {}", ran.error);
    }
}
