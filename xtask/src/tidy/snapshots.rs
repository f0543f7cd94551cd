//! Every snapshot belongs to a test, and none waits for review.
//!
//! insta names the snapshot `name` of the test file `module.rs` `module__name.snap`.

use std::path::Path;

use super::Finding;
use super::source::has_word;
use super::workspace::Workspace;

const TESTS: &str = "xtask/tests";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &workspace.files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".snap.new") || name.ends_with(".pending-snap") {
            let message = "a snapshot waits for review; run `cargo insta review`";
            findings.push(Finding::new(path, 1, message));
        } else if let (true, Some(stem)) = (path.starts_with(TESTS), name.strip_suffix(".snap")) {
            findings.extend(unreferenced(workspace, path, stem));
        }
    }
    findings
}

fn unreferenced(workspace: &Workspace, path: &Path, stem: &str) -> Option<Finding> {
    let Some((module, rest)) = stem.split_once("__") else {
        let message = "not named `module__name.snap`, so no test can use it; delete it";
        return Some(Finding::new(path, 1, message));
    };
    let name = rest.rsplit("__").next().unwrap_or(rest);
    let test = Path::new(TESTS).join(format!("{module}.rs"));
    let is_used = workspace
        .source(&test)
        .is_some_and(|source| has_word(&source.uncommented, name));
    (!is_used).then(|| {
        let message = format!("{TESTS}/{module}.rs does not name the snapshot `{name}`; delete it");
        Finding::new(path, 1, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::Source;

    #[test]
    fn stray_snapshots_fail() {
        let test = "// old\nassert_json_snapshot!(\"pixels_quick\", report);\nfn pooled() {}";
        let files = [
            "reports__pixels_quick.snap",
            "reports__pooled.snap",
            "reports__old.snap",
            "reports__pixels.snap",
            "reports__pixels_quick.snap.new",
            "gone__pooled.snap",
            "pooled.snap",
        ];
        let workspace = Workspace {
            sources: vec![Source::new("xtask/tests/reports.rs", test)],
            files: files
                .map(|f| Path::new(TESTS).join("snapshots").join(f))
                .to_vec(),
            ..Workspace::default()
        };
        let found = check(&workspace);
        let names: Vec<_> = found.iter().filter_map(|f| f.path.file_name()).collect();
        assert_eq!(names, files[2..], "{found:?}");
    }
}
