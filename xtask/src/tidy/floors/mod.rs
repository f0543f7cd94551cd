//! Modules of a library import downward alone: never in a circle, and never from a floor above.
//!
//! What counts is what a file needs from another file: an import, or a path in its code. A
//! re-export is followed to the file that defines the item. So a parent that only re-exports its
//! children needs none of them.

mod circles;
mod graph;
mod parse;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use self::circles::circles;
use self::graph::{Edge, Graph};
use super::Finding;
use super::source::Source;
use super::workspace::{Workspace, slashes};

/// The crate whose modules have floors.
const CORE: &str = "compress-core";

/// The floors of core from below, each with its modules.
const FLOORS: &[(&str, &[&str])] = &[
    ("the ground", &["error", "isa"]),
    ("kernels", &["kernels"]),
    ("operations", &["ceilings", "linalg", "ops", "rng"]),
    // Every other module.
    ("contracts", &[]),
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut crates: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    for source in workspace.sources_of_libraries() {
        let name = source.path.iter().nth(1).unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        crates.entry(name).or_default().push(source);
    }
    let mut findings = Vec::new();
    for (name, sources) in &crates {
        let root = Path::new("crates").join(name).join("src");
        let graph = Graph::new(&root, sources);
        findings.extend(circles(&graph).iter().map(|c| circle_found(&graph, c)));
        if name == CORE {
            findings.extend(upward_imports(&graph));
        }
    }
    findings
}

fn circle_found(graph: &Graph, circle: &[Edge]) -> Finding {
    let arrow = |edge: &Edge| {
        let (from, to) = (&graph.files[edge.from], &graph.files[edge.to]);
        let (from, to) = (slashes(&from.short), slashes(&to.short));
        format!("{from}:{} needs {to}", edge.line)
    };
    let arrows: Vec<String> = circle.iter().map(arrow).collect();
    let message = format!(
        "modules need each other in a circle: {}; move what both need into a module below them",
        arrows.join(", ")
    );
    Finding::new(&graph.files[circle[0].from].path, circle[0].line, message)
}

fn upward_imports(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for edge in &graph.edges {
        let (from, to) = (&graph.files[edge.from], &graph.files[edge.to]);
        let (low, high) = (floor(from.top()), floor(to.top()));
        if low < high {
            let message = format!(
                "{} belongs to {} and needs {} of {}, a floor above; move what it needs down",
                slashes(&from.short),
                FLOORS[low].0,
                slashes(&to.short),
                FLOORS[high].0,
            );
            findings.push(Finding::new(&from.path, edge.line, message));
        }
    }
    findings
}

/// The floor, from 0, of the module `top` of core.
fn floor(top: &str) -> usize {
    let found = FLOORS
        .iter()
        .position(|(_, modules)| modules.contains(&top));
    found.unwrap_or(FLOORS.len() - 1)
}
