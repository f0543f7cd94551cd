//! `cargo xtask bench`: the JSON, the table, and calls that make no sense.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ROW: &str = "infer/784-300-100-10/f32/bs1";

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("bench").args(arguments);
    command.env_remove("COMPRESS_ISA");
    command
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap();
    object.keys().map(String::as_str).collect()
}

#[test]
fn a_row_is_printed_and_written_beside_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bench.json");
    let mut command = bench(&[ROW, "--quick", "--threads", "2", "--json"]);
    let printed = succeeds(&command.arg(&path).output().unwrap());
    let line = printed.lines().find(|line| line.starts_with(ROW)).unwrap();
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    assert_eq!((cells.len(), cells[2]), (5, "µs"), "{line}");

    let report = json(&path);
    assert_eq!(keys(&report), ["ceilings", "rows"]);
    assert_eq!(keys(&report["ceilings"]), ["isa", "t1", "t2"]);
    let ceilings = report["ceilings"]["t2"].as_object().unwrap();
    for name in ["copy/256MB", "read/32KB", "read/9MB", "read/256MB"] {
        assert!(ceilings[name]["value"].as_f64().unwrap() > 0.0, "{name}");
        assert_eq!(ceilings[name]["unit"], "GB/s");
    }
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    let mut fields = keys(row);
    fields.sort_unstable();
    let expected = ["limit", "name", "percent_of_limit", "unit", "value"];
    assert_eq!(fields, expected);
    assert_eq!(row["name"], ROW);
    assert_eq!(row["unit"], "µs");
    let value = row["value"].as_f64().unwrap();
    assert!(value > 0.0);
    if let (Some(limit), Some(percent)) = (row["limit"].as_f64(), row["percent_of_limit"].as_f64())
    {
        assert!((limit / value * 100.0 - percent).abs() < 1e-6 * percent);
    } else {
        // The scalar level alone has no peak to be compared with.
        assert_eq!(report["ceilings"]["isa"]["active"], "scalar");
    }
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 1, "nothing else is left");
}

#[test]
fn without_ceilings_there_are_no_limits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bench.json");
    let mut command = bench(&[ROW, "--quick", "--no-ceilings", "--json"]);
    succeeds(&command.arg(&path).output().unwrap());
    let row = &json(&path)["rows"][0];
    assert!(row["value"].as_f64().unwrap() > 0.0);
    assert!(row["limit"].is_null() && row["percent_of_limit"].is_null());
}

#[test]
fn an_unknown_row_is_refused_with_the_known_ones() {
    let output = bench(&["no-such-row", "--quick"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let listed = succeeds(&bench(&["--list"]).output().unwrap());
    assert!(listed.lines().any(|name| name == ROW));
    for name in listed.lines().chain(["no-such-row"]) {
        assert!(said.contains(name), "no {name} in: {said}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = bench(&[ROW, "--quick", "--no-ceilings", "--json"]);
    let output = command
        .arg(file.path().join("bench.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("bench.json"), "{said}");
}
