//! The files in `docs/results/record` against what `docs/results/record.md` says of them.

use std::path::Path;
use std::process::Command;

/// The tracks of which there are files, and the opening that they are of.
const TRACKS: [(&str, &str); 2] = [("pixels", "opening 3"), ("pooled", "opening 12")];

/// Seed, bytes and test errors in the rows of an opening.
fn said(opening: &str) -> Vec<(u64, usize, usize)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results/record.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page
        .split_once(&format!("bytes: {opening}\n"))
        .unwrap_or_else(|| panic!("no section of {opening}"));
    let mut table = section
        .lines()
        .skip_while(|line| !line.starts_with("| seed"))
        .take_while(|line| line.starts_with('|'))
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let head = table.next().unwrap();
    let column = |name: &str| head.iter().position(|cell| *cell == name).unwrap();
    let (bytes, errors) = (column("bytes"), column("test errors of 10,000"));
    let number = |cell: &str| cell.replace(',', "").parse().ok();
    let found = table.filter_map(|cells| {
        let seed = cells[1].parse().ok()?;
        Some((seed, number(cells[bytes])?, number(cells[errors])?))
    });
    found.collect()
}

#[test]
fn files_are_as_long_and_make_as_many_errors_as_the_record_says() {
    for (track, opening) in TRACKS {
        let said = said(opening);
        assert_eq!(said.len(), 5, "{said:?}");
        for (seed, bytes, errors) in said {
            is_as_said(&format!("{track}-seed{seed}.cmp"), bytes, errors);
        }
    }
}

fn is_as_said(name: &str, bytes: usize, errors: usize) {
    let file = format!("../docs/results/record/{name}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let length = std::fs::metadata(&file).unwrap().len();
    assert_eq!(length, bytes as u64, "{name}");
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = evaluate.arg("evaluate").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = text + &String::from_utf8_lossy(&output.stderr);
    let counted = text.lines().find(|line| line.contains("test errors"));
    let counted = counted.unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(
        counted.ends_with(&format!(" {errors} of 10000")),
        "{name}: {counted}, not {errors}"
    );
}
