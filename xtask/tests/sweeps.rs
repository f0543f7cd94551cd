//! The quick runs of the experiments of many runs: their reports against snapshots, and the report of
//! shards, one of which was stopped, against that of one run.

use std::path::Path;
use std::process::{Command, Output};

fn experiment(name: &str, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["experiment", name, "--quick", "--out"])
        .arg(out)
        .args(more)
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn succeed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[track_caller]
fn fail(output: &Output, words: &[&str]) {
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// One run, whose report in Markdown and JSON it returns, and two shards, one of them stopped and
/// begun again, whose report must be the same.
fn check(name: &str) -> [String; 2] {
    let dir = tempfile::tempdir().unwrap();
    let [whole, parts, merged] = ["whole", "parts", "merged"].map(|part| dir.path().join(part));
    succeed(&experiment(name, &whole, &["--threads", "2"]));
    for shard in ["1/2", "2/2"] {
        succeed(&experiment(
            name,
            &parts,
            &["--shard", shard, "--threads", "1"],
        ));
    }
    // As if it had been stopped before one of its runs.
    let stages = parts.join("shard-2-of-2/stages");
    let stage = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.extension().is_some_and(|e| e == "stage")).then_some(path)
    };
    let mut stages: Vec<_> = std::fs::read_dir(&stages)
        .unwrap()
        .filter_map(stage)
        .collect();
    stages.sort();
    std::fs::remove_file(&stages[0]).unwrap();
    // Other files in the folder, such as a scheduler's log, are not in the way.
    std::fs::write(parts.join("slurm-1.out"), "begins").unwrap();
    let parts_flag = parts.display().to_string();
    let merge = ["--merge", &parts_flag];
    fail(
        &experiment(name, &merged, &merge),
        &["1 of", "not finished"],
    );
    let again = experiment(name, &parts, &["--shard", "2/2"]);
    succeed(&again);
    let said = String::from_utf8_lossy(&again.stderr);
    let taken = said.matches("taken from the earlier run").count();
    assert_eq!(taken, stages.len() - 1, "{said}");
    succeed(&experiment(name, &merged, &merge));
    for file in ["report.md", "report.json", "report.html"] {
        let same = text(&whole, file) == text(&merged, file);
        assert!(same, "{name}: {file} differs");
    }
    ["report.md", "report.json"].map(|file| text(&whole, file))
}

#[test]
fn sparsity() {
    let [page, numbers] = check("sparsity");
    insta::assert_snapshot!("sparsity_quick_md", page);
    insta::assert_snapshot!("sparsity_quick_json", numbers);
}

#[test]
fn hinton() {
    let [page, numbers] = check("hinton");
    insta::assert_snapshot!("hinton_quick_md", page);
    insta::assert_snapshot!("hinton_quick_json", numbers);
}

#[test]
fn lottery() {
    let [page, numbers] = check("lottery");
    insta::assert_snapshot!("lottery_quick_md", page);
    insta::assert_snapshot!("lottery_quick_json", numbers);
}

#[test]
fn losses() {
    let [page, numbers] = check("losses");
    insta::assert_snapshot!("losses_quick_md", page);
    insta::assert_snapshot!("losses_quick_json", numbers);
}

#[test]
fn neurons() {
    let [page, numbers] = check("neurons");
    insta::assert_snapshot!("neurons_quick_md", page);
    insta::assert_snapshot!("neurons_quick_json", numbers);
}

#[test]
fn a_merge_removes_no_run_and_validation_only_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let shut = ["--validation-only"];
    succeed(&experiment("lottery", &whole, &shut));
    let before = text(&whole, "report.json");
    assert!(before.contains("\"test_errors\": null"), "{before}");
    let folder = whole.display().to_string();
    // Into the folder of the run itself.
    succeed(&experiment(
        "lottery",
        &whole,
        &["--validation-only", "--merge", &folder],
    ));
    assert_eq!(text(&whole, "report.json"), before);
    let opened = experiment("lottery", &dir.path().join("opened"), &["--merge", &folder]);
    succeed(&opened);
    let said = String::from_utf8_lossy(&opened.stderr);
    assert!(said.contains("time number 1"), "{said}");
    let opened = experiment("lottery", &dir.path().join("again"), &["--merge", &folder]);
    let said = String::from_utf8_lossy(&opened.stderr);
    assert!(said.contains("time number 2"), "{said}");
}

#[test]
fn folders_that_do_not_fit_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let parts = dir.path().join("parts");
    succeed(&experiment("lottery", &parts, &["--shard", "1/2"]));
    let folder = parts.display().to_string();
    let merge = |more: &[&str]| {
        let flags = [more, &["--merge", &folder]].concat();
        experiment("lottery", &dir.path().join(more.concat()), &flags)
    };
    fail(
        &merge(&["--seeds", "3"]),
        &["settings.seeds", "shard-1-of-2"],
    );
    fail(&merge(&["--seed", "9"]), &["seed", "shard-1-of-2"]);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let folder = empty.display().to_string();
    let merged = dir.path().join("merged");
    fail(
        &experiment("lottery", &merged, &["--merge", &folder]),
        &["no finished run"],
    );
    fail(
        &experiment("lottery", &merged, &["--shard", "3/2"]),
        &["from 1 to 2"],
    );
}
