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
fn an_unknown_experiment_is_an_error_with_help() {
    fails(
        &xtask(&["experiment", "nothing"]).output().unwrap(),
        &["nothing", "--help"],
    );
}

/// What the help of a command says.
fn help(arguments: &[&str]) -> String {
    let output = xtask(&[arguments, &["--help"]].concat()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_experiment_has_flags_of_its_own() {
    let of_record = [
        "--track",
        "--target-bytes",
        "--target-percent",
        "--seeds",
        "--sweep",
    ];
    let record = help(&["experiment", "record"]);
    for arguments in [&["experiment"][..], &["experiment", "pipeline"]] {
        let pipeline = help(arguments);
        assert!(pipeline.contains("--quick") && record.contains("--quick"));
        for flag in of_record {
            assert!(record.contains(flag) && !pipeline.contains(flag), "{flag}");
        }
    }
    let all = help(&["experiment"]);
    assert!(
        all.contains("  pipeline  ") && all.contains("  record  "),
        "{all}"
    );
}

#[test]
fn a_damaged_file_of_data_is_named() {
    let data = data_with("train-labels-idx1-ubyte.gz", |bytes| bytes[100] ^= 1);
    let (output, files) = run_on(data.path());
    fails(&output, &["train-labels-idx1-ubyte.gz"]);
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
    fails(&output, &["nowhere-to-be-found", "four IDX files"]);
}

/// `count` images of `height` by `width` pixels, of `classes` classes that a bright pixel tells
/// apart, as IDX files in `dir`.
fn write_split(dir: &Path, split: &str, count: usize, [height, width]: [usize; 2], classes: usize) {
    let size = height * width;
    let header = |rank: u8, lengths: &[usize]| {
        let lengths = lengths.iter().flat_map(|&n| (n as u32).to_be_bytes());
        [0, 0, 8, rank]
            .into_iter()
            .chain(lengths)
            .collect::<Vec<u8>>()
    };
    let (mut images, mut labels) = (header(3, &[count, height, width]), header(1, &[count]));
    for i in 0..count {
        let label = i % classes;
        images.extend((0..size).map(|p| {
            if p % classes == label {
                200
            } else {
                (i * p % 50) as u8
            }
        }));
        labels.push(label as u8);
    }
    std::fs::write(dir.join(format!("{split}-images-idx3-ubyte")), images).unwrap();
    std::fs::write(dir.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
}

#[test]
fn another_data_set_of_other_sizes_goes_through_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("stripes");
    std::fs::create_dir(&data).unwrap();
    write_split(&data, "train", 600, [9, 7], 4);
    write_split(&data, "t10k", 80, [9, 7], 4);
    let out = dir.path().join("out");
    let mut command = xtask(&["experiment", "--quick", "--data"]);
    let output = command.arg(&data).arg("--out").arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report = std::fs::read_to_string(out.join("report.md")).unwrap();
    for part in ["data set", "stripes, SHA-256 of images ", "of 80)"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains("MNIST"), "{report}");

    // Its model fits its data, and no other.
    let model = out.join("model.cmp");
    let evaluate = || {
        let mut command = xtask(&["evaluate"]);
        command.arg(&model);
        command
    };
    let output = evaluate().arg("--data").arg(&data).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.starts_with("stripes: 80 test images"), "{printed}");
    let output = evaluate().output().unwrap();
    fails(&output, &["reads 63 features, MNIST has 784"]);
    assert!(output.stdout.is_empty());
    for split in ["train", "t10k"] {
        write_split(&data, split, 80, [9, 7], 3);
    }
    let output = evaluate().arg("--data").arg(&data).output().unwrap();
    fails(&output, &["tells 4 classes apart, stripes has 3"]);
    assert!(output.stdout.is_empty());

    // Test images of another size are not of this data set.
    write_split(&data, "train", 600, [9, 7], 4);
    write_split(&data, "t10k", 80, [7, 9], 4);
    let mut command = xtask(&["experiment", "--quick", "--resume", "--data"]);
    let output = command.arg(&data).arg("--out").arg(&out).output().unwrap();
    fails(&output, &["stripes", "7×9", "9×7"]);
}

#[test]
fn too_few_images_are_an_error() {
    let data = tempfile::tempdir().unwrap();
    write_split(data.path(), "train", 5, [4, 4], 2);
    let (output, files) = run_on(data.path());
    fails(&output, &["5 training images", "too few"]);
    assert_eq!(files, 0);
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_any_work() {
    // A file stands where the folder should be: that stops even root.
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = xtask(&["experiment", "--quick", "--out"]);
    let output = command.arg(file.path().join("out")).output().unwrap();
    fails(&output, &["cannot write", "--out"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("begins"),
        "it worked before it looked: {said}"
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
fn a_run_with_other_settings_is_neither_resumed_nor_replaced_unless_told() {
    let out = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = xtask(&["experiment", "--quick", "--validation-only", "--out"]);
        command.arg(out.path()).args(more).output().unwrap()
    };
    let output = run(&["--resume"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing to resume"), "{said}");
    let report = || std::fs::read(out.path().join("report.md")).unwrap();
    let first = report();
    fails(
        &run(&["--seed", "2"]),
        &["seed: 1 in the folder, 2 asked for", "--overwrite"],
    );
    let output = run(&["--seed", "2", "--resume"]);
    fails(&output, &["seed: 1 in the folder, 2 asked for"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--overwrite"));
    assert!(report() == first);
    assert!(run(&["--seed", "2", "--overwrite"]).status.success());
    assert!(report() != first);
    // The same settings make the same files, so that nothing can be lost.
    assert!(run(&["--seed", "2"]).status.success());
}

#[test]
fn files_that_no_run_has_left_are_not_replaced() {
    for name in ["report.md", "model.cmp", "timing.json"] {
        let out = tempfile::tempdir().unwrap();
        let thesis = out.path().join(name);
        std::fs::write(&thesis, "a thesis").unwrap();
        for more in [&[][..], &["--resume"]] {
            let mut command = xtask(&["experiment", "--quick", "--out"]);
            let output = command.arg(out.path()).args(more).output().unwrap();
            fails(&output, &[name, "--overwrite", "--out"]);
            assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "a thesis");
        }
    }
}

#[test]
fn test_errors_are_not_replaced_by_a_run_that_leaves_the_test_set_shut() {
    let out = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = xtask(&["experiment", "--quick", "--out"]);
        command.arg(out.path()).args(more).output().unwrap()
    };
    assert!(run(&[]).status.success());
    let report = || std::fs::read_to_string(out.path().join("report.json")).unwrap();
    let opened = report();
    fails(
        &run(&["--validation-only"]),
        &["report.json", "test errors", "--overwrite"],
    );
    assert_eq!(report(), opened);
    let output = run(&["--validation-only", "--overwrite"]);
    assert!(output.status.success());
    assert!(report().contains("\"test_errors\": null"));
    // Opening it afterwards needs no training.
    let output = run(&["--resume"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("taken from the earlier run"),
        "{said}"
    );
    assert_eq!(report(), opened);
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_goes_away_and_a_full_device_are_no_panic() {
    use std::process::Stdio;
    let model = shipped().join("../../../docs/results/record/pooled-seed1.cmp");
    // The reading end of a pipe that is closed before anything is written.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = xtask(&["evaluate"])
        .arg(&model)
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((&*said, output.status.code()), ("", Some(141)), "quietly");

    let full = || {
        Stdio::from(
            std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
    };
    let output = xtask(&["evaluate"])
        .arg(&model)
        .stdout(full())
        .output()
        .unwrap();
    fails(&output, &["error: cannot write to standard output"]);
    for arguments in [
        &["bench", "--list"][..],
        &["tidy"],
        &["--help"],
        &["--version"],
    ] {
        fails(
            &xtask(arguments).stdout(full()).output().unwrap(),
            &["error: "],
        );
    }

    // What a run says while it works goes to standard error.
    let out = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = xtask(&["experiment", "--quick", "--out"]);
    let status = command.arg(out.path()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(141));
}

#[cfg(unix)]
#[test]
fn an_interruption_says_what_is_kept_and_how_to_go_on() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let out = tempfile::tempdir().unwrap();
    let mut command = xtask(&["experiment", "--validation-only", "--seed", "101", "--out"]);
    let mut child = command
        .arg(out.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        let began = line.starts_with("teacher") && line.ends_with("begins");
        said.push(line);
        if began {
            break;
        }
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    said.extend(lines.map(Result::unwrap));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = said.join("\n");
    let again = format!(
        "--seed 101 --validation-only --out {} --resume",
        out.path().display()
    );
    assert!(
        said.contains("before a stage was finished") && said.ends_with(&again),
        "{said}"
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
    // Nothing is printed of the files before the one that is none.
    let good = shipped().join("../../../docs/results/record/pooled-seed1.cmp");
    let output = xtask(&["evaluate"]).arg(&good).arg(&path).output().unwrap();
    fails(&output, &["broken.cmp"]);
    assert!(output.stdout.is_empty());
    let mut command = xtask(&["evaluate"]);
    let output = command
        .arg(&good)
        .env("COMPRESS_ISA", "sse9")
        .output()
        .unwrap();
    fails(&output, &["COMPRESS_ISA=sse9"]);
    assert!(output.stdout.is_empty());
    let missing = dir.path().join("missing.cmp");
    fails(
        &xtask(&["evaluate"]).arg(&missing).output().unwrap(),
        &["missing.cmp"],
    );
}

#[test]
fn several_files_are_scored_with_their_mean() {
    let record = shipped().join("../../../docs/results/record");
    let files = [1, 2].map(|seed| record.join(format!("pooled-seed{seed}.cmp")));
    let output = xtask(&["evaluate"]).args(&files).output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("MNIST: 10000 test images"), "{printed}");
    let after = |word: &str| -> Vec<f64> {
        let lines = printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix(word));
        lines
            .map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap())
            .collect()
    };
    let (bytes, errors) = (after("bytes"), after("test errors"));
    // Of a file twice, where its inputs can be rounded too; the first counts.
    let mean = |values: &[f64]| (values[0] + values[values.len() / 2]) / 2.0;
    let said = format!(
        "mean of 2: {:.1} bytes, {:.1} test errors",
        mean(&bytes),
        mean(&errors)
    );
    assert!(printed.contains(&said), "{said}: {printed}");
}
