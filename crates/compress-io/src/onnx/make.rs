//! Messages that are made.

use super::proto::{attribute, entry, node, tensor};
use super::wire::{Field, Made, Message};

/// A node.
pub(super) fn node(
    op: &str,
    name: &str,
    inputs: &[&str],
    output: &str,
    attributes: Vec<Message<'static>>,
) -> Message<'static> {
    let mut made = Message::default();
    for input in inputs {
        made.push(node::INPUT, Made::text(*input));
    }
    made.push(node::OUTPUT, Made::text(output));
    made.push(node::NAME, Made::text(name));
    made.push(node::OP, Made::text(op));
    for attribute in attributes {
        made.push(node::ATTRIBUTE, Made::Message(attribute));
    }
    made
}

/// An attribute that is a whole number.
pub(super) fn int(name: &str, value: i64) -> Message<'static> {
    let mut made = Message::default();
    made.push(attribute::NAME, Made::text(name));
    made.push(attribute::INT, Made::Varint(value as u64));
    made.push(attribute::TYPE, Made::Varint(attribute::IS_INT));
    made
}

/// The attribute `value` of a `Constant` node.
pub(super) fn value(tensor: Message<'_>) -> Message<'_> {
    let mut made = Message::default();
    made.push(attribute::NAME, Made::text("value"));
    made.push(attribute::TENSOR, Made::Message(tensor));
    made.push(attribute::TYPE, Made::Varint(attribute::IS_TENSOR));
    made
}

/// A `Constant` node whose tensor is a list of whole numbers.
pub(super) fn constant(name: &str, output: &str, values: &[i64]) -> Message<'static> {
    const INT64: u64 = 7;
    let mut tensor = Message::default();
    tensor.push(tensor::DIMS, Made::Varint(values.len() as u64));
    tensor.push(tensor::TYPE, Made::Varint(INT64));
    let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor.push(tensor::RAW, Made::Bytes(std::borrow::Cow::Owned(raw)));
    node("Constant", name, &[], output, vec![value(tensor)])
}

/// A key and its text.
pub(super) fn pair(key: &str, value: &str) -> Message<'static> {
    let mut made = Message::default();
    made.push(entry::KEY, Made::text(key));
    made.push(entry::VALUE, Made::text(value));
    made
}

/// Replaces the inputs of a node.
pub(super) fn set_inputs(message: &mut Message<'_>, inputs: &[&str]) {
    message.remove(node::INPUT);
    let made = inputs
        .iter()
        .map(|name| Field::made(node::INPUT, Made::text(*name)));
    message.fields_mut().splice(0..0, made);
}

/// Removes an attribute of a node.
pub(super) fn remove_attribute(message: &mut Message<'_>, name: &str) {
    message.fields_mut().retain(|field| {
        let Some((node::ATTRIBUTE, super::wire::Value::Bytes(bytes))) = field.stored() else {
            return true;
        };
        let parsed = Message::parse(bytes, 0);
        parsed.is_ok_and(|found| found.last(attribute::NAME) != Some(name.as_bytes()))
    });
}
