//! The tree of the new model.

use std::collections::{BTreeMap, HashMap, HashSet};

use compress_core::tensor::volume;
use compress_core::{Error, Result};

use super::plan::{Kind, Plan, Planned};
use crate::dtype::Dtype;
use crate::onnx::index::{self, Place};
use crate::onnx::model::Onnx;
use crate::onnx::names::Names;
use crate::onnx::proto::{self, Node, VALUE_NAME, attribute, graph, model, node, opset, tensor};
use crate::onnx::wire::{Field, Made, Message, Value};
use crate::onnx::{coded, make, opset as operators, wire};

/// Values of fewer bytes stay in the model's file.
const LEAST_OUTSIDE: u64 = 1024;
/// Values in a file of their own begin at multiples of this, so that they can be mapped.
const ALIGNMENT: u64 = 4096;
/// The domain of `MatMulNBits`.
const MICROSOFT: &str = "com.microsoft";

/// A model as it is to be written.
#[derive(Debug)]
pub(super) struct Built<'a> {
    pub(super) message: Message<'a>,
    /// The parts that the tree names by their position.
    pub(super) parts: Vec<Part>,
    /// The file beside the model, and what it holds: offsets, and positions of parts.
    pub(super) outside: Option<(String, Vec<(u64, usize)>)>,
    /// The bytes of that file.
    pub(super) end: u64,
    /// Of the tensors that change.
    pub(super) spent: BTreeMap<usize, Spent>,
}

/// What a tensor takes that changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Bytes of its new values: halves, or codes and scales.
    pub(super) values: u64,
    /// By how many bytes the files become longer: by its new values and nodes, without its old ones.
    pub(super) change: i64,
}

/// Bytes that are made of a tensor when they are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// As the model has them.
    Stored(usize),
    /// As the new values are, in the type of the tensor.
    Values(usize),
    /// The new values in half precision.
    Half(usize),
    Codes(usize),
    Scales(usize),
}

/// The names of what takes the place of a tensor.
struct Named {
    values: String,
    scales: String,
    node: String,
    /// Of a second node, and of the value between the two.
    second: String,
    between: String,
}

/// Values that stand where a tensor stood, and the nodes that make it of them.
struct Replaced<'a> {
    tensors: Vec<(String, Message<'a>)>,
    nodes: Vec<Message<'a>>,
}

struct Builder<'a, 'p> {
    plan: &'p Plan<'p>,
    onnx: &'a Onnx,
    names: Names<'a>,
    named: HashMap<usize, Named>,
    built: Built<'a>,
}

/// The new model. Values go to `file`, where it is given.
pub(super) fn model<'a>(
    onnx: &'a Onnx,
    plan: &Plan<'_>,
    mut names: Names<'a>,
    file: Option<&str>,
) -> Result<Built<'a>> {
    // In the order of the tensors, so that the names do not depend on that of a map.
    let changed = onnx.index.tensors.iter().enumerate();
    let changed = changed.filter(|(number, _)| plan.changes.contains_key(number));
    let named = changed.map(|(number, info)| {
        let mut fresh = |what: &str| names.fresh(&format!("{}_{what}", info.name));
        let [values, scales, between] = ["quantized", "scale", "float"].map(&mut fresh);
        let [node, second] = ["DequantizeLinear", "Mul"].map(fresh);
        (
            number,
            Named {
                values,
                scales,
                node,
                second,
                between,
            },
        )
    });
    let named = named.collect();
    let mut message = onnx.message()?;
    let outside = file.map(|name| (name.to_owned(), Vec::new()));
    let mut builder = Builder {
        plan,
        onnx,
        named,
        names,
        built: Built {
            message: Message::default(),
            parts: Vec::new(),
            outside,
            end: 0,
            spent: BTreeMap::new(),
        },
    };
    let graph = proto::graph_of(&message)?;
    if let Some(graph) = builder.graph(&graph)? {
        message.set(model::GRAPH, Made::Message(graph));
    }
    builder.imports(&mut message)?;
    builder.built.message = message;
    Ok(builder.built)
}

impl<'a> Builder<'a, '_> {
    /// Sets the versions that are needed.
    fn imports(&self, message: &mut Message<'a>) -> Result<()> {
        if message.varint(model::IR_VERSION).unwrap_or(0) < self.plan.ir {
            message.set(model::IR_VERSION, Made::Varint(self.plan.ir));
        }
        let mut has_products = self.plan.products.is_empty();
        let imports: Vec<_> = message.messages(model::OPSET).collect::<Result<_>>()?;
        let mut raised = imports.into_iter();
        for field in message.fields_mut() {
            if field.number() != Some(model::OPSET) {
                continue;
            }
            let Some(mut import) = raised.next() else {
                continue;
            };
            let domain = import.text(opset::DOMAIN, "a domain")?;
            has_products |= domain == MICROSOFT;
            if let Some((_, version)) = self.plan.raise.filter(|_| proto::is_standard(domain)) {
                import.set(opset::VERSION, Made::Varint(version));
                *field = Field::made(model::OPSET, Made::Message(import));
            }
        }
        if !has_products {
            let mut import = Message::default();
            import.push(opset::DOMAIN, Made::text(MICROSOFT));
            import.push(opset::VERSION, Made::Varint(1));
            message.push(model::OPSET, Made::Message(import));
        }
        Ok(())
    }

    /// A graph anew; none where it stays as it is. How deep graphs lie was checked when the model was
    /// opened.
    fn graph(&mut self, message: &Message<'a>) -> Result<Option<Message<'a>>> {
        // Filled from the first change on, so that what stays takes no memory.
        let mut fields: Vec<Field<'a>> = Vec::new();
        let (mut front, mut is_same) = (Vec::new(), true);
        let lost = self.lost_inputs(message)?;
        for (position, field) in message.fields().iter().enumerate() {
            let made = match field.stored() {
                Some((number, Value::Bytes(bytes))) => {
                    let read = || Message::parse(bytes, message.place(bytes));
                    match number {
                        graph::INITIALIZER => self.initializer(&read()?, &mut front)?,
                        graph::NODE => self.node(Node::new(read()?)?)?,
                        graph::INPUT if lost.contains(read()?.text(VALUE_NAME, "a name")?) => {
                            Some(vec![])
                        }
                        _ => None,
                    }
                }
                _ => None,
            };
            match made {
                None if is_same => {}
                None => fields.push(field.clone()),
                Some(made) => {
                    if is_same {
                        fields.extend_from_slice(&message.fields()[..position]);
                        is_same = false;
                    }
                    let number = field.number().unwrap_or_default();
                    fields.extend(
                        made.into_iter()
                            .map(|m| Field::made(number, Made::Message(m))),
                    );
                }
            }
        }
        if is_same {
            return Ok(None);
        }
        let first = fields
            .iter()
            .position(|field| field.number() == Some(graph::NODE));
        let at = first.unwrap_or(fields.len());
        let front = front
            .into_iter()
            .map(|m| Field::made(graph::NODE, Made::Message(m)));
        fields.splice(at..at, front);
        let mut made = Message::default();
        *made.fields_mut() = fields;
        Ok(Some(made))
    }

    /// Initializers that nodes will give: an input of the graph may not have their names.
    fn lost_inputs(&self, message: &Message<'a>) -> Result<HashSet<&'a str>> {
        let mut lost = HashSet::new();
        for message in message.messages(graph::INITIALIZER) {
            let message = message?;
            let changed = self.changed(&message);
            if changed.is_some_and(|(_, planned)| planned.kind != Kind::Values) {
                lost.insert(message.text(tensor::NAME, "the name of a tensor")?);
            }
        }
        Ok(lost)
    }

    fn changed(&self, message: &Message<'_>) -> Option<(usize, &Planned<'_>)> {
        let number = *self.plan.tensors.get(&message.at())?;
        Some((number, self.plan.changes.get(&number)?))
    }

    fn initializer(
        &mut self,
        message: &Message<'a>,
        front: &mut Vec<Message<'a>>,
    ) -> Result<Option<Vec<Message<'a>>>> {
        if self.changed(message).is_none() {
            return Ok(self.moved(message)?.map(|moved| vec![moved]));
        }
        let name = message.text(tensor::NAME, "the name of a tensor")?;
        let Replaced { tensors, nodes } = self.replaced(message, name)?;
        let tensors: Vec<_> = tensors.into_iter().map(|(_, tensor)| tensor).collect();
        self.spend(message, message, tensors.iter().chain(&nodes));
        front.extend(nodes);
        Ok(Some(tensors))
    }

    fn node(&mut self, node: Node<'a>) -> Result<Option<Vec<Message<'a>>>> {
        let at = node.message.at();
        if self.plan.dropped.contains(&at) {
            return Ok(Some(vec![]));
        }
        if let Some(&number) = self.plan.products.get(&at) {
            let made = self.product(&node, number)?;
            let spent = self.built.spent.entry(number).or_default();
            spent.change += field_bytes(&made) - field_bytes(&node.message);
            return Ok(Some(vec![made]));
        }
        if node.standard() == Some("Constant") {
            return self.constant(node);
        }
        if let Some((from, to)) = self.plan.raise.filter(|_| node.standard().is_some())
            && let Some(raised) = operators::raise(&node, from, to, &mut self.names)?
        {
            return Ok(Some(raised));
        }
        self.within(node)
    }

    /// A node whose graphs may change.
    fn within(&mut self, node: Node<'a>) -> Result<Option<Vec<Message<'a>>>> {
        if node.message.each(node::ATTRIBUTE).next().is_none() {
            return Ok(None);
        }
        let mut made = node.message.clone();
        let mut is_same = true;
        for field in made.fields_mut() {
            let Some((node::ATTRIBUTE, Value::Bytes(bytes))) = field.stored() else {
                continue;
            };
            let mut attribute = Message::parse(bytes, node.message.place(bytes))?;
            let before = attribute.clone();
            let mut is_same_attribute = true;
            for field in attribute.fields_mut() {
                let stored = field.stored();
                let Some((number @ (attribute::GRAPH | attribute::GRAPHS), Value::Bytes(bytes))) =
                    stored
                else {
                    continue;
                };
                let graph = Message::parse(bytes, before.place(bytes))?;
                if let Some(graph) = self.graph(&graph)? {
                    *field = Field::made(number, Made::Message(graph));
                    is_same_attribute = false;
                }
            }
            if !is_same_attribute {
                *field = Field::made(node::ATTRIBUTE, Made::Message(attribute));
                is_same = false;
            }
        }
        Ok((!is_same).then(|| vec![made]))
    }

    /// A `Constant` node whose tensor may change.
    fn constant(&mut self, node: Node<'a>) -> Result<Option<Vec<Message<'a>>>> {
        let Some(message) = index::constant(&node)? else {
            return Ok(None);
        };
        let with = |tensor: Message<'a>| {
            let mut made = node.message.clone();
            make::remove_attribute(&mut made, "value");
            made.push(node::ATTRIBUTE, Made::Message(make::value(tensor)));
            made
        };
        if self.changed(&message).is_none() {
            return Ok(self.moved(&message)?.map(|moved| vec![with(moved)]));
        }
        let output = node.outputs().next().unwrap_or_default();
        let Replaced { tensors, nodes } = self.replaced(&message, output)?;
        let mut made = Vec::new();
        for (number, (name, tensor)) in tensors.into_iter().enumerate() {
            made.push(match number {
                0 => {
                    let mut first = with(tensor);
                    first.set(node::OUTPUT, Made::text(name));
                    first
                }
                _ => {
                    let called = self.names.fresh(&format!("{name}_Constant"));
                    let mut constant = make::node("Constant", &called, &[], &name, vec![]);
                    constant.push(node::ATTRIBUTE, Made::Message(make::value(tensor)));
                    constant
                }
            });
        }
        made.extend(nodes);
        self.spend(&message, &node.message, &made);
        Ok(Some(made))
    }

    /// Counts what stands where a tensor stood, with the field that held it.
    fn spend<'m>(
        &mut self,
        tensor: &Message<'_>,
        field: &Message<'_>,
        made: impl IntoIterator<Item = &'m Message<'a>>,
    ) where
        'a: 'm,
    {
        let Some(&number) = self.plan.tensors.get(&tensor.at()) else {
            return;
        };
        let outside = match self.onnx.index.entries[number].place {
            Place::File(_, ref range) => range.len() as i64,
            Place::Here(_) | Place::Typed => 0,
        };
        let made: i64 = made.into_iter().map(field_bytes).sum();
        let spent = self.built.spent.entry(number).or_default();
        spent.change += made - field_bytes(field) - outside;
    }

    /// A tensor that stays as it is, but lies outside; none where it stays where it is.
    fn moved(&mut self, message: &Message<'a>) -> Result<Option<Message<'a>>> {
        let Some(&number) = self.plan.tensors.get(&message.at()) else {
            return Ok(None);
        };
        let bytes = self.onnx.index.tensors[number].bytes()?;
        let is_typed = matches!(self.onnx.index.entries[number].place, Place::Typed);
        let was_outside = matches!(self.onnx.index.entries[number].place, Place::File(..));
        let stays = is_typed || bytes < LEAST_OUTSIDE && !was_outside;
        if self.built.outside.is_none() || stays {
            return Ok(None);
        }
        let mut moved = message.clone();
        self.data(&mut moved, Part::Stored(number), bytes, bytes);
        Ok(Some(moved))
    }

    /// What stands where a tensor stood that nodes know as `name`.
    fn replaced(&mut self, message: &Message<'a>, name: &'a str) -> Result<Replaced<'a>> {
        const FLOAT: i64 = 1;
        let Some((number, planned)) = self.changed(message) else {
            return Err(Error::Other("a tensor that stays is replaced".into()));
        };
        let info = &self.onnx.index.tensors[number];
        let (kind, axes) = (planned.kind.clone(), planned.axes());
        let named = &self.named[&number];
        let [values, scale, between] =
            [&named.values, &named.scales, &named.between].map(String::clone);
        let [first, second] = [&named.node, &named.second].map(String::clone);
        let layout = match &kind {
            Kind::Values => {
                let mut made = message.clone();
                let bytes = info.bytes()?;
                self.data(&mut made, Part::Values(number), bytes, bytes);
                let (tensors, nodes) = (vec![(name.to_owned(), made)], vec![]);
                return Ok(Replaced { tensors, nodes });
            }
            Kind::Half => {
                let bytes = Dtype::F16.bytes(info.values()).unwrap_or(u64::MAX);
                let mut made = retyped(message, &values, Dtype::F16, None);
                self.data(&mut made, Part::Half(number), bytes, bytes);
                let to = vec![make::int("to", FLOAT)];
                let nodes = vec![make::node("Cast", &first, &[&values], name, to)];
                return Ok(Replaced {
                    tensors: vec![(values, made)],
                    nodes,
                });
            }
            Kind::Dequantize(layout) | Kind::Multiply(layout) | Kind::Product(layout) => layout,
        };
        let mut scales_shape = layout.scales_shape();
        let (mut dtype, mut shape) = (Dtype::I8, None);
        let mut nodes = Vec::new();
        match &kind {
            Kind::Dequantize(layout) => {
                let mut attributes = vec![make::int("axis", layout.axis() as i64)];
                if let Some(block) = layout.block() {
                    dtype = Dtype::I4;
                    attributes.push(make::int("block_size", block as i64));
                }
                let inputs = [values.as_str(), &scale];
                nodes.push(make::node(
                    "DequantizeLinear",
                    &first,
                    &inputs,
                    name,
                    attributes,
                ));
            }
            Kind::Multiply(layout) => {
                scales_shape = vec![1; layout.shape().len()];
                scales_shape[layout.axis()] = layout.shape()[layout.axis()];
                let to = vec![make::int("to", FLOAT)];
                nodes.push(make::node("Cast", &first, &[&values], &between, to));
                nodes.push(make::node(
                    "Mul",
                    &second,
                    &[&between, &scale],
                    name,
                    vec![],
                ));
            }
            _ => {
                dtype = Dtype::U8;
                let (outputs, block) = (layout.shape()[axes.outputs], layout.block().unwrap_or(1));
                let blocks = layout.shape()[axes.inputs].div_ceil(block);
                scales_shape = vec![outputs, blocks];
                shape = Some(vec![outputs, blocks, block / 2]);
            }
        }
        let count = shape.as_ref().map_or(info.values(), |shape| volume(shape));
        let bytes = dtype.bytes(count).unwrap_or(u64::MAX);
        let scale_bytes = Dtype::F32.bytes(volume(&scales_shape)).unwrap_or(u64::MAX);
        let both = bytes.saturating_add(scale_bytes);
        let mut codes = retyped(message, &values, dtype, shape.as_deref());
        if let Kind::Product(_) = kind {
            // No node has the name of the weight any more.
            let outputs = axes.outputs.to_string();
            for (key, value) in [(coded::WEIGHT, name), (coded::OUTPUTS, &outputs)] {
                codes.push(tensor::METADATA, Made::Message(make::pair(key, value)));
            }
        }
        self.data(&mut codes, Part::Codes(number), bytes, both);
        let mut scales = retyped(&Message::default(), &scale, Dtype::F32, Some(&scales_shape));
        self.data(&mut scales, Part::Scales(number), scale_bytes, both);
        let tensors = vec![(values, codes), (scale, scales)];
        Ok(Replaced { tensors, nodes })
    }

    /// Gives a tensor the values of a part, in place of those that it has. They lie outside where all
    /// that belong together are many.
    fn data(&mut self, message: &mut Message<'a>, part: Part, length: u64, together: u64) {
        for number in tensor::DATA {
            message.remove(number);
        }
        let id = self.built.parts.len();
        self.built.parts.push(part);
        let is_outside = self.built.outside.is_some() && together >= LEAST_OUTSIDE;
        if let Part::Values(number)
        | Part::Half(number)
        | Part::Codes(number)
        | Part::Scales(number) = part
        {
            let spent = self.built.spent.entry(number).or_default();
            spent.values += length;
            spent.change += if is_outside { length as i64 } else { 0 };
        }
        match &mut self.built.outside {
            Some((file, outside)) if is_outside => {
                let offset = self.built.end.next_multiple_of(ALIGNMENT);
                self.built.end = offset + length;
                outside.push((offset, id));
                let (offset, length) = (offset.to_string(), length.to_string());
                let pairs = [
                    ("location", &*file),
                    ("offset", &offset),
                    ("length", &length),
                ];
                for (key, value) in pairs {
                    message.push(tensor::EXTERNAL, Made::Message(make::pair(key, value)));
                }
                message.push(tensor::LOCATION, Made::Varint(1));
            }
            _ => message.push(tensor::RAW, Made::Part { id, length }),
        }
    }

    /// A matrix product with codes.
    fn product(&self, node: &Node<'a>, number: usize) -> Result<Message<'a>> {
        let (planned, named) = (&self.plan.changes[&number], &self.named[&number]);
        let shape = &self.onnx.index.tensors[number].shape;
        let block = planned
            .layout()
            .and_then(|layout| layout.block())
            .unwrap_or(1);
        let mut made = node.message.clone();
        let data = node.inputs().next().unwrap_or_default();
        make::set_inputs(&mut made, &[data, &named.values, &named.scales]);
        made.set(node::OP, Made::text("MatMulNBits"));
        made.set(node::DOMAIN, Made::text(MICROSOFT));
        let attributes = [
            ("K", shape[planned.axes().inputs]),
            ("N", shape[planned.axes().outputs]),
            ("bits", 4),
            ("block_size", block),
        ];
        for (name, value) in attributes {
            let attribute = make::int(name, value as i64);
            made.push(node::ATTRIBUTE, Made::Message(attribute));
        }
        Ok(made)
    }
}

/// The bytes of a message as a field of a graph, whose number takes one.
fn field_bytes(message: &Message<'_>) -> i64 {
    let length = message.length();
    let mut head = vec![0];
    wire::put_varint(length, &mut head);
    head.len() as i64 + length as i64
}

/// A tensor with another name, type and shape. What else it says stays.
fn retyped<'a>(
    message: &Message<'a>,
    name: &str,
    dtype: Dtype,
    shape: Option<&[usize]>,
) -> Message<'a> {
    let mut made = message.clone();
    if let Some(shape) = shape {
        made.remove(tensor::DIMS);
        let dims = shape
            .iter()
            .map(|dim| Field::made(tensor::DIMS, Made::Varint(*dim as u64)));
        made.fields_mut().splice(0..0, dims);
    }
    made.set(
        tensor::TYPE,
        Made::Varint(proto::dtype_number(dtype).unwrap_or(0)),
    );
    made.set(tensor::NAME, Made::text(name));
    made
}
