//! An algorithm is one file and one line of its folder's registry, and names its source.

use std::path::{Path, PathBuf};

use super::Finding;
use super::source::{Source, has_word, is_word};
use super::workspace::{Workspace, slashes};

/// The folders of algorithms, and whether theirs come from the literature.
const FOLDERS: &[(&str, bool)] = &[
    ("crates/compress-prune/src/criteria", true),
    ("crates/compress-prune/src/structure", true),
    ("crates/compress-prune/src/schedule", true),
    ("crates/compress-quant/src/schemes", true),
    ("crates/compress-quant/src/observers", true),
    ("crates/compress-distill/src/losses", true),
    ("crates/compress-distill/src/features", true),
    ("xtask/src/experiments", false),
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let folders = FOLDERS.iter();
    folders
        .flat_map(|(folder, cited)| check_folder(workspace, folder, *cited))
        .collect()
}

fn check_folder(workspace: &Workspace, folder: &str, cited: bool) -> Vec<Finding> {
    let registry = Path::new(folder).join("mod.rs");
    let Some(registry) = workspace.source(&registry) else {
        let message = "there is no such file, so no algorithm of the folder can be found; create \
                       it, or correct the list in xtask/src/tidy/algorithms.rs";
        return vec![Finding::new(registry, 1, message)];
    };
    let mut findings = Vec::new();
    for (stem, source) in algorithms(workspace, folder) {
        let module = format!("mod {stem};");
        let line = registry.code.lines().position(|l| l.contains(&module));
        match line {
            None => findings.push(Finding::new(
                &registry.path,
                1,
                format!(
                    "{} is not part of the crate; add `{module}`",
                    slashes(&source.path)
                ),
            )),
            // A file that only helps the algorithms beside it.
            Some(line) if registry.is_allowed(line + 1) => continue,
            Some(line) if !is_registered(registry, &stem) => findings.push(Finding::new(
                &registry.path,
                line + 1,
                format!(
                    "`{stem}` is in no registry; name it (as `{stem}`, `\"{stem}\"` or `{}`) in \
                     the list of this file, or write `// tidy: allow(<why>)` behind the `mod`",
                    type_name(&stem)
                ),
            )),
            Some(_) => {}
        }
        if cited && !source.text.contains("# References") {
            let message = "an algorithm without its source; add a `# References` section with \
                           paper, section and equation";
            findings.push(Finding::new(&source.path, 1, message));
        }
    }
    findings
}

/// The algorithms right in `folder`, each a file or a folder of its own, by stem.
fn algorithms<'a>(workspace: &'a Workspace, folder: &str) -> Vec<(String, &'a Source)> {
    let files = workspace.sources.iter().filter_map(|source| {
        let inner: PathBuf = source.path.strip_prefix(folder).ok()?.to_owned();
        let parts: Vec<String> = inner.iter().map(|p| p.to_string_lossy().into()).collect();
        let stem = match parts.as_slice() {
            [file] if file != "mod.rs" && file != "tests.rs" => file.strip_suffix(".rs")?,
            [stem, file] if file == "mod.rs" && stem != "tests" => stem,
            _ => return None,
        };
        Some((stem.to_owned(), source))
    });
    files.collect()
}

/// Whether `stem` or its type is named outside of declarations of modules and imports.
fn is_registered(registry: &Source, stem: &str) -> bool {
    let mut declaration = false;
    let body = registry.uncommented.lines().filter(|line| {
        let start = line.trim_start().trim_start_matches("pub ");
        let start = start.trim_start_matches("pub(crate) ");
        declaration |= start.starts_with("use ") || start.starts_with("mod ");
        let skipped = declaration;
        // A `use` may go on over several lines.
        declaration &= !line.contains(';');
        !skipped
    });
    let body: Vec<&str> = body.collect();
    let type_name = type_name(stem);
    let names_type = |line: &str| {
        let starts = line.match_indices(&type_name).map(|(start, _)| start);
        starts.into_iter().any(|start| {
            let after = line[start + type_name.len()..].chars().next();
            !after.is_some_and(is_word)
        })
    };
    body.iter()
        .any(|line| has_word(line, stem) || names_type(line))
}

/// `global_magnitude` as `GlobalMagnitude`.
fn type_name(stem: &str) -> String {
    let parts = stem.split('_').map(|part| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "crates/compress-prune/src/criteria";

    fn findings(registry: &str, algorithm: &str) -> Vec<Finding> {
        let sources = vec![
            Source::new(format!("{FOLDER}/mod.rs"), registry),
            Source::new(format!("{FOLDER}/global_magnitude.rs"), algorithm),
            Source::new(format!("{FOLDER}/tests.rs"), ""),
        ];
        let workspace = Workspace {
            sources,
            ..Workspace::default()
        };
        check_folder(&workspace, FOLDER, true)
    }

    #[test]
    fn a_registered_algorithm_with_its_source_passes() {
        let cited = "//! # References\n//! Han et al.\n";
        let heads =
            "mod global_magnitude;\npub use global_magnitude::{\n    GlobalMagnitude,\n};\n";
        for entry in [
            "&[\"global_magnitude\"]",
            "&[&GlobalMagnitude]",
            "global_magnitude::new",
        ] {
            let registry = format!("{heads}const ALL: X = {entry};\n");
            assert_eq!(findings(&registry, cited), [], "{entry}");
        }
    }

    #[test]
    fn an_unregistered_algorithm_fails() {
        let cited = "//! # References\n";
        // Imports and comments are no registry.
        let registry = "mod global_magnitude;\npub use global_magnitude::{\n    GlobalMagnitude,\n\
                        };\n// global_magnitude\n";
        let found = findings(registry, cited);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 1);
        assert!(found[0].message.contains("in no registry"));

        let allowed = "mod global_magnitude; // tidy: allow(helps the others)\n";
        assert_eq!(findings(allowed, ""), []);
    }

    #[test]
    fn a_file_outside_of_the_crate_fails() {
        let found = findings(
            "const ALL: X = &[\"global_magnitude\"];",
            "//! # References\n",
        );
        assert!(
            found[0].message.contains("add `mod global_magnitude;`"),
            "{found:?}"
        );
    }

    #[test]
    fn an_algorithm_without_its_source_fails() {
        let found = findings(
            "mod global_magnitude;\nconst A: X = GlobalMagnitude;",
            "//! Mine.",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("# References"));
    }

    #[test]
    fn a_missing_folder_fails() {
        let found = check(&Workspace::default());
        assert_eq!(found.len(), FOLDERS.len());
        assert!(found[0].path.ends_with("criteria/mod.rs"));
    }
}
