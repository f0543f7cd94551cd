//! Bad calls and bad files: a clear error, an exit code that is not 0, nothing half-written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).env_remove("COMPRESS_ISA");
    command
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist")
}

/// A copy of the data with one file changed.
fn data_with(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(shipped()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = dir.path().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
    dir
}

#[track_caller]
fn fails(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "succeeded: {said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Runs the quick pipeline on `data`; returns what it said and how many files it left.
fn run_on(data: &Path) -> (Output, usize) {
    let out = tempfile::tempdir().unwrap();
    let mut command = xtask(&["experiment", "--quick", "--out"]);
    let output = command
        .arg(out.path())
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let reports = std::fs::read_dir(out.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().is_file());
    (output, reports.count())
}

#[test]
fn an_unknown_experiment_is_named_with_the_known_ones() {
    fails(
        &xtask(&["experiment", "nothing"]).output().unwrap(),
        &["nothing", "pipeline"],
    );
}

#[test]
fn a_wrong_hash_names_the_file_and_both_hashes() {
    let data = data_with("train-labels-idx1-ubyte.gz", |bytes| bytes[100] ^= 1);
    let (output, files) = run_on(data.path());
    fails(&output, &["train-labels-idx1-ubyte.gz", "1787548bbe0b"]);
    assert_eq!(files, 0);
}

#[test]
fn zero_length_data_is_an_error() {
    let data = data_with("train-images-idx3-ubyte.gz", Vec::clear);
    let (output, files) = run_on(data.path());
    fails(&output, &["train-images-idx3-ubyte.gz"]);
    assert_eq!(files, 0);
}

#[test]
fn a_missing_data_folder_is_named() {
    let (output, _) = run_on(Path::new("nowhere-to-be-found"));
    fails(&output, &["nowhere-to-be-found"]);
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_any_work() {
    // A file stands where the folder should be: that stops even root.
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = xtask(&["experiment", "--quick", "--out"]);
    let started = std::time::Instant::now();
    let output = command.arg(file.path().join("out")).output().unwrap();
    fails(&output, &["cannot write", "--out"]);
    assert!(
        started.elapsed().as_secs() < 2,
        "it worked before it looked"
    );
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    let mut command = xtask(&["experiment", "--quick"]);
    fails(
        &command.env("COMPRESS_ISA", "sse9").output().unwrap(),
        &["COMPRESS_ISA=sse9", "scalar"],
    );
}

#[test]
fn another_runs_stages_are_not_resumed() {
    let out = tempfile::tempdir().unwrap();
    let stages = out.path().join("stages");
    std::fs::create_dir(&stages).unwrap();
    std::fs::write(stages.join("settings.txt"), "pipeline full seed 7").unwrap();
    let mut command = xtask(&["experiment", "--quick", "--resume", "--out"]);
    fails(
        &command.arg(out.path()).output().unwrap(),
        &["seed 7", "--resume"],
    );
}

#[test]
fn a_truncated_or_foreign_file_is_not_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.cmp");
    for bytes in [&b""[..], b"CMP", b"this is not a compressed model at all"] {
        std::fs::write(&path, bytes).unwrap();
        let output = xtask(&["evaluate"]).arg(&path).output().unwrap();
        fails(&output, &["broken.cmp", "at byte"]);
    }
    let missing = dir.path().join("missing.cmp");
    fails(
        &xtask(&["evaluate"]).arg(&missing).output().unwrap(),
        &["missing.cmp"],
    );
}
