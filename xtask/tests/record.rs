//! The quick record: the same bits with any number of threads and after an interruption, and a
//! test set that stays shut until every stage is finished.

use std::path::Path;
use std::process::{Command, Output};

const FILES: [&str; 5] = [
    "pooled-seed101.cmp",
    "pooled-seed102.cmp",
    "record.md",
    "report.json",
    "report.md",
];

fn record(out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "experiment",
            "record",
            "--quick",
            "--seed",
            "101",
            "--track",
            "pooled",
            "--out",
        ])
        .arg(out)
        .args(more)
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    let read = |name| std::fs::read(dir.join(name)).expect(name);
    FILES.map(read).into()
}

/// The folder of the training images, without those of the test.
fn without_test_images(dir: &Path) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    for name in ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] {
        std::fs::copy(data.join(name), dir.join(name)).expect("copy");
    }
}

#[test]
fn threads_and_interruptions_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let done = record(&one, &["--validation-only", "--threads", "1"]);
    assert!(done.status.success(), "{}", text(&done));
    let done = record(&two, &["--validation-only", "--threads", "3"]);
    assert!(done.status.success(), "{}", text(&done));
    let expected = files(&one);
    assert!(files(&two) == expected);
    assert!(expected[2].starts_with(b"# Track `pooled`"));

    // As if it had been interrupted in the last stage but one.
    let stages = two.join("stages");
    for name in ["quantized--seed-102.stage", "pruned--seed-102.stage"] {
        std::fs::remove_file(stages.join(name)).expect(name);
    }
    let done = record(&two, &["--validation-only", "--resume"]);
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("taken from the earlier run"));
    assert!(files(&two) == expected);
}

#[test]
fn the_test_set_is_opened_after_every_stage_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    without_test_images(dir.path());
    let data = dir.path().to_str().unwrap();
    let out = dir.path().join("out");
    let failed = record(&out, &["--data", data]);
    assert!(!failed.status.success());
    assert!(
        text(&failed).contains("t10k-images-idx3-ubyte.gz"),
        "{}",
        text(&failed)
    );
    for stage in ["teacher-2", "pruned--seed-101", "quantized--seed-102"] {
        let path = out.join("stages").join(format!("{stage}.stage"));
        assert!(path.exists(), "{stage}");
    }
    assert!(!out.join("record.md").exists());
    let done = record(&out, &["--data", data, "--validation-only", "--resume"]);
    assert!(done.status.success(), "{}", text(&done));
}

#[test]
fn what_it_does_not_know_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let failed = record(dir.path(), &["--target-bytes", "7"]);
    assert!(!failed.status.success());
    assert!(text(&failed).contains("1000"), "{}", text(&failed));
    let pipeline = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["experiment", "pipeline", "--quick", "--seeds", "3", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!pipeline.status.success());
    assert!(text(&pipeline).contains("--seeds"), "{}", text(&pipeline));
}
