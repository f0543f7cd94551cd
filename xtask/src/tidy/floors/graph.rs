//! Which file of a crate needs which other one, and where it says so.

use std::path::{Path, PathBuf};

use super::super::source::Source;
use super::parse::{Import, Parsed, parse};

/// The files of a crate, tests left out.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) files: Vec<File>,
    /// At most one for two files.
    pub(super) edges: Vec<Edge>,
}

/// A file, which is a module.
#[derive(Debug)]
pub(super) struct File {
    /// Relative to the root of the workspace.
    pub(super) path: PathBuf,
    /// Relative to the folder of the crate's sources.
    pub(super) short: PathBuf,
    /// The names of the modules down to this one; empty for the crate's root.
    module: Vec<String>,
    parsed: Parsed,
}

/// `from` needs `to`, as `line` says first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
}

/// What a path leads to.
enum Target {
    Module(usize),
    /// An item of the file.
    Item(usize),
}

/// Re-exports that are followed one after the other; more are a circle of their own.
const MOST_STEPS: usize = 16;

impl File {
    fn new(root: &Path, source: &Source) -> Self {
        let short = source.path.strip_prefix(root).unwrap_or(&source.path);
        let parts = short.with_extension("");
        let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
        let mut module: Vec<String> = parts.collect();
        if module == ["lib"] {
            module.clear();
        }
        module.pop_if(|last| last == "mod");
        File {
            path: source.path.clone(),
            short: short.to_owned(),
            module,
            parsed: parse(&source.code_without_tests()),
        }
    }

    /// The name of the module of the crate's root that this one is in; empty for the root itself.
    pub(super) fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    fn declares(&self, module: &str) -> bool {
        self.parsed.modules.iter().any(|m| m == module)
    }

    fn import(&self, name: &str) -> Option<&Import> {
        self.parsed
            .imports
            .iter()
            .find(|import| import.name == name)
    }

    /// Whether another file can import `name` from this one.
    fn offers(&self, name: &str) -> bool {
        let import = self.import(name);
        self.defines(name) || self.declares(name) || import.is_some_and(|import| import.public)
    }

    fn defines(&self, name: &str) -> bool {
        self.parsed.items.iter().any(|item| item == name)
    }
}

impl Graph {
    /// The graph of the crate whose sources are in the folder `root`.
    pub(super) fn new(root: &Path, sources: &[&Source]) -> Self {
        let code = sources.iter().filter(|source| !source.is_test());
        let mut graph = Graph {
            files: code.map(|source| File::new(root, source)).collect(),
            edges: Vec::new(),
        };
        graph.leave_out_undeclared();
        for (from, file) in graph.files.iter().enumerate() {
            let source = sources.iter().find(|source| source.path == file.path);
            let mut edges: Vec<Edge> = graph.needs(from).collect();
            edges.retain(|edge| !source.is_some_and(|source| source.is_allowed(edge.line)));
            edges.sort_by_key(|edge| (edge.to, edge.line));
            edges.dedup_by_key(|edge| edge.to);
            graph.edges.extend(edges);
        }
        graph
    }

    /// Without the files of modules that are for tests alone.
    fn leave_out_undeclared(&mut self) {
        let declared = |file: &File| {
            (0..file.module.len()).all(|length| {
                let parent = self.module(&file.module[..length]);
                parent.is_some_and(|p| self.files[p].declares(&file.module[length]))
            })
        };
        let keep: Vec<bool> = self.files.iter().map(declared).collect();
        let mut keep = keep.into_iter();
        self.files.retain(|_| keep.next().unwrap_or(false));
    }

    /// An edge for each import and each path that leads from the file `from` to another one.
    fn needs(&self, from: usize) -> impl Iterator<Item = Edge> {
        let parsed = &self.files[from].parsed;
        let imports = parsed.imports.iter().filter_map(move |import| {
            match self.target(from, &import.mention.path, MOST_STEPS) {
                Target::Item(to) | Target::Module(to) if self.is_passed_on(import, from, to) => {
                    None
                }
                // The name of a module needs nothing of it, and everything in it does.
                Target::Module(_) if import.name != "*" => None,
                Target::Item(to) | Target::Module(to) => Some((to, import.mention.line)),
            }
        });
        let mentions = parsed.mentions.iter().filter_map(move |mention| {
            match self.target(from, &mention.path, MOST_STEPS) {
                Target::Item(to) => Some((to, mention.line)),
                Target::Module(_) => None,
            }
        });
        let edges = imports.chain(mentions);
        edges
            .filter(move |&(to, _)| to != from)
            .map(move |(to, line)| Edge { from, to, line })
    }

    /// Whether `import` only passes on an item of a module below `from`.
    fn is_passed_on(&self, import: &Import, from: usize, to: usize) -> bool {
        import.public && self.files[to].module.starts_with(&self.files[from].module)
    }

    /// Where `path` leads, seen from the file `from`. What cannot be followed further is an item
    /// of the last module on the way.
    fn target(&self, from: usize, path: &[String], steps: usize) -> Target {
        let Some((head, rest)) = path.split_first() else {
            return Target::Module(from);
        };
        let file = &self.files[from];
        let above = match head.as_str() {
            "crate" => self.module(&[]),
            "self" => Some(from),
            "super" => self.module(&file.module[..file.module.len().saturating_sub(1)]),
            _ => None,
        };
        if let Some(above) = above {
            return self.target(above, rest, steps);
        }
        let child = self.module(&[&file.module[..], std::slice::from_ref(head)].concat());
        let import = file.import(head);
        if let Some(child) = child.filter(|_| !rest.is_empty() || import.is_none()) {
            return self.target(child, rest, steps);
        }
        if steps == 0 || file.defines(head) {
            return Target::Item(from);
        }
        if let Some(import) = import {
            return match self.target(from, &import.mention.path, steps - 1) {
                Target::Module(to) if to != from => self.target(to, rest, steps - 1),
                found => found,
            };
        }
        let everything = file
            .parsed
            .imports
            .iter()
            .filter(|import| import.name == "*");
        for import in everything {
            if let Target::Module(to) = self.target(from, &import.mention.path, steps - 1)
                && to != from
                && self.files[to].offers(head)
            {
                return self.target(to, path, steps - 1);
            }
        }
        Target::Item(from)
    }

    fn module(&self, path: &[String]) -> Option<usize> {
        self.files.iter().position(|file| file.module == path)
    }
}
