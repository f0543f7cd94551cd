//! The same bits on every machine: no function whose result depends on the platform's library or
//! on the processor that `ndarray` finds.

use super::Finding;
use super::source::is_word;
use super::workspace::Workspace;

/// What the standard library takes from the platform, or does not promise the precision of.
const FUNCTIONS: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "exp",
    "exp2", "exp_m1", "hypot", "ln", "ln_1p", "log", "log10", "log2", "powf", "powi", "sin",
    "sin_cos", "sinh", "tan", "tanh",
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in workspace.sources_of_libraries() {
        for name in FUNCTIONS {
            let message = format!(
                "`{name}` rounds as the platform does; use compress_core::ops, or write \
                 `// tidy: allow(<why it reaches no weight and no report>)` behind it"
            );
            findings.extend(source.findings(|line| is_used(line, name), &message));
        }
    }
    let ours = workspace.sources.iter();
    for source in ours.filter(|s| s.path.starts_with("crates") || s.path.starts_with("xtask")) {
        let message = "ndarray's `dot` picks its kernel by processor; use \
                       compress_core::kernels::gemm_f32";
        findings.extend(source.findings(|line| is_used(line, "dot"), message));
    }
    findings
}

/// Whether `line` calls the method `name`, or names the function of a float, as in `map(f32::exp)`.
fn is_used(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].trim_end();
        let after = &line[start + name.len()..];
        let is_method = before.ends_with('.') && after.trim_start().starts_with('(');
        let is_function = before.ends_with("f32::") || before.ends_with("f64::");
        is_method || (is_function && !after.chars().next().is_some_and(is_word))
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
    fn platform_functions_fail_in_libraries() {
        let text = "x.exp();\nx.mapv(f32::ln);\n(a + b).powi(2);\nx\n    .tanh()\nf64::sin(x);\na.dot(&b);";
        assert_eq!(
            lines("crates/compress-nn/src/a.rs", text),
            [1, 2, 3, 5, 6, 7]
        );
        // Elsewhere only the matrix product is.
        assert_eq!(lines("xtask/src/a.rs", text), [7]);
        assert!(lines("benches/a.rs", text).is_empty());
    }

    #[test]
    fn own_functions_exact_ones_and_tests_pass() {
        let text = "ops::exp(x)?;\nx.sqrt();\nx.mul_add(y, z);\nx.expand();\nx.log_softmax();\n\
                    x.powi(2); // tidy: allow(an f64 for a log message)\n// x.exp()\n\
                    #[cfg(test)]\nmod tests { fn f() { x.exp(); a.dot(&b); } }";
        assert!(lines("crates/compress-nn/src/a.rs", text).is_empty());
        assert!(lines("crates/compress-nn/tests/a.rs", "x.exp()").is_empty());
    }
}
