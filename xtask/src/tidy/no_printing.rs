//! Libraries are quiet: they emit `tracing` events. `xtask` prints by `xtask/src/output.rs`, which
//! takes a closed pipe and a full device for what they are: `println!` panics at both.

use std::path::Path;

use super::Finding;
use super::source::is_word;
use super::workspace::Workspace;

const MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let of_xtask = workspace.sources.iter();
    let of_xtask = of_xtask.filter(|source| source.path.starts_with(Path::new("xtask/src")));
    let libraries = workspace.sources_of_libraries();
    let sources = libraries
        .map(|source| (source, "a library", "`tracing`"))
        .chain(of_xtask.map(|source| (source, "xtask", "`output::say!` or `output::note`")));
    let mut findings = Vec::new();
    for (source, who, instead) in sources {
        for name in MACROS {
            let message = format!("{who} prints with `{name}!`; use {instead}");
            findings.extend(source.findings(|line| calls_macro(line, name), &message));
        }
    }
    findings
}

fn calls_macro(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + name.len()..].trim_start();
        // `print != x` compares.
        let is_call = after.starts_with('!') && !after.starts_with("!=");
        is_call && !before.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::lines_found;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        lines_found(check, path, text)
    }

    #[test]
    fn printing_fails_in_libraries_and_in_xtask() {
        let text = "fn f() {\n    println!(\"a\");\n    dbg!(x);\n    std::eprint! (\"b\");\n}";
        assert_eq!(lines("crates/compress-nn/src/fit.rs", text), [2, 3, 4]);
        assert!(lines("crates/compress-cli/src/main.rs", text).is_empty());
        assert!(lines("crates/compress-nn/tests/fit.rs", text).is_empty());
        assert_eq!(lines("xtask/src/main.rs", text), [2, 3, 4]);
        assert!(lines("xtask/tests/main.rs", text).is_empty());
    }

    #[test]
    fn comments_strings_tests_and_other_names_pass() {
        let text = "/// println!(\"a\");\nlet a = \"dbg!(1)\";\nif print != 1 { my_print!() }\n\
                    #[cfg(test)]\nmod tests { fn f() { println!(); } }";
        assert!(lines("crates/compress-nn/src/fit.rs", text).is_empty());
    }
}
