//! Libraries are quiet: they emit `tracing` events, and binaries print.

use super::Finding;
use super::source::{is_word, lines_with_word};
use super::workspace::Workspace;

const MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in workspace.sources_of_libraries() {
        let code = source.code_without_tests();
        for name in MACROS {
            for line in lines_with_word(&code, name) {
                let text = code.lines().nth(line - 1).unwrap_or_default();
                if calls_macro(text, name) && !source.is_allowed(line) {
                    let message = format!("a library prints with `{name}!`; use `tracing`");
                    findings.push(Finding::new(&source.path, line, message));
                }
            }
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
    use crate::tidy::source::Source;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let workspace = Workspace {
            sources: vec![Source::new(path, text)],
            ..Workspace::default()
        };
        let mut lines: Vec<usize> = check(&workspace).iter().map(|f| f.line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn printing_fails_in_libraries_alone() {
        let text = "fn f() {\n    println!(\"a\");\n    dbg!(x);\n    std::eprint! (\"b\");\n}";
        assert_eq!(lines("crates/compress-nn/src/fit.rs", text), [2, 3, 4]);
        assert!(lines("crates/compress-cli/src/main.rs", text).is_empty());
        assert!(lines("crates/compress-nn/tests/fit.rs", text).is_empty());
        assert!(lines("xtask/src/main.rs", text).is_empty());
    }

    #[test]
    fn comments_strings_tests_and_other_names_pass() {
        let text = "/// println!(\"a\");\nlet a = \"dbg!(1)\";\nif print != 1 { my_print!() }\n\
                    #[cfg(test)]\nmod tests { fn f() { println!(); } }";
        assert!(lines("crates/compress-nn/src/fit.rs", text).is_empty());
    }
}
