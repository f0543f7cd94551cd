//! The quick record: the same bits with any number of threads and after an interruption, and a
//! test set that stays shut until every stage is finished.

use std::path::Path;
use std::process::{Command, Output};

use compress_core::isa::Isa;

const FILES: [&str; 5] = [
    "pooled-seed101.cmp",
    "pooled-seed102.cmp",
    "record.md",
    "report.json",
    "report.md",
];

fn record(out: &Path, isa: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["experiment", "record", "--quick", "--out"])
        .arg(out)
        .args(more)
        .env("COMPRESS_ISA", isa)
        .output()
        .expect("the binary runs")
}

/// On the track `pooled`, with seeds that cannot open the test set.
fn pooled(out: &Path, isa: &str, more: &[&str]) {
    let more = [&["--track", "pooled", "--seed", "101"], more].concat();
    let done = record(out, isa, &more);
    assert!(done.status.success(), "{}", text(&done));
}

fn best() -> &'static str {
    Isa::available().last().expect("a level").name()
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
fn threads_levels_and_interruptions_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    pooled(&one, best(), &["--threads", "1"]);
    let expected = files(&one);
    assert!(expected[2].starts_with(b"# Track `pooled`"));
    for (isa, threads) in Isa::available().map(Isa::name).zip(["3", "1", "2", "1"]) {
        let out = dir.path().join(isa);
        pooled(&out, isa, &["--threads", threads]);
        assert!(files(&out) == expected, "{isa}");
    }

    // As if it had been interrupted in the last stage but one.
    std::fs::rename(dir.path().join(best()), &two).unwrap();
    let stages = two.join("stages");
    for name in ["quantized--seed-102.stage", "pruned--seed-102.stage"] {
        std::fs::remove_file(stages.join(name)).expect(name);
    }
    pooled(&two, best(), &["--resume"]);
    assert!(files(&two) == expected);
}

#[test]
fn the_test_set_is_opened_after_every_stage_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    without_test_images(dir.path());
    let data = dir.path().to_str().unwrap();
    let out = dir.path().join("out");
    let failed = record(&out, best(), &["--data", data]);
    assert!(!failed.status.success());
    assert!(
        text(&failed).contains("t10k-images-idx3-ubyte.gz"),
        "{}",
        text(&failed)
    );
    for stage in ["pruned--seed-1", "quantized--seed-2"] {
        let path = out.join("stages").join(format!("{stage}.stage"));
        assert!(path.exists(), "{stage}");
    }
    assert!(!out.join("record.md").exists());
    let done = record(
        &out,
        best(),
        &["--data", data, "--validation-only", "--resume"],
    );
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("taken from the earlier run"));
}

#[test]
fn other_seeds_than_those_reported_cannot_open_the_test_set() {
    let dir = tempfile::tempdir().unwrap();
    without_test_images(dir.path());
    let data = dir.path().to_str().unwrap();
    // One of them is beyond 5.
    let out = dir.path().join("out");
    let done = record(
        &out,
        best(),
        &["--data", data, "--seed", "5", "--seeds", "2"],
    );
    assert!(done.status.success(), "{}", text(&done));

    // Another track takes up the teachers, and leaves no file of the earlier one.
    assert!(out.join("pixels-seed6.cmp").exists());
    let more = [
        "--data", data, "--seed", "5", "--seeds", "2", "--track", "pooled",
    ];
    let done = record(&out, best(), &more);
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("teacher 1"), "{}", text(&done));
    let teacher = text(&done);
    let teacher = teacher.lines().find(|line| line.starts_with("teacher 1"));
    assert!(teacher.unwrap().ends_with("taken from the earlier run"));
    assert!(!out.join("pixels-seed6.cmp").exists());
    assert!(out.join("pooled-seed6.cmp").exists());
}

#[test]
fn what_it_does_not_know_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let failed = record(dir.path(), best(), &["--target-bytes", "7"]);
    assert!(!failed.status.success());
    for part in ["7 bytes", "1000"] {
        assert!(text(&failed).contains(part), "{}", text(&failed));
    }
    let pipeline = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["experiment", "pipeline", "--quick", "--seeds", "3", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!pipeline.status.success());
    assert!(
        text(&pipeline).contains("takes no --seeds"),
        "{}",
        text(&pipeline)
    );
}
