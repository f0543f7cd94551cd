//! What is refused, with which exit code, and that nothing is left behind.

use crate::run::{model, run};

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    model(dir.path(), "m.gguf");
    std::fs::write(dir.path().join("broken.gguf"), b"GGUF\x03\0\0\0").unwrap();
    std::fs::write(dir.path().join("text.txt"), b"hello").unwrap();
    std::fs::create_dir(dir.path().join("folder.gguf")).unwrap();
    let cases = [
        ("verify m.gguf m.gguf", 0, ""),
        ("verify m.gguf m.gguf --max-bytes 1KB", 1, "more than 1000"),
        ("diff m.gguf m.safetensors", 1, "1 difference"),
        ("nonsense", 2, "nonsense"),
        ("quantize m.gguf -o x.gguf", 2, "--type"),
        ("quantize m.gguf -o x.gguf --type q5", 2, "q4_k"),
        (
            "quantize m.gguf -o x.gguf --type q4_k --set embd.*=q8_0",
            2,
            "embed.weight",
        ),
        (
            "quantize m.gguf -o x.gguf --type q4_k --set odd.weight=q8_0",
            2,
            "f16 would do",
        ),
        ("quantize m.gguf -o x.gguf --target-size 1KB", 2, "at least"),
        ("quantize m.gguf -o x.gguf --target-size 1XB", 2, "no size"),
        ("quantize m.gguf -o x.txt --type q4_0", 2, ".gguf"),
        (
            "quantize m.safetensors -o x.safetensors --type q4_0",
            2,
            "q4_0",
        ),
        (
            "quantize m.gguf -o x.gguf --type mxfp4 --receiver candle",
            2,
            "candle does not read",
        ),
        ("prune m.gguf -o x.gguf --n-m 2-4", 2, "N:M"),
        ("prune m.gguf -o x.gguf --density 2", 2, "density"),
        (
            "prune m.gguf -o x.gguf --density 0.5 --type q4_k --include layers.0.*",
            2,
            "no exact zero",
        ),
        ("inspect none.gguf", 3, "none.gguf"),
        ("inspect broken.gguf", 3, "broken.gguf"),
        ("inspect text.txt", 3, "text.txt"),
        ("convert m.gguf -o folder.gguf", 4, "folder.gguf"),
        ("convert m.gguf -o none/x.gguf", 4, "none/x.gguf"),
    ];
    let before = std::fs::read_dir(dir.path()).unwrap().count();
    for (arguments, code, said) in cases {
        let ran = run(dir.path(), arguments);
        assert_eq!(ran.code, code, "{arguments}: {}", ran.error);
        assert!(ran.error.contains(said), "{arguments}: {}", ran.error);
    }
    let after = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(before, after, "nothing is left behind");
}

#[test]
fn values_that_no_type_holds_are_named() {
    use compress_io::{Dtype, Format, Plan, TensorInfo};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let tensors = vec![TensorInfo::new("w", Dtype::F32, [1, 32])];
    let plan = Plan {
        tensors,
        metadata: vec![],
    };
    let mut file = Format::by_ending(&path)
        .unwrap()
        .create(&path, &plan)
        .unwrap();
    for value in 0..32 {
        let value = if value == 7 { f32::NAN } else { 1e6 };
        file.write(&value.to_le_bytes()).unwrap();
    }
    file.finish().unwrap();
    let ran = run(
        dir.path(),
        "convert m.safetensors -o h.safetensors --type f16",
    );
    assert_eq!(ran.code, 3, "{}", ran.error);
    assert!(
        ran.error.contains("a value of w is 1000000"),
        "{}",
        ran.error
    );
    assert!(!dir.path().join("h.safetensors").exists());
}

#[test]
fn help_has_examples() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        "inspect", "convert", "quantize", "prune", "pack", "unpack", "verify", "diff", "run",
    ] {
        let help = run(dir.path(), &format!("{command} --help")).out;
        let examples = help
            .lines()
            .filter(|l| l.trim_start().starts_with("mcompress "))
            .count();
        assert!(examples >= 2, "{command}: {help}");
    }
}
