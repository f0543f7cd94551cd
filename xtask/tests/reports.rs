//! The quick run from end to end: its reports against snapshots, the same bits at every
//! instruction set level and thread count and after an interruption.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use compress_core::isa::Isa;

fn quick(dir: &Path, isa: &str, threads: usize, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "experiment",
            "pipeline",
            "--quick",
            "--threads",
            &threads.to_string(),
            "--out",
        ])
        .arg(dir)
        .args(more)
        .env("COMPRESS_ISA", isa)
        .output()
        .expect("the binary runs")
}

fn succeed(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Every file of a run but its times, by its path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [dir.to_owned(), dir.join("stages")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            if path.is_file() && name != "timing.json" {
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

fn assert_same(
    expected: &BTreeMap<String, Vec<u8>>,
    found: &BTreeMap<String, Vec<u8>>,
    what: &str,
) {
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}: other files");
    for (name, bytes) in expected {
        assert!(bytes == &found[name], "{what}: {name} differs");
    }
}

#[test]
fn the_quick_run_gives_the_same_bits_at_every_level_and_thread_count() {
    let levels: Vec<&str> = Isa::available().map(Isa::name).collect();
    let best = levels[levels.len() - 1];
    let first = tempfile::tempdir().unwrap();
    succeed(&quick(first.path(), best, 2, &[]));
    let expected = files(first.path());
    assert!(
        expected.len() > 10,
        "stages, reports and model: {:?}",
        expected.keys()
    );

    let text = |name: &str| String::from_utf8(expected[name].clone()).unwrap();
    insta::assert_snapshot!("pipeline_quick_md", text("report.md"));
    insta::assert_snapshot!("pipeline_quick_json", text("report.json"));

    let threads = [1, 3].map(|threads| (best, threads));
    let lower = levels
        .iter()
        .filter(|&&level| level != best)
        .map(|&level| (level, 2));
    for (level, threads) in threads.into_iter().chain(lower) {
        let dir = tempfile::tempdir().unwrap();
        succeed(&quick(dir.path(), level, threads, &[]));
        assert_same(
            &expected,
            &files(dir.path()),
            &format!("{level}, {threads} threads"),
        );
    }
}

#[test]
fn an_interrupted_run_ends_in_the_same_bits() {
    let whole = tempfile::tempdir().unwrap();
    let best = Isa::available().last().unwrap().name();
    succeed(&quick(whole.path(), best, 2, &[]));
    let expected = files(whole.path());

    // As if it had been stopped after a few stages.
    let resumed = tempfile::tempdir().unwrap();
    let stages = resumed.path().join("stages");
    std::fs::create_dir(&stages).unwrap();
    for kept in [
        "settings.json",
        "teacher.stage",
        "dense.stage",
        "distilled.stage",
    ] {
        std::fs::write(stages.join(kept), &expected[&format!("stages/{kept}")]).unwrap();
    }
    let output = quick(resumed.path(), best, 2, &["--resume"]);
    succeed(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.matches("taken from the earlier run").count(),
        3,
        "{said}"
    );
    assert_same(&expected, &files(resumed.path()), "resumed");
}

#[test]
fn the_test_set_stays_shut_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    for name in ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] {
        std::fs::copy(shipped.join(name), data.path().join(name)).unwrap();
    }
    // There is no test file that could be read.
    let folder = data.path().display().to_string();
    let best = Isa::available().last().unwrap().name();
    succeed(&quick(
        dir.path(),
        best,
        2,
        &["--validation-only", "--data", &folder],
    ));
    let json = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
    assert!(json.contains("\"test_errors\": null"), "{json}");

    let output = quick(dir.path(), best, 2, &["--resume", "--data", &folder]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no IDX file of test images"), "{said}");
}
