//! The weights of a model as its graph computes with them.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use compress_core::{Result, file};

use super::coded::Coded;
use super::index::{self, DEPTH};
use super::model::Onnx;
use super::proto::{Node, graph};
use super::uses::Uses;
use super::wire::Message;
use crate::dtype::{Dtype, TensorInfo};
use crate::metadata::Metadata;
use crate::source::Source;

/// The tensors of a model, with quantized weights under the names of what they stand for: codes and
/// their scales are one tensor of f32, and f16 behind a `Cast` has the name of what it is cast to.
///
/// Weights are those of `DequantizeLinear`, of `MatMulNBits` in 4 and 8 bits, and of the forms that
/// [`Rewrite`](super::Rewrite) writes, whatever the receiver. What is not understood stays as
/// [`Onnx`] has it.
///
/// ```no_run
/// use compress_io::{Checkpoint, ONNX_WEIGHTS};
///
/// let model = Checkpoint::open("model.onnx")?;
/// let small = Checkpoint::open_as(&ONNX_WEIGHTS, "small.onnx".as_ref())?;
/// let weight = "layers.0.weight";
/// let before = model.values(model.position(weight)?)?;
/// let after = small.values(small.position(weight)?)?;
/// assert_eq!(before.len(), after.len());
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Weights {
    model: Onnx,
    tensors: Vec<TensorInfo>,
    parts: Vec<Part>,
}

/// What a tensor is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// This tensor of the model.
    Stored(usize),
    /// Codes, which have so many bytes with their scales.
    Coded(Box<Coded>, u64),
}

/// A weight that a node makes.
#[derive(Debug, PartialEq)]
struct Found {
    name: String,
    shape: Vec<usize>,
    part: Part,
}

impl Weights {
    /// Opens a file as [`Onnx::open`] does.
    ///
    /// # Errors
    /// Those of [`Onnx::open`] and [`Onnx::uses`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let model = Onnx::open(path)?;
        let uses = model.uses()?;
        let mut search = Search::new(&model, &uses);
        let found = model
            .graph()
            .and_then(|graph| search.graph(&graph, "", DEPTH));
        found.map_err(|error| file::at(&model.path, error))?;
        let Search {
            mut found,
            nodes,
            parts: hidden,
            ..
        } = search;
        // What weights alone are made of is not shown beside them.
        let is_part = |number: usize| {
            let Uses { by, passed_by } = &uses[number];
            let mut all = by
                .iter()
                .map(|used| used.at)
                .chain(passed_by.iter().copied());
            let part = hidden.get(&number);
            part.is_some_and(|is_half| *is_half || all.all(|at| nodes.contains(&at)))
        };
        let (mut tensors, mut parts) = (Vec::new(), Vec::new());
        for (number, info) in model.tensors().iter().enumerate() {
            if let Some(Found { name, shape, part }) = found.remove(&number) {
                let dtype = match part {
                    Part::Stored(_) => info.dtype,
                    Part::Coded(..) => Dtype::F32,
                };
                tensors.push(TensorInfo { name, dtype, shape });
                parts.push(part);
            }
            if !is_part(number) {
                tensors.push(info.clone());
                parts.push(Part::Stored(number));
            }
        }
        Ok(Weights {
            model,
            tensors,
            parts,
        })
    }
}

impl Source for Weights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        self.model.metadata()
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        match &self.parts[index] {
            Part::Stored(number) => self.model.bytes(*number),
            Part::Coded(coded, _) => coded
                .decode(&self.model, &self.tensors[index])
                .map(Cow::Owned),
        }
    }

    fn stored(&self, index: usize) -> Result<(Dtype, u64)> {
        match &self.parts[index] {
            Part::Stored(number) => self.model.stored(*number),
            Part::Coded(coded, bytes) => Ok((coded.dtype(), *bytes)),
        }
    }

    fn place(&self, index: usize) -> Option<Range<u64>> {
        match &self.parts[index] {
            Part::Stored(number) => self.model.place(*number),
            Part::Coded(..) => None,
        }
    }

    fn more_files(&self) -> Vec<PathBuf> {
        self.model.more_files()
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        if let Part::Stored(number) = &self.parts[index] {
            self.model.release(*number, bytes);
        }
    }
}

/// The search for nodes that make weights.
struct Search<'a> {
    model: &'a Onnx,
    uses: &'a [Uses],
    /// Operands of nodes that are tensors, and which: by the byte at which the node begins, and the
    /// number of the operand.
    operands: HashMap<(usize, usize), usize>,
    /// The tensors that nodes pass on.
    passed: HashMap<usize, usize>,
    /// Names that a weight cannot have.
    taken: HashSet<String>,
    /// What was found, by the tensor that holds the codes.
    found: HashMap<usize, Found>,
    /// The nodes that make weights.
    nodes: HashSet<usize>,
    /// What weights are made of, and whether that is half precision, which nothing else sees.
    parts: HashMap<usize, bool>,
}

impl<'a> Search<'a> {
    fn new(model: &'a Onnx, uses: &'a [Uses]) -> Self {
        let mut search = Search {
            model,
            uses,
            operands: HashMap::new(),
            passed: HashMap::new(),
            taken: model
                .tensors()
                .iter()
                .map(|info| info.name.clone())
                .collect(),
            found: HashMap::new(),
            nodes: HashSet::new(),
            parts: HashMap::new(),
        };
        for (number, uses) in uses.iter().enumerate() {
            for used in &uses.by {
                search.operands.insert((used.at, used.operand), number);
            }
            let passed = uses.passed_by.iter().map(|at| (*at, number));
            search.passed.extend(passed);
        }
        search
    }

    fn graph(&mut self, graph: &Message<'_>, within: &str, depth: usize) -> Result<()> {
        if depth == 0 {
            return Err(graph.error("graphs lie too deep in one another"));
        }
        for message in graph.messages(graph::NODE) {
            let node = Node::new(message?)?;
            self.node(&node, within)?;
            for (name, graph) in index::graphs(&node)? {
                let below = index::below(within, &node, &name);
                self.graph(&graph, &below, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Adds the weight that a node makes, if it is such a node.
    fn node(&mut self, node: &Node<'_>, within: &str) -> Result<()> {
        let at = node.message.at();
        let output = node.outputs().next().unwrap_or_default();
        let operand = |number: usize| self.operands.get(&(at, number)).copied();
        let mut name = format!("{within}{output}");
        // The node itself, and one between it and the codes.
        let mut nodes = vec![at];
        let made = match (node.domain, node.op) {
            ("com.microsoft", "MatMulNBits") => {
                let made = Coded::product(self.model, node, within, &operand)?;
                made.map(|(of, shape, coded)| {
                    name = of;
                    (shape, coded)
                })
            }
            _ => match node.standard() {
                Some("DequantizeLinear") => Coded::dequantized(self.model, node, &operand)?,
                Some("Mul") => operand(0).and_then(|codes| {
                    nodes.extend(&self.uses[codes].passed_by);
                    let is_ours = self.is_cast(codes) && self.is_named(codes, output);
                    Coded::multiplied(self.model, codes, operand(1)?).filter(|_| is_ours)
                }),
                Some("Cast") => {
                    self.half(node, output, within);
                    return Ok(());
                }
                _ => None,
            },
        };
        let Some((shape, coded)) = made else {
            return Ok(());
        };
        // What is turned in between has other axes.
        let parts: Vec<usize> = coded.tensors().collect();
        let between: usize = parts
            .iter()
            .map(|part| self.uses[*part].passed_by.len())
            .sum();
        if between + 1 != nodes.len() {
            return Ok(());
        }
        let bytes = parts.iter().map(|part| self.model.tensors()[*part].bytes());
        let bytes = bytes.sum::<Result<u64>>()?;
        let codes = coded.codes();
        let found = Found {
            name,
            shape,
            part: Part::Coded(Box::new(coded), bytes),
        };
        if self.add(codes, found) {
            self.nodes.extend(nodes);
            self.parts
                .extend(parts.into_iter().map(|part| (part, false)));
        }
        Ok(())
    }

    /// Adds half precision behind a `Cast`.
    fn half(&mut self, node: &Node<'_>, output: &str, within: &str) {
        let Some(&number) = self.passed.get(&node.message.at()) else {
            return;
        };
        let info = &self.model.tensors()[number];
        let input = node.inputs().next().unwrap_or_default();
        let is_cast = self.uses[number].by.iter().all(|used| used.is_cast);
        let is_ours = info.name.ends_with(input) && self.is_named(number, output);
        if info.dtype == Dtype::F16 && is_cast && is_ours {
            let found = Found {
                name: format!("{within}{output}"),
                shape: info.shape.clone(),
                part: Part::Stored(number),
            };
            if self.add(number, found) {
                self.parts.insert(number, true);
            }
        }
    }

    /// Whether nodes see a tensor behind one `Cast` alone.
    fn is_cast(&self, number: usize) -> bool {
        let uses = &self.uses[number];
        uses.passed_by.len() == 1 && uses.by.iter().all(|used| used.is_cast)
    }

    /// Whether a tensor has the name that a [`Rewrite`](super::Rewrite) gives to the codes of `name`.
    fn is_named(&self, number: usize, name: &str) -> bool {
        let codes = &self.model.tensors()[number].name;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let base = match codes.rsplit_once('_') {
            Some((base, number)) if is_number(number) => base,
            _ => codes,
        };
        let base = base.strip_suffix("_quantized");
        !name.is_empty() && base.is_some_and(|base| base.ends_with(name))
    }

    /// Whether the weight is added, or was; not where another has its name or its codes. So there are
    /// at most as many as tensors, whose number the size of the file bounds.
    fn add(&mut self, codes: usize, weight: Found) -> bool {
        match self.found.entry(codes) {
            // Several products may have the same weight.
            Entry::Occupied(found) => *found.get() == weight,
            Entry::Vacant(_) if !self.taken.insert(weight.name.clone()) => false,
            Entry::Vacant(place) => {
                place.insert(weight);
                true
            }
        }
    }
}
