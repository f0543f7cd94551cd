//! The tensors of a file, and where each is.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use compress_core::Result;

use super::external::Files;
use super::proto::{Node, attribute, graph, graph_of, tensor};
use super::tensor::{Data, read};
use super::wire::Message;
use crate::dtype::TensorInfo;
use crate::stream::checksum;

/// How deep graphs may lie in one another.
pub(super) const DEPTH: usize = 32;

/// A file has at most one tensor for so many bytes, and so many more. Otherwise a file of empty ones
/// would take many times its own memory.
const BYTES: usize = 48;
const MOST: usize = 100_000;
/// A path is at most so long, since each name of a tensor below it repeats it.
const LONGEST_PATH: usize = 128;

/// The tensors, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) entries: Vec<Entry>,
    pub(super) files: Files,
    /// How many tensors a file of this size may have.
    most: usize,
}

/// A tensor in the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its message. No two begin at the same byte.
    pub(super) message: Range<usize>,
    pub(super) place: Place,
}

/// Where the values of a tensor are.
#[derive(Debug)]
pub(super) enum Place {
    /// In the model's file.
    Here(Range<usize>),
    /// In its message, in fields of their own type.
    Typed,
    /// In this one of the files beside it.
    File(usize, Range<usize>),
}

impl Index {
    /// The tensors of a model, whose file is at `path`.
    pub(super) fn of(model: &Message<'_>, path: &Path) -> Result<Self> {
        let mut index = Index {
            most: model.length() as usize / BYTES + MOST,
            ..Index::default()
        };
        index.graph(&graph_of(model)?, "", path, DEPTH)?;
        let mut both: Vec<_> = index
            .tensors
            .drain(..)
            .zip(index.entries.drain(..))
            .collect();
        both.sort_by_key(|(_, entry)| entry.message.start);
        (index.tensors, index.entries) = both.into_iter().unzip();
        index.rename_doubles();
        Ok(index)
    }

    /// The tensors of a graph, whose names begin with `within`.
    fn graph(
        &mut self,
        graph: &Message<'_>,
        within: &str,
        path: &Path,
        depth: usize,
    ) -> Result<()> {
        if depth == 0 {
            let reason = format!("graphs lie in one another deeper than {DEPTH}");
            return Err(graph.error(reason));
        }
        let mut seen = HashSet::new();
        for message in graph.messages(graph::INITIALIZER) {
            let message = message?;
            let name = message.text(tensor::NAME, "the name of a tensor")?;
            self.add(&message, name, within, path, &mut seen)?;
        }
        for message in graph.messages(graph::NODE) {
            let node = Node::new(message?)?;
            if node.standard() == Some("Constant") {
                if let Some(value) = constant(&node)? {
                    let name = node.outputs().next().unwrap_or_default();
                    self.add(&value, name, within, path, &mut seen)?;
                }
                continue;
            }
            for (name, graph) in graphs(&node)? {
                let below = below(within, &node, &name);
                self.graph(&graph, &below, path, depth - 1)?;
            }
        }
        Ok(())
    }

    fn add<'a>(
        &mut self,
        message: &Message<'a>,
        name: &'a str,
        within: &str,
        path: &Path,
        seen: &mut HashSet<&'a str>,
    ) -> Result<()> {
        if name.is_empty() {
            return Err(message.error("a tensor has no name"));
        }
        if !seen.insert(name) {
            return Err(message.error(format!("tensor {within}{name} is there twice")));
        }
        let Some((info, data)) = read(message, format!("{within}{name}"))? else {
            return Ok(());
        };
        let place = match data {
            Data::Raw(start) => {
                let length = usize::try_from(info.bytes()?).unwrap_or(usize::MAX);
                Place::Here(start..start + length)
            }
            Data::Typed => Place::Typed,
            Data::External(place) => {
                let (number, range) = self.files.find(path, &place, &info)?;
                Place::File(number, range)
            }
        };
        if self.tensors.len() >= self.most {
            let reason = format!(
                "there are more than {} tensors in so short a file",
                self.most
            );
            return Err(message.error(reason));
        }
        self.tensors.push(info);
        self.entries.push(Entry {
            message: message.at()..message.at() + message.length() as usize,
            place,
        });
        Ok(())
    }

    /// Paths are joined by a slash, which names have too, so that two tensors of different graphs
    /// may come to the same: the later ones are numbered.
    fn rename_doubles(&mut self) {
        let mut doubles = Vec::new();
        let mut seen = HashSet::new();
        for (number, info) in self.tensors.iter().enumerate() {
            if !seen.insert(info.name.as_str()) {
                doubles.push(number);
            }
        }
        let mut seen: HashSet<String> = match doubles.is_empty() {
            true => return,
            false => seen.into_iter().map(str::to_owned).collect(),
        };
        for number in doubles {
            let name = &mut self.tensors[number].name;
            let mut numbered = (2..).map(|count: usize| format!("{name}@{count}"));
            if let Some(free) = numbered.find(|numbered| seen.insert(numbered.clone())) {
                *name = free;
            }
        }
    }
}

/// What the names of tensors in a graph of a node begin with: the same in a file that was rewritten.
pub(super) fn below(within: &str, node: &Node<'_>, name: &str) -> String {
    let output = node.outputs().find(|name| !name.is_empty());
    let below = format!("{within}{}/{name}/", output.unwrap_or(node.op));
    match below.len() > LONGEST_PATH {
        true => format!("@{:08x}/", checksum(below.as_bytes())),
        false => below,
    }
}

/// The tensor of a `Constant` node.
pub(super) fn constant<'a>(node: &Node<'a>) -> Result<Option<Message<'a>>> {
    match node.attribute("value")? {
        Some(value) => value.message(attribute::TENSOR, "the tensor of a constant"),
        None => Ok(None),
    }
}

/// The graphs of a node with the names of their attributes.
pub(super) fn graphs<'a>(node: &Node<'a>) -> Result<Vec<(String, Message<'a>)>> {
    let mut graphs = Vec::new();
    for attribute in node.attributes() {
        let attribute = attribute?;
        let name = || attribute.text(attribute::NAME, "the name of an attribute");
        if let Some(graph) = attribute.message(attribute::GRAPH, "the graph of an attribute")? {
            graphs.push((name()?.to_owned(), graph));
        }
        for (number, graph) in attribute.messages(attribute::GRAPHS).enumerate() {
            graphs.push((format!("{}[{number}]", name()?), graph?));
        }
    }
    Ok(graphs)
}
