//! Names that nothing else has.

use std::collections::HashSet;

use compress_core::Result;

use super::index::{self, DEPTH};
use super::proto::{Node, VALUE_NAME, graph, tensor};
use super::wire::Message;

/// All names of values and of nodes of a model, those of graphs within others as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Names<'a> {
    taken: HashSet<&'a str>,
    made: HashSet<String>,
}

impl<'a> Names<'a> {
    pub(super) fn of(graph: &Message<'a>) -> Result<Self> {
        let mut names = Names::default();
        names.graph(graph, DEPTH)?;
        Ok(names)
    }

    fn graph(&mut self, graph: &Message<'a>, depth: usize) -> Result<()> {
        if depth == 0 {
            return Err(graph.error("graphs lie too deep in one another"));
        }
        let tensors = graph
            .messages(graph::INITIALIZER)
            .map(|m| (m, tensor::NAME));
        let inputs = graph.messages(graph::INPUT).map(|m| (m, VALUE_NAME));
        let outputs = graph.messages(graph::OUTPUT).map(|m| (m, VALUE_NAME));
        for (message, number) in tensors.chain(inputs).chain(outputs) {
            self.take(message?.text(number, "a name")?);
        }
        for sparse in graph.messages(graph::SPARSE) {
            // Its values are a tensor, whose name is that of the whole.
            if let Some(values) = sparse?.message(1, "the values of a sparse tensor")? {
                self.take(values.text(tensor::NAME, "a name")?);
            }
        }
        for message in graph.messages(graph::NODE) {
            let node = Node::new(message?)?;
            self.take(node.name);
            node.inputs()
                .chain(node.outputs())
                .for_each(|name| self.take(name));
            for (_, graph) in index::graphs(&node)? {
                self.graph(&graph, depth - 1)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &'a str) {
        self.taken.insert(name);
    }

    /// A new name that begins with `base`.
    pub(super) fn fresh(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        let mut number = 1_u64;
        while self.taken.contains(name.as_str()) || !self.made.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        name
    }
}
