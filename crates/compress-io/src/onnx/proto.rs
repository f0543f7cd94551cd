//! The messages of ONNX, as thin views of the tree.
//!
//! # References
//! `onnx/onnx.proto` in the repository `onnx/onnx` (Apache-2.0), for the numbers of fields and types.

use compress_core::Result;

use super::wire::{Message, Value};
use crate::dtype::Dtype;

/// Fields of a model.
pub(super) mod model {
    pub(in crate::onnx) const IR_VERSION: u32 = 1;
    pub(in crate::onnx) const PRODUCER: u32 = 2;
    pub(in crate::onnx) const GRAPH: u32 = 7;
    pub(in crate::onnx) const OPSET: u32 = 8;
    pub(in crate::onnx) const METADATA: u32 = 14;
    pub(in crate::onnx) const FUNCTION: u32 = 25;
}

/// Fields of an import of operators.
pub(super) mod opset {
    pub(in crate::onnx) const DOMAIN: u32 = 1;
    pub(in crate::onnx) const VERSION: u32 = 2;
}

/// Fields of a graph.
pub(super) mod graph {
    pub(in crate::onnx) const NODE: u32 = 1;
    pub(in crate::onnx) const INITIALIZER: u32 = 5;
    pub(in crate::onnx) const INPUT: u32 = 11;
    pub(in crate::onnx) const OUTPUT: u32 = 12;
    pub(in crate::onnx) const SPARSE: u32 = 15;
}

/// Fields of a node.
pub(super) mod node {
    pub(in crate::onnx) const INPUT: u32 = 1;
    pub(in crate::onnx) const OUTPUT: u32 = 2;
    pub(in crate::onnx) const NAME: u32 = 3;
    pub(in crate::onnx) const OP: u32 = 4;
    pub(in crate::onnx) const ATTRIBUTE: u32 = 5;
    pub(in crate::onnx) const DOMAIN: u32 = 7;
}

/// Fields of an attribute.
pub(super) mod attribute {
    pub(in crate::onnx) const NAME: u32 = 1;
    pub(in crate::onnx) const INT: u32 = 3;
    pub(in crate::onnx) const TEXT: u32 = 4;
    pub(in crate::onnx) const TENSOR: u32 = 5;
    pub(in crate::onnx) const GRAPH: u32 = 6;
    pub(in crate::onnx) const INTS: u32 = 8;
    pub(in crate::onnx) const GRAPHS: u32 = 11;
    pub(in crate::onnx) const TYPE: u32 = 20;
    /// Values of [`TYPE`].
    pub(in crate::onnx) const IS_INT: u64 = 2;
    pub(in crate::onnx) const IS_TENSOR: u64 = 4;
}

/// Fields of a tensor.
pub(super) mod tensor {
    pub(in crate::onnx) const DIMS: u32 = 1;
    pub(in crate::onnx) const TYPE: u32 = 2;
    pub(in crate::onnx) const SEGMENT: u32 = 3;
    pub(in crate::onnx) const FLOATS: u32 = 4;
    pub(in crate::onnx) const INT32S: u32 = 5;
    pub(in crate::onnx) const INT64S: u32 = 7;
    pub(in crate::onnx) const NAME: u32 = 8;
    pub(in crate::onnx) const RAW: u32 = 9;
    pub(in crate::onnx) const DOUBLES: u32 = 10;
    pub(in crate::onnx) const UINT64S: u32 = 11;
    pub(in crate::onnx) const EXTERNAL: u32 = 13;
    pub(in crate::onnx) const LOCATION: u32 = 14;
    pub(in crate::onnx) const METADATA: u32 = 16;
    /// All that hold values.
    pub(in crate::onnx) const DATA: [u32; 8] = [
        FLOATS, INT32S, INT64S, RAW, DOUBLES, UINT64S, EXTERNAL, LOCATION,
    ];
}

/// Fields of what is named: a key and its text.
pub(super) mod entry {
    pub(in crate::onnx) const KEY: u32 = 1;
    pub(in crate::onnx) const VALUE: u32 = 2;
}

/// The name of an input or an output.
pub(super) const VALUE_NAME: u32 = 1;

/// The types of elements by number.
const TYPES: [(u64, Dtype); 25] = [
    (1, Dtype::F32),
    (2, Dtype::U8),
    (3, Dtype::I8),
    (4, Dtype::U16),
    (5, Dtype::I16),
    (6, Dtype::I32),
    (7, Dtype::I64),
    (9, Dtype::Bool),
    (10, Dtype::F16),
    (11, Dtype::F64),
    (12, Dtype::U32),
    (13, Dtype::U64),
    (14, Dtype::C64),
    (15, Dtype::C128),
    (16, Dtype::BF16),
    (17, Dtype::F8E4M3),
    (18, Dtype::F8E4M3Fnuz),
    (19, Dtype::F8E5M2),
    (20, Dtype::F8E5M2Fnuz),
    (21, Dtype::U4),
    (22, Dtype::I4),
    (23, Dtype::F4E2M1),
    (24, Dtype::F8E8M0),
    (27, Dtype::F6E2M3),
    (28, Dtype::F6E3M2),
];

/// The type of this number; none for texts and what is not known here.
pub(super) fn dtype(number: u64) -> Option<Dtype> {
    let found = TYPES.iter().find(|(known, _)| *known == number);
    found.map(|(_, dtype)| *dtype)
}

/// The number of a type. All but ggml's blocks have one.
pub(super) fn dtype_number(dtype: Dtype) -> Option<u64> {
    let found = TYPES.iter().find(|(_, known)| *known == dtype);
    found.map(|(number, _)| *number)
}

/// The graph of a model.
///
/// # Errors
/// Where there is none, or two.
pub(super) fn graph_of<'a>(message: &Message<'a>) -> Result<Message<'a>> {
    let graph = message.message(model::GRAPH, "the graph")?;
    graph.ok_or_else(|| message.error("there is no graph, so that it is no ONNX file"))
}

/// A node.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) message: Message<'a>,
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Node<'a> {
    pub(super) fn new(message: Message<'a>) -> Result<Self> {
        for number in [node::INPUT, node::OUTPUT] {
            for bytes in message.each(number) {
                message.utf8(bytes, "the name of a value")?;
            }
        }
        Ok(Node {
            op: message.text(node::OP, "an operator")?,
            domain: message.text(node::DOMAIN, "a domain")?,
            name: message.text(node::NAME, "the name of a node")?,
            message,
        })
    }

    /// The operator, where it is one of ONNX itself.
    pub(super) fn standard(&self) -> Option<&'a str> {
        is_standard(self.domain).then_some(self.op)
    }

    /// Names of inputs in their order; empty for those left out.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &'a str> {
        self.names(node::INPUT)
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = &'a str> {
        self.names(node::OUTPUT)
    }

    fn names(&self, number: u32) -> impl Iterator<Item = &'a str> {
        // They were checked above.
        let names = self.message.each(number);
        names.map(|bytes| std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// How it is called in messages: by its name, else by its first output.
    pub(super) fn called(&self) -> &'a str {
        let output = || self.outputs().find(|name| !name.is_empty());
        match self.name {
            "" => output().unwrap_or(self.op),
            name => name,
        }
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = Result<Message<'a>>> {
        self.message.messages(node::ATTRIBUTE)
    }

    /// The attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<Message<'a>>> {
        for found in self.attributes() {
            let found = found?;
            if found.last(attribute::NAME) == Some(name.as_bytes()) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        let found = self.attribute(name)?;
        Ok(found
            .and_then(|a| a.varint(attribute::INT))
            .map(|v| v as i64))
    }

    /// Whole numbers.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.attribute(name)? {
            Some(found) => numbers(&found, attribute::INTS).map(Some),
            None => Ok(None),
        }
    }

    /// A text.
    pub(super) fn string(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let found = self.attribute(name)?;
        Ok(found.and_then(|a| a.last(attribute::TEXT)))
    }
}

/// Whether a domain is that of ONNX itself.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// A repeated field of whole numbers, packed or not.
pub(super) fn numbers(message: &Message<'_>, number: u32) -> Result<Vec<i64>> {
    let mut count = 0;
    each_number(message, number, &mut |_| count += 1)?;
    let mut numbers = Vec::with_capacity(count);
    each_number(message, number, &mut |value| numbers.push(value))?;
    Ok(numbers)
}

fn each_number(message: &Message<'_>, number: u32, see: &mut dyn FnMut(i64)) -> Result<()> {
    for value in message.all(number) {
        match value {
            Value::Varint(value) => see(value as i64),
            Value::Bytes(packed) => {
                for value in super::wire::varints(packed, message.place(packed)) {
                    see(value? as i64);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
