//! What becomes of each tensor, checked before anything is written.

use std::collections::{HashMap, HashSet};

use compress_core::{Error, Result};

use super::change::{Change, Form, Receiver};
use crate::dtype::{Dtype, TensorInfo};
use crate::onnx::index::{self, DEPTH};
use crate::onnx::model::Onnx;
use crate::onnx::names::Names;
use crate::onnx::opset as operators;
use crate::onnx::proto::{self, Node, graph, model, opset};
use crate::onnx::quantize::{Layout, Quantizer};
use crate::onnx::uses::{Axes, Use, Uses};
use crate::onnx::wire::Message;
use crate::source::Source;

/// All that is decided.
pub(super) struct Plan<'a> {
    /// Changed tensors by their number.
    pub(super) changes: HashMap<usize, Planned<'a>>,
    /// Tensors by the byte at which their messages begin.
    pub(super) tensors: HashMap<usize, usize>,
    /// The tensors of nodes that become `MatMulNBits`, by the byte at which the nodes begin.
    pub(super) products: HashMap<usize, usize>,
    /// Nodes that pass on nothing any more, by the byte at which they begin.
    pub(super) dropped: HashSet<usize>,
    /// The version of ONNX's operators that is there, and the one that is needed, where it is later.
    pub(super) raise: Option<(u64, u64)>,
    /// The least version of the format.
    pub(super) ir: u64,
}

/// What becomes of a tensor.
pub(super) struct Planned<'a> {
    pub(super) kind: Kind,
    quantizer: &'a dyn Quantizer,
    axes: Axes,
}

/// How a tensor is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Values,
    Half,
    /// Codes, and `DequantizeLinear`.
    Dequantize(Layout),
    /// Codes, `Cast` and `Mul`.
    Multiply(Layout),
    /// Codes as `MatMulNBits` has them.
    Product(Layout),
}

impl<'a> Plan<'a> {
    pub(super) fn of(onnx: &Onnx, changes: &[Change<'a>], receiver: Receiver) -> Result<Self> {
        let uses = onnx.uses()?;
        let entries = onnx.index.entries.iter().enumerate();
        let mut plan = Plan {
            changes: HashMap::new(),
            tensors: entries
                .map(|(number, entry)| (entry.message.start, number))
                .collect(),
            products: HashMap::new(),
            dropped: HashSet::new(),
            raise: None,
            ir: 0,
        };
        for change in changes {
            let number = change.tensor;
            let count = uses.len();
            let Some(uses) = uses.get(number) else {
                let expected = format!("less than {count}, the number of tensors");
                return Err(Error::invalid("the number of a tensor", number, expected));
            };
            let info = &onnx.index.tensors[number];
            let planned = planned(change, info, uses, receiver)?;
            if let Kind::Product(_) = planned.kind {
                plan.products
                    .extend(uses.by.iter().map(|used| (used.at, number)));
                plan.dropped.extend(&uses.passed_by);
            }
            if plan.changes.insert(number, planned).is_some() {
                let what = format!("the number of changes of {}", info.name);
                return Err(Error::invalid(what, 2, "at most 1"));
            }
        }
        plan.versions(&onnx.message()?)?;
        Ok(plan)
    }

    /// Finds the versions that are needed, and checks that all nodes stay what they are.
    fn versions(&mut self, message: &Message<'_>) -> Result<()> {
        let now = standard_version(message)?;
        let mut needed = 0;
        for planned in self.changes.values() {
            let (version, ir) = match &planned.kind {
                Kind::Values => (0, 0),
                Kind::Half => (6, 4),
                Kind::Dequantize(layout) if layout.block().is_some() => (21, 10),
                Kind::Dequantize(_) => (13, 4),
                Kind::Multiply(_) => (7, 4),
                Kind::Product(_) => (0, 4),
            };
            needed = needed.max(version);
            self.ir = self.ir.max(ir);
        }
        if needed <= now {
            return Ok(());
        }
        if message.each(model::FUNCTION).next().is_some() {
            return Err(Error::Refused {
                layer: "the functions of the model".into(),
                reason: format!("they are of opset {now}, and {needed} is needed"),
            });
        }
        // The format's version that came with each version of the operators.
        self.ir = self.ir.max(if needed > 13 { 10 } else { 7 });
        self.raise = Some((now, needed));
        check_nodes(&proto::graph_of(message)?, now, needed, DEPTH)
    }

    /// Checks that another source has the model's tensors, where they change.
    pub(super) fn check_values(&self, onnx: &Onnx, values: &dyn Source) -> Result<()> {
        for (&number, planned) in &self.changes {
            let expected = &onnx.index.tensors[number];
            let Some(found) = values.tensors().get(number) else {
                let what = "the number of tensors of the values";
                let known = onnx.index.tensors.len();
                return Err(Error::invalid(
                    what,
                    values.tensors().len(),
                    known.to_string(),
                ));
            };
            Error::check_shape(&expected.name, &expected.shape, &found.shape)?;
            let same = found.dtype == expected.dtype && found.name == expected.name;
            if planned.kind == Kind::Values && !same {
                let what = format!("the name and the type of the values of {}", expected.name);
                let value = format!("{} {}", found.name, found.dtype);
                let expected = format!("{} {}", expected.name, expected.dtype);
                return Err(Error::invalid(what, value, expected));
            }
        }
        Ok(())
    }
}

impl Planned<'_> {
    /// What stands for a value of f32, where codes do.
    pub(super) fn layout(&self) -> Option<&Layout> {
        match &self.kind {
            Kind::Values | Kind::Half => None,
            Kind::Dequantize(layout) | Kind::Multiply(layout) | Kind::Product(layout) => {
                Some(layout)
            }
        }
    }

    pub(super) fn axes(&self) -> Axes {
        self.axes
    }

    pub(super) fn quantizer(&self) -> &dyn Quantizer {
        self.quantizer
    }
}

/// The version of ONNX's own operators; 1 where it is not said.
fn standard_version(message: &Message<'_>) -> Result<u64> {
    let mut version = 1;
    for import in message.messages(model::OPSET) {
        let import = import?;
        if proto::is_standard(import.text(opset::DOMAIN, "a domain")?) {
            version = import.varint(opset::VERSION).unwrap_or(1);
        }
    }
    Ok(version)
}

/// Checks that all nodes of a graph do the same in a later version.
fn check_nodes(graph: &Message<'_>, from: u64, to: u64, depth: usize) -> Result<()> {
    // The names do not matter yet.
    let mut names = Names::default();
    for message in graph.messages(graph::NODE) {
        let node = Node::new(message?)?;
        if node.standard().is_some() {
            operators::raise(&node, from, to, &mut names)?;
        }
        for (_, graph) in index::graphs(&node)? {
            check_nodes(&graph, from, to, depth.saturating_sub(1))?;
        }
    }
    Ok(())
}

fn planned<'a>(
    change: &Change<'a>,
    info: &TensorInfo,
    uses: &Uses,
    receiver: Receiver,
) -> Result<Planned<'a>> {
    if change.form != Form::Values && info.dtype != Dtype::F32 {
        let what = format!("the type of {}", info.name);
        let expected = format!("f32, which alone has the form {:?}", change.form);
        return Err(Error::invalid(what, info.dtype, expected));
    }
    let refuse = |reason: &str| Error::Refused {
        layer: info.name.clone(),
        reason: reason.to_owned(),
    };
    let axes = || {
        uses.axes()
            .ok_or_else(|| refuse("no node says which axis is the outputs"))
    };
    let (kind, axes) = match change.form {
        Form::Values => (Kind::Values, None),
        Form::F16 => (Kind::Half, None),
        Form::Int8 => {
            let axes = axes()?;
            let layout = Layout::channels(&info.shape, axes.outputs)?;
            match receiver {
                Receiver::Tract => (Kind::Multiply(layout), Some(axes)),
                Receiver::OnnxRuntime | Receiver::Rten => (Kind::Dequantize(layout), Some(axes)),
            }
        }
        Form::Int4 { block } => {
            let axes = axes()?;
            let layout = |block| Layout::blocks(&info.shape, axes.inputs, block);
            let inputs = info.shape[axes.inputs].max(1);
            let kind = match (no_product(info, uses, axes, block, receiver), receiver) {
                (None, _) => Kind::Product(layout(block)?),
                (Some(_), Receiver::OnnxRuntime) => Kind::Dequantize(layout(block.min(inputs))?),
                (Some(why), _) => {
                    let reason =
                        format!("{receiver:?} runs 4 bits in MatMulNBits alone, and {why}");
                    return Err(refuse(&reason));
                }
            };
            (kind, Some(axes))
        }
    };
    Ok(Planned {
        kind,
        quantizer: change.quantizer,
        axes: axes.unwrap_or(Axes {
            outputs: 0,
            inputs: 0,
        }),
    })
}

/// Why a tensor cannot be the weight of `MatMulNBits`, if so.
fn no_product(
    info: &TensorInfo,
    uses: &Uses,
    axes: Axes,
    block: usize,
    receiver: Receiver,
) -> Option<String> {
    let is_product = |used: &&Use| {
        &*used.op == "MatMul" && used.operand == 1 && !used.is_cast && used.axes == Some(axes)
    };
    if let Some(other) = uses.by.iter().find(|used| !is_product(used)) {
        let op = if other.op.is_empty() {
            "the graph's outputs"
        } else {
            &other.op
        };
        return Some(format!("{} is used by {} ({op})", info.name, other.node));
    }
    if info.shape.len() != 2 {
        return Some(format!("{} has {} axes", info.name, info.shape.len()));
    }
    let inputs = info.shape[axes.inputs];
    let most = inputs
        .checked_next_power_of_two()
        .map_or(inputs, |most| most.max(16));
    if !block.is_power_of_two() || !(16..=most).contains(&block) {
        return Some(format!(
            "a block of {block} is no power of two of 16 to {most}"
        ));
    }
    let is_whole = inputs.is_multiple_of(block);
    if info.values() == 0 || receiver == Receiver::Rten && !is_whole {
        return Some(format!(
            "blocks of {block} do not divide the {inputs} inputs of {}",
            info.name
        ));
    }
    None
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self
            .changes
            .iter()
            .map(|(number, planned)| (number, &planned.kind));
        f.debug_map().entries(kinds).finish()
    }
}
