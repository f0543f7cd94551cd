//! How a graph uses its tensors.

use std::collections::HashMap;
use std::sync::Arc;

use compress_core::Result;

use super::index::{self, DEPTH, Index};
use super::proto::{Node, VALUE_NAME, graph, tensor};
use super::wire::Message;

/// Tensors with more axes are not followed through `Transpose`.
const MOST_AXES: usize = 8;

/// All uses of one tensor: those behind `Identity`, `Cast` and `Transpose` as well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uses {
    /// The nodes that compute with it, in the order of the file. A node is there once for each operand
    /// with axes, else once.
    pub by: Vec<Use>,
    /// The nodes that only pass it on, by the bytes at which they begin.
    pub(super) passed_by: Vec<usize>,
}

/// A node that computes with a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The name of the node; of its first output where it has none.
    pub node: Arc<str>,
    /// Its operator, after the domain where that is not ONNX's own: `com.microsoft.Gelu`. Empty
    /// where the tensor is an output of its graph.
    pub op: Arc<str>,
    /// Which of its inputs the tensor is.
    pub operand: usize,
    /// The axes of the tensor, where the node is known to have some.
    pub axes: Option<Axes>,
    /// Whether it is in another type by then.
    pub(super) is_cast: bool,
    /// Where the node begins in the file.
    pub(super) at: usize,
}

/// What the axes of a weight are, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axes {
    /// One position for each output: what shares a scale in quantization by channels.
    pub outputs: usize,
    /// What is summed over, or the values of one row of an embedding.
    pub inputs: usize,
}

impl Uses {
    /// The axes of the tensor, where the nodes that give it some agree.
    pub fn axes(&self) -> Option<Axes> {
        let mut all = self.by.iter().filter_map(|used| used.axes);
        let first = all.next()?;
        all.all(|axes| axes.outputs == first.outputs)
            .then_some(first)
    }
}

/// Which axes of operand number `operand`, which has `rank` of them, are outputs and inputs.
fn axes(node: &Node<'_>, operand: usize, rank: usize) -> Result<Option<Axes>> {
    let (outputs, inputs) = match (node.standard().unwrap_or_default(), operand) {
        ("Conv", 1) => (0, 1),
        // [in, out / groups, …]
        ("ConvTranspose", 1) => (1, 0),
        ("Gemm", 1) if node.int("transB")?.unwrap_or(0) != 0 => (0, 1),
        ("Gemm", 1) => (1, 0),
        ("MatMul", 0) if rank >= 2 => (rank - 2, rank - 1),
        ("MatMul", 1) if rank >= 2 => (rank - 1, rank - 2),
        ("Gather", 0) if rank >= 2 && node.int("axis")?.unwrap_or(0) == 0 => (0, rank - 1),
        // [directions, gates · hidden, in]
        ("LSTM" | "GRU" | "RNN", 1 | 2) => (1, 2),
        _ => return Ok(None),
    };
    let fits = outputs < rank && inputs < rank;
    Ok(fits.then_some(Axes { outputs, inputs }))
}

/// The uses of each tensor of the index.
pub(super) fn find(graph: &Message<'_>, index: &Index) -> Result<Vec<Uses>> {
    let numbered = index.entries.iter().enumerate();
    let mut walk = Walk {
        index,
        at: numbered
            .map(|(number, entry)| (entry.message.start, number))
            .collect(),
        scopes: Vec::new(),
        uses: vec![Uses::default(); index.tensors.len()],
    };
    walk.graph(graph, DEPTH)?;
    Ok(walk.uses)
}

/// The name of a node and its operator.
type Called = (Arc<str>, Arc<str>);

/// A value that is a tensor.
#[derive(Clone, Debug)]
struct Alias {
    tensor: usize,
    /// Axis `i` of the value is axis `axes[i]` of the tensor; none where they are the same.
    axes: Option<Vec<usize>>,
    is_cast: bool,
}

struct Walk<'a, 'i> {
    index: &'i Index,
    /// Tensors by the byte at which their messages begin.
    at: HashMap<usize, usize>,
    /// Values that are tensors by name, of each graph around; none for a name that hides another.
    scopes: Vec<HashMap<&'a str, Option<Alias>>>,
    uses: Vec<Uses>,
}

impl<'a> Walk<'a, '_> {
    /// Nodes stand in the order in which they are computed, so that one pass sees all.
    fn graph(&mut self, graph: &Message<'a>, depth: usize) -> Result<()> {
        if depth == 0 {
            return Err(graph.error("graphs lie too deep in one another"));
        }
        self.scopes.push(HashMap::new());
        for input in graph.messages(graph::INPUT) {
            self.hide(input?.text(VALUE_NAME, "the name of an input")?);
        }
        for message in graph.messages(graph::INITIALIZER) {
            let message = message?;
            let name = message.text(tensor::NAME, "the name of a tensor")?;
            self.define(name, &message);
        }
        for message in graph.messages(graph::NODE) {
            self.node(&Node::new(message?)?, depth)?;
        }
        for output in graph.messages(graph::OUTPUT) {
            let output = output?;
            let name = output.text(VALUE_NAME, "the name of an output")?;
            // Of several outputs that are the same tensor, one is enough.
            self.used(name, 0, None, usize::MAX, &mut || (name.into(), "".into()))?;
        }
        self.scopes.pop();
        Ok(())
    }

    fn node(&mut self, node: &Node<'a>, depth: usize) -> Result<()> {
        let output = node.outputs().next().unwrap_or_default();
        if node.standard() == Some("Constant") {
            if let Some(value) = index::constant(node)? {
                self.define(output, &value);
            }
            return Ok(());
        }
        for (_, graph) in index::graphs(node)? {
            self.graph(&graph, depth - 1)?;
        }
        let passed = match self.value(node.inputs().next().unwrap_or_default()) {
            Some(alias) => pass(node, alias, &self.index.tensors[alias.tensor].shape)?,
            None => None,
        };
        if let Some(alias) = passed {
            self.uses[alias.tensor].passed_by.push(node.message.at());
            self.insert(output, Some(alias));
            return Ok(());
        }
        // Long names are there once, however many inputs the node has.
        let mut called: Option<Called> = None;
        let mut called = || {
            let op = || match node.standard() {
                Some(op) => op.into(),
                None => format!("{}.{}", node.domain, node.op).into(),
            };
            let made = called.get_or_insert_with(|| (node.called().into(), op()));
            made.clone()
        };
        for (operand, name) in node.inputs().enumerate() {
            self.used(name, operand, Some(node), node.message.at(), &mut called)?;
        }
        node.outputs().for_each(|name| self.hide(name));
        Ok(())
    }

    fn used(
        &mut self,
        name: &str,
        operand: usize,
        node: Option<&Node<'a>>,
        at: usize,
        called: &mut dyn FnMut() -> Called,
    ) -> Result<()> {
        let Some(Alias {
            tensor,
            axes: order,
            is_cast,
        }) = self.value(name).cloned()
        else {
            return Ok(());
        };
        let rank = self.index.tensors[tensor].shape.len();
        let axes = match node {
            Some(node) => axes(node, operand, rank)?,
            None => None,
        };
        let stored = |axis: usize| order.as_ref().map_or(axis, |order| order[axis]);
        let by = &mut self.uses[tensor].by;
        if axes.is_none() && by.last().is_some_and(|last| last.at == at) {
            return Ok(());
        }
        let (node, op) = called();
        by.push(Use {
            node,
            op,
            operand,
            axes: axes.map(|axes| Axes {
                outputs: stored(axes.outputs),
                inputs: stored(axes.inputs),
            }),
            is_cast,
            at,
        });
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&Alias> {
        if name.is_empty() {
            return None;
        }
        let found = self.scopes.iter().rev().find_map(|scope| scope.get(name));
        found.and_then(Option::as_ref)
    }

    fn define(&mut self, name: &'a str, message: &Message<'_>) {
        let tensor = self.at.get(&message.at()).copied();
        self.insert(
            name,
            tensor.map(|tensor| Alias {
                tensor,
                axes: None,
                is_cast: false,
            }),
        );
    }

    /// The name stands for a value that is no tensor.
    fn hide(&mut self, name: &'a str) {
        if self.value(name).is_some() {
            self.insert(name, None);
        }
    }

    fn insert(&mut self, name: &'a str, alias: Option<Alias>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, alias);
        }
    }
}

/// What a node gives, where it only passes a tensor on.
fn pass(node: &Node<'_>, alias: &Alias, shape: &[usize]) -> Result<Option<Alias>> {
    let mut alias = alias.clone();
    match node.standard() {
        Some("Identity") => {}
        Some("Cast") => alias.is_cast = true,
        Some("Transpose") if shape.len() <= MOST_AXES => {
            let before = alias.axes.unwrap_or_else(|| (0..shape.len()).collect());
            let order = match node.ints("perm")? {
                Some(order) => order,
                None => (0..shape.len() as i64).rev().collect(),
            };
            let mut seen = [false; MOST_AXES];
            let mut axes = Vec::new();
            for axis in order {
                let found = usize::try_from(axis).ok().and_then(|axis| before.get(axis));
                match found {
                    Some(&axis) if !seen[axis] => {
                        seen[axis] = true;
                        axes.push(axis);
                    }
                    _ => return Ok(None),
                }
            }
            if axes.len() != shape.len() {
                return Ok(None);
            }
            alias.axes = Some(axes);
        }
        _ => return Ok(None),
    }
    Ok(Some(alias))
}
