//! The quick record: the same bits with any number of threads and after an interruption, and a
//! test set that stays shut until every stage is finished; all of it on each track.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use compress_core::isa::Isa;
use compress_core::network::Forward;
use compress_core::train::Samples;
use compress_format::artifact::Artifact;
use compress_nn::Mlp;
use compress_nn::data::ImageSet;
use ndarray::{Array2, ArrayView1};

const FILES: [&str; 6] = [
    "pooled-seed101-weights.svg",
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
    let dir = dir.join("pooled-1000-seed101");
    let read = |name| std::fs::read(dir.join(name)).expect(name);
    FILES.map(read).into()
}

/// The one folder whose name begins so.
fn folder_in(dir: &Path, begin: &str) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let is_it = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(begin)
    };
    let found: Vec<PathBuf> = entries.filter(is_it).collect();
    assert_eq!(found.len(), 1, "{begin}: {found:?}");
    found[0].clone()
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
    assert!(expected[3].starts_with(b"# Track `pooled`"));
    for (isa, threads) in Isa::available().map(Isa::name).zip(["3", "1", "2", "1"]) {
        let out = dir.path().join(isa);
        pooled(&out, isa, &["--threads", threads]);
        assert!(files(&out) == expected, "{isa}");
    }

    // As if it had been interrupted in the last stage but one.
    std::fs::rename(dir.path().join(best()), &two).unwrap();
    for (folder, name) in [
        ("pooled-1000-seed101", "stages/quantized--seed-102.stage"),
        ("pruned-pooled-quick-seed101-", "pruned--seed-102.stage"),
    ] {
        std::fs::remove_file(folder_in(&two, folder).join(name)).expect(name);
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
        text(&failed).contains("no IDX file of test images"),
        "{}",
        text(&failed)
    );
    for (folder, name) in [
        ("pruned-pixels-quick-seed1-", "pruned--seed-1.stage"),
        ("pixels-1000-seed1", "stages/quantized--seed-2.stage"),
    ] {
        assert!(folder_in(&out, folder).join(name).exists(), "{name}");
    }
    assert!(!out.join("pixels-1000-seed1/record.md").exists());
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

    // Another track takes up the teachers, and leaves the files of the earlier one alone.
    let of_pixels = all_files(&out.join("pixels-1000-seed5-seeds2"));
    for name in ["pixels-seed6.cmp", "pixels-seed5-weights.svg"] {
        assert!(of_pixels.contains_key(name), "{name}");
    }
    let more = [
        "--data", data, "--seed", "5", "--seeds", "2", "--track", "pooled",
    ];
    let done = record(&out, best(), &more);
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("teacher 1"), "{}", text(&done));
    let teacher = text(&done);
    let teacher = teacher.lines().find(|line| line.starts_with("teacher 1"));
    assert!(teacher.unwrap().ends_with("taken from the earlier run"));
    assert!(all_files(&out.join("pixels-1000-seed5-seeds2")) == of_pixels);
    assert!(
        out.join("pooled-1000-seed5-seeds2/pooled-seed6.cmp")
            .exists()
    );
}

#[test]
fn an_open_test_set_is_counted_on_the_decoded_files() {
    let dir = tempfile::tempdir().unwrap();
    let done = record(dir.path(), best(), &["--track", "pooled"]);
    assert!(done.status.success(), "{}", text(&done));
    let dir = dir.path().join("pooled-1000-seed1");
    let page = std::fs::read_to_string(dir.join("record.md")).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let part = |name: &str| data.join(format!("t10k-{name}-ubyte.gz"));
    let (images, labels) = (part("images-idx3"), part("labels-idx1"));
    let images = ImageSet::from_idx(images.as_path(), labels.as_path()).unwrap();
    let images = images.subset(0..1_000).unwrap();
    let mut pixels = Array2::zeros((1_000, 784));
    let all: Vec<usize> = (0..1_000).collect();
    images.fill(0, &all, pixels.view_mut()).unwrap();
    let mut sum = 0;
    for seed in [1, 2] {
        let file = std::fs::read(dir.join(format!("pooled-seed{seed}.cmp"))).unwrap();
        let artifact = Artifact::from_bytes(&file).unwrap();
        let network = Mlp::from_tensors(artifact.architecture, &artifact.tensors).unwrap();
        let logits = network.forward(pixels.view()).unwrap();
        let rows = logits.rows().into_iter().zip(images.labels());
        let right = |row: ArrayView1<'_, f32>, label: usize| row.iter().all(|v| *v <= row[label]);
        let wrong = rows
            .filter(|(row, label)| !right(*row, **label as usize))
            .count();
        let percent = wrong as f64 / 10.0;
        let row = page.lines().find(|l| l.starts_with(&format!("| {seed} |")));
        let row = row.expect("a row for each seed");
        let end = format!("| {wrong} | {percent:.2} |");
        assert!(row.ends_with(&end), "{row}: {end}");
        sum += wrong;
    }
    let headline = format!("{:.3} % test error", sum as f64 / 20.0);
    assert!(page.contains(&headline), "{headline}: {page}");
    // Of the training loss: 8 passes of quantizing and 4 of repair, over 2 copies of the images.
    let html = std::fs::read_to_string(dir.join("report.html")).unwrap();
    let (_, curve) = html.split_once("\nquantized\n").expect("its curve");
    let (curve, _) = curve.split_once("</svg>").unwrap();
    let points = curve
        .lines()
        .filter(|l| l.starts_with("<circle") && l.contains("#1D6FB8"));
    assert_eq!(points.count(), 6);
}

/// Everything in the folder but the times and the kept stages, by name.
fn all_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|e| e.path().is_file() && e.file_name() != "timing.json");
    files
        .map(|e| {
            let name = e.file_name().into_string().unwrap();
            (name, std::fs::read(e.path()).unwrap())
        })
        .collect()
}

/// Runs a track with one and with two threads, for seeds that cannot open the test set and
/// without its files; then once more from the stages, of which `lost` is missing. Gives the files.
fn same_bits(track: &str, lost: &str) -> BTreeMap<String, Vec<u8>> {
    let data = tempfile::tempdir().unwrap();
    without_test_images(data.path());
    let data = data.path().to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = format!("{track}-seed101");
    let run = |out: &Path, more: &[&str]| {
        let these = ["--data", data, "--track", track, "--seed", "101"];
        let done = record(out, best(), &[&these, more].concat());
        assert!(done.status.success(), "{}", text(&done));
        all_files(&out.join(&folder))
    };
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let expected = run(&one, &["--threads", "1"]);
    assert!(run(&two, &["--threads", "2"]) == expected);
    std::fs::remove_file(two.join(&folder).join("stages").join(lost)).expect(lost);
    assert!(run(&two, &["--resume"]) == expected);
    expected
}

/// The page of a run, and the names of its models.
fn page(files: &BTreeMap<String, Vec<u8>>) -> (String, Vec<&str>) {
    let models = files.keys().filter(|name| name.ends_with(".cmp"));
    let page = String::from_utf8(files["record.md"].clone()).unwrap();
    (page, models.map(String::as_str).collect())
}

#[test]
fn density_is_the_same_with_any_number_of_threads_and_leaves_the_test_set_shut() {
    let files = same_bits("density", "pruned-to-2-%--seed-102.stage");
    let (page, models) = page(&files);
    let expected = [
        "density-1-percent-seed101.cmp",
        "density-1-percent-seed102.cmp",
        "density-2-percent-seed101.cmp",
        "density-2-percent-seed102.cmp",
        "density-5-percent-seed101.cmp",
        "density-5-percent-seed102.cmp",
    ];
    assert_eq!(models, expected);
    for part in [
        "the test set stayed shut",
        "| 1 % | 244 |",
        "2.36",
        "## 5 %",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Fewer weights, and so fewer bytes.
    let bytes = |level: usize| files[expected[level]].len();
    assert!(bytes(0) < bytes(2) && bytes(2) < bytes(4));
    // One level alone has the same students.
    let dir = tempfile::tempdir().unwrap();
    let more = "--track density --target-percent 1 --seed 101";
    let done = record(dir.path(), best(), &more.split(' ').collect::<Vec<_>>());
    assert!(done.status.success(), "{}", text(&done));
    let alone = all_files(&dir.path().join("density-1-seed101"));
    let (page, models) = self::page(&alone);
    assert_eq!(models, expected[..2]);
    assert!(models.iter().all(|&model| alone[model] == files[model]));
    for part in [more, "hidden layers of 20 and 15 neurons; temperature 2;"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn dense_is_the_same_with_any_number_of_threads_and_leaves_the_test_set_shut() {
    let files = same_bits("dense", "dense--seed-102.stage");
    let (page, models) = page(&files);
    let expected = [
        "dense-f32-seed101.cmp",
        "dense-f32-seed102.cmp",
        "dense-int4-seed101.cmp",
        "dense-int4-seed102.cmp",
        "dense-int8-seed101.cmp",
        "dense-int8-seed102.cmp",
    ];
    assert_eq!(models, expected);
    for part in ["the test set stayed shut", "within 12 of f32", "| 4 bits |"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let bytes = |model: usize| files[expected[model]].len();
    assert!(bytes(2) < bytes(4) && bytes(4) < bytes(0));
}

#[test]
fn the_new_tracks_open_the_test_set_after_every_stage() {
    let dir = tempfile::tempdir().unwrap();
    without_test_images(dir.path());
    let data = dir.path().to_str().unwrap();
    for (track, last) in [
        ("density", "pruned-to-1-%--seed-1.stage"),
        ("dense", "dense--seed-1.stage"),
    ] {
        let out = dir.path().join(track);
        let these = ["--data", data, "--track", track, "--seeds", "1"];
        let failed = record(&out, best(), &these);
        assert!(!failed.status.success());
        let said = text(&failed);
        assert!(said.contains("no IDX file of test images"), "{said}");
        let folder = out.join(format!("{track}-seed1-seeds1"));
        assert!(folder.join("stages").join(last).exists(), "{last}");
        assert!(!folder.join("record.md").exists());
        let shut = [&these[..], &["--validation-only", "--resume"]].concat();
        let done = record(&out, best(), &shut);
        assert!(done.status.success(), "{}", text(&done));
    }
}

fn sweep(out: &Path, more: &[&str]) -> Output {
    let done = record(out, best(), &[&["--sweep"], more].concat());
    assert!(done.status.success(), "{}", text(&done));
    done
}

/// The folder of a sweep's files.
fn swept(out: &Path, track: &str, seed: u64) -> PathBuf {
    out.join(format!("{track}-sweep-seed{seed}"))
}

/// The files of a sweep by the end of their names.
fn frontier(folder: &Path, track: &str) -> [Vec<u8>; 3] {
    ["md", "json", "svg"].map(|end| {
        let name = format!("frontier-{track}.{end}");
        std::fs::read(folder.join(&name)).expect(&name)
    })
}

#[test]
fn a_sweep_cannot_open_the_test_set_whatever_the_seeds() {
    let dir = tempfile::tempdir().unwrap();
    without_test_images(dir.path());
    let data = dir.path().to_str().unwrap();
    for (track, more) in [("pixels", &["--seed", "1"][..]), ("pooled", &[])] {
        let out = dir.path().join(track);
        sweep(&out, &[&["--data", data, "--track", track], more].concat());
        let seed = if more.is_empty() { 101 } else { 1 };
        let folder = swept(&out, track, seed);
        let [page, json, plot] = frontier(&folder, track);
        let (page, json) = (
            String::from_utf8(page).unwrap(),
            String::from_utf8(json).unwrap(),
        );
        assert!(page.contains("the test set stayed shut"), "{page}");
        assert!(
            page.contains(&format!("--track {track} --sweep --seed")),
            "{page}"
        );
        assert_eq!(
            json.matches(&format!("\"seed\": {},", seed + 1)).count(),
            3,
            "{json}"
        );
        assert!(plot.starts_with(b"<svg "));
        assert!(!folder.join("record.md").exists() && !folder.join("report.md").exists());
    }
}

#[test]
fn a_sweep_gives_the_same_bits_again_and_after_an_interruption() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    sweep(&one, &["--seeds", "1", "--threads", "1"]);
    let swept = |out: &Path| out.join("pixels-sweep-seed101-seeds1");
    let frontier = |out: &Path| frontier(&swept(out), "pixels");
    let expected = frontier(&one);
    sweep(&two, &["--seeds", "1", "--threads", "3"]);
    assert!(frontier(&two) == expected);

    let stages = swept(&one).join("stages");
    let stage = stages.join("penalty-5e-5--seed-101.stage");
    std::fs::remove_file(stage).expect("a stage for each student");
    let done = sweep(&one, &["--seeds", "1", "--resume"]);
    let said = text(&done);
    for stage in ["pruned, seed 101", "penalty 5e-6, seed 101"] {
        assert!(is_taken(&said, stage), "{said}");
    }
    assert!(frontier(&one) == expected);
}

/// Whether a run has said that it took a stage from an earlier one.
fn is_taken(said: &str, stage: &str) -> bool {
    said.lines()
        .any(|l| l.starts_with(stage) && l.ends_with("earlier run"))
}

#[test]
fn targets_go_on_from_what_a_sweep_has_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let (after, alone) = (dir.path().join("after"), dir.path().join("alone"));
    sweep(&after, &["--seeds", "1"]);
    let students = [&after, &alone].map(|out| {
        let done = record(out, best(), &["--seed", "101", "--seeds", "1"]);
        assert!(done.status.success(), "{}", text(&done));
        assert_eq!(is_taken(&text(&done), "pruned, seed 101"), out == &after);
        std::fs::read(out.join("pixels-1000-seed101-seeds1/pixels-seed101.cmp")).unwrap()
    });
    assert!(students[0] == students[1]);
}

#[test]
fn what_it_does_not_know_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let smallest = "leave it out, or take --track pixels or --track pooled";
    let density = "leave it out, or take --track density";
    for (track, option, said) in [
        ("density", "--target-bytes 1000", smallest),
        ("dense", "--target-bytes 1000", smallest),
        ("density", "--sweep", smallest),
        ("dense", "--sweep", smallest),
        ("pixels", "--target-percent 1", density),
        ("dense", "--target-percent 1", density),
    ] {
        let words: Vec<&str> = ["--track", track]
            .into_iter()
            .chain(option.split(' '))
            .collect();
        let failed = record(dir.path(), best(), &words);
        assert!(!failed.status.success());
        let said = format!("the track {track} takes no {}: {said}", words[2]);
        assert!(text(&failed).contains(&said), "{}", text(&failed));
    }
    let more = ["--track", "density", "--target-percent", "3"];
    let failed = record(dir.path(), best(), &more);
    assert!(!failed.status.success());
    let said = "no level of 3 %; its levels are: 5, 2, 1";
    assert!(text(&failed).contains(said), "{}", text(&failed));
    let failed = record(dir.path(), best(), &["--target-bytes", "7"]);
    assert!(!failed.status.success());
    for part in ["7 bytes", "1000"] {
        assert!(text(&failed).contains(part), "{}", text(&failed));
    }
    let both = record(dir.path(), best(), &["--target-bytes", "1000", "--sweep"]);
    assert!(!both.status.success());
    assert!(text(&both).contains("--sweep"), "{}", text(&both));
    let pipeline = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["experiment", "pipeline", "--quick", "--seeds", "3", "--out"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!pipeline.status.success());
    let said = text(&pipeline);
    assert!(said.contains("unexpected argument '--seeds'"), "{said}");
}
