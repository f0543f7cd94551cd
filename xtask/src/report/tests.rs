//! The reports of the fixture, compared with what they must be.

use std::collections::BTreeMap;
use std::fs;

use super::*;

/// The names of the files in `dir`.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the folder can be read");
    let mut names: Vec<String> = entries
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn markdown(report: &Report) -> String {
    let document = document::document(report);
    document.expect("plots can be drawn").markdown()
}

#[test]
fn json_is_what_snapshots_compare() {
    let mut report = fixture::report();
    report.stages.drain(..2);
    assert_eq!(
        json::render(&report).expect("numbers"),
        r#"{
  "experiment": "pixels <784>",
  "profile": "full",
  "seed": 7,
  "model_hash": "00c0ffee",
  "stages": [
    {
      "stage": "prune",
      "parameters": 127000,
      "nonzero": 2350,
      "bytes": 12345,
      "ratio": 86.39,
      "validation_error_percent": 1.6,
      "test_errors": null
    },
    {
      "stage": "quantize",
      "parameters": 127000,
      "nonzero": 2342,
      "bytes": 2820,
      "ratio": 378.18,
      "validation_error_percent": 1.514,
      "test_errors": 157
    }
  ]
}
"#
    );
}

#[test]
fn markdown_is_laid_out_in_columns() {
    let text = markdown(&fixture::report());
    let expected = r#"# pixels \<784> (full profile)

**2,820 bytes, 378 times smaller than “student” (1,066,470 bytes), 1.57 % test error (157 of 10,000).**

Data set MNIST, seed 7, model hash `00c0ffee`. To reproduce:

```sh
cargo xtask experiment pixels --profile full --seed 7
```

## Stages

Bytes are the whole file, and the ratio is the original's bytes over them. Validation errors are counted on 5,000 samples, test errors on 10,000.

| stage    | parameters |  non-zero |     bytes |  ratio | validation error % | test errors | test error % |
| -------- | ---------: | --------: | --------: | -----: | -----------------: | ----------: | -----------: |
| teacher  |  2,395,210 | 2,395,210 | 9,580,870 |   0.11 |              0.700 |             |              |
| student  |    266,610 |   266,610 | 1,066,470 |   1.00 |              1.820 |         178 |         1.78 |
| prune    |    127,000 |     2,350 |    12,345 |  86.39 |              1.600 |             |              |
| quantize |    127,000 |     2,342 |     2,820 | 378.18 |              1.514 |         157 |         1.57 |

## Storage

The final file by tensor, and the kernel that the runtime chose for each weight. Everything else is the header, the architecture and the checksum.

| tensor          | coding  | runs on    | bytes |
| --------------- | ------- | ---------- | ----: |
| layers.0.weight | entropy | sparse f32 | 2,021 |
| layers.0.bias   | packed  |            |    72 |
| layers.1.weight | entropy | sparse f32 |   520 |
| everything else |         |            |   207 |
| whole file      |         |            | 2,820 |

## Density

Weights left in each layer after each stage, in percent.

| stage    | layers.0 % | layers.1 % | layers.2 % |
| -------- | ---------: | ---------: | ---------: |
| student  |     100.00 |     100.00 |     100.00 |
| prune    |       1.32 |       7.40 |      31.00 |
| quantize |       1.31 |       7.20 |      30.90 |

## Settings

With the seed they reproduce the model bit for bit.

| setting          | value      |
| ---------------- | ---------- |
| weights          | 2,350      |
| temperature \| T | 2 & "soft" |
"#;
    assert_eq!(text, expected);
}

#[test]
fn without_the_test_set_its_columns_are_empty() {
    let mut report = fixture::report();
    report.test_samples = None;
    report.stages.iter_mut().for_each(|s| s.test_errors = None);
    let text = markdown(&report);
    assert!(
        text.contains("1.51 % validation error (the test set stayed shut).**"),
        "{text}"
    );
    assert!(
        text.contains("on 5,000 samples, the test set stayed shut."),
        "{text}"
    );
    let row = "|              1.514 |             |              |\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn headlines_compare_with_what_is_there() {
    let headline = |edit: &dyn Fn(&mut Report)| {
        let mut report = fixture::report();
        edit(&mut report);
        summary::headline(&report)
    };
    assert_eq!(headline(&|r| r.stages.clear()), "No stage was run.");
    let original = headline(&|r| r.stages.truncate(2));
    assert_eq!(
        original,
        "1,066,470 bytes, 1.78 % test error (178 of 10,000)"
    );
    let larger = headline(&|r| r.stages.truncate(1));
    assert!(
        larger.starts_with("9,580,870 bytes, 9.0 times larger than the dense f32"),
        "{larger}"
    );
}

#[test]
fn html_holds_every_section() {
    let document = document::document(&fixture::report());
    let html = document.expect("plots can be drawn").html();
    for text in [
        "<title>pixels &lt;784&gt;",
        "378 times smaller than “student” (1,066,470 bytes), 1.57 % test error (157 of 10,000).",
        "cargo xtask experiment pixels --profile full --seed 7",
        "<h2>Stages</h2>",
        "<h2>Error against size</h2>",
        "<h2>Training</h2>",
        "<h2>Weights</h2>",
        "<h2>Density by layer</h2>",
        "<h2>Input pixels in use</h2>",
        "<h2>Weights left</h2>",
        "<h2>Storage</h2>",
        "<h2>Density</h2>",
        "<h2>Settings</h2>",
        "<td>temperature | T</td><td>2 &amp; &quot;soft&quot;</td>",
    ] {
        assert!(html.contains(text), "{text} is missing");
    }
    // One of points, three of curves, three of histograms, one of densities, pixels and weights.
    assert_eq!(html.matches("<svg ").count(), 10);
    for point in fixture::report().frontier {
        assert!(
            html.contains(&format!("\n{}\n</text>", point.label)),
            "no {}",
            point.label
        );
    }
    assert!(!html.contains("<script") && !html.contains("<784>"));
    // It loads nothing: the only address is the name of SVG's own namespace.
    let addresses = html.matches("://").count();
    assert_eq!(
        addresses,
        html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn odd_numbers_make_a_report_all_the_same() {
    let mut report = fixture::report();
    for stage in &mut report.stages {
        stage.ratio = f64::INFINITY;
        stage.validation_error_percent = f64::NAN;
    }
    report.test_samples = Some(0);
    report.validation_samples = 0;
    report.image_width = 3;
    report.pixel_use = vec![f32::NAN, -1.0, 2.0, f32::INFINITY];
    report.frontier[0].error_percent = f64::NAN;
    report.frontier.truncate(2);
    report.curves[0].epochs.truncate(1);
    report.curves[1].epochs.clear();
    report.curves[2].epochs[0].training_loss = f32::INFINITY;
    report.histograms[0].high = report.histograms[0].low;
    report.histograms[1].before.clear();
    report.histograms[2].low = f32::NAN;
    report.densities[0].density = f64::NAN;
    report.tensors[0].bytes = 1 << 40;
    let dir = tempfile::tempdir().expect("temporary folder");
    write(&report, &[], dir.path()).expect("a report");
    assert!(
        json::render(&report)
            .expect("json")
            .contains("\"ratio\": null")
    );
}

#[test]
fn writing_twice_gives_the_same_three_files() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let target = dir.path().join("a/b");
    let mut written = Vec::new();
    for _ in 0..2 {
        write(&fixture::report(), &[], &target).expect("the folder is created");
        assert_eq!(names(&target), ["report.html", "report.json", "report.md"]);
        let texts = names(&target).into_iter().map(|name| {
            let text = fs::read_to_string(target.join(&name)).expect("readable");
            (name, text)
        });
        written.push(texts.collect::<BTreeMap<_, _>>());
    }
    assert_eq!(written[0], written[1]);
}

#[test]
fn an_unwritable_file_is_named_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().expect("temporary folder");
    // A folder where the file belongs cannot be replaced by a file.
    fs::create_dir_all(dir.path().join("report.md/inner")).expect("create folder");
    let error =
        write(&fixture::report(), &[], dir.path()).expect_err("there is a folder in the way");
    assert!(error.to_string().contains("report.md"), "{error}");
    assert_eq!(names(dir.path()), ["report.md"]);

    let file = dir.path().join("file");
    fs::write(&file, "").expect("write");
    let error = write(&fixture::report(), &[], &file).expect_err("a file is no folder");
    assert!(error.to_string().contains("file"), "{error}");
}
