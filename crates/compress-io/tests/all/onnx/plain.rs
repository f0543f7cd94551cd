//! ONNX as its description says, read and written without the crate that is tested.

/// A field: its number, and its number or its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    value
}

/// The fields of a message. Groups are left out.
pub(super) fn parse(bytes: &[u8]) -> Vec<(u64, Value)> {
    let (mut at, mut depth, mut fields) = (0, 0, Vec::new());
    while at < bytes.len() {
        let tag = varint(bytes, &mut at);
        let value = match tag & 7 {
            0 => Value::Number(varint(bytes, &mut at)),
            2 => {
                let length = varint(bytes, &mut at) as usize;
                at += length;
                Value::Bytes(bytes[at - length..at].to_vec())
            }
            3 => {
                depth += 1;
                continue;
            }
            4 => {
                depth -= 1;
                continue;
            }
            kind => panic!("type {kind}"),
        };
        if depth == 0 {
            fields.push((tag >> 3, value));
        }
    }
    fields
}

/// The bytes of each field of a number.
pub(super) fn all(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
    let fields = parse(bytes).into_iter().filter(|(n, _)| *n == number);
    let bytes = fields.filter_map(|(_, value)| match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Number(_) => None,
    });
    bytes.collect()
}

pub(super) fn texts(bytes: &[u8], number: u64) -> Vec<String> {
    let all = all(bytes, number).into_iter();
    all.map(|text| String::from_utf8(text).unwrap()).collect()
}

pub(super) fn text(bytes: &[u8], number: u64) -> String {
    texts(bytes, number).pop().unwrap_or_default()
}

pub(super) fn numbers(bytes: &[u8], number: u64) -> Vec<u64> {
    let fields = parse(bytes).into_iter().filter(|(n, _)| *n == number);
    let numbers = fields.filter_map(|(_, value)| match value {
        Value::Number(number) => Some(number),
        Value::Bytes(_) => None,
    });
    numbers.collect()
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) op: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// Names and whole numbers.
    pub(super) ints: Vec<(String, u64)>,
}

impl Node {
    pub(super) fn int(&self, name: &str) -> Option<u64> {
        let found = self.ints.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

/// A tensor: its type, its shape, its raw bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tensor {
    pub(super) kind: u64,
    pub(super) shape: Vec<usize>,
    pub(super) raw: Vec<u8>,
}

impl Tensor {
    fn of(bytes: &[u8]) -> Self {
        Tensor {
            kind: numbers(bytes, 2)[0],
            shape: numbers(bytes, 1)
                .into_iter()
                .map(|dim| dim as usize)
                .collect(),
            raw: all(bytes, 9).pop().unwrap_or_default(),
        }
    }

    pub(super) fn floats(&self) -> Vec<f32> {
        assert_eq!(self.kind, 1);
        let chunks = self
            .raw
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        chunks.collect()
    }
}

/// A graph and those within it: all nodes and tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) tensors: Vec<(String, Tensor)>,
}

impl Graph {
    /// Checks that each value is given before it is used, and once, and each node's name is there
    /// once.
    pub(super) fn of(model: &[u8]) -> Self {
        let mut graph = Graph::default();
        let bytes = all(model, 7).pop().unwrap();
        graph.read(&bytes, &[]);
        graph
    }

    fn read(&mut self, bytes: &[u8], around: &[String]) {
        let mut known = around.to_vec();
        let mut own: Vec<String> = Vec::new();
        for input in all(bytes, 11) {
            known.push(text(&input, 1));
        }
        for tensor in all(bytes, 5) {
            let name = text(&tensor, 8);
            assert!(!own.contains(&name), "{name} is there twice");
            own.push(name.clone());
            known.push(name.clone());
            self.tensors.push((name, Tensor::of(&tensor)));
        }
        let mut names = Vec::new();
        for node in all(bytes, 1) {
            let mut made = Node {
                op: text(&node, 4),
                inputs: texts(&node, 1),
                outputs: texts(&node, 2),
                ints: vec![],
            };
            for input in &made.inputs {
                assert!(
                    input.is_empty() || known.contains(input),
                    "{input} is not known"
                );
            }
            let name = text(&node, 3);
            assert!(
                name.is_empty() || !names.contains(&name),
                "{name} is there twice"
            );
            names.push(name);
            for attribute in all(&node, 5) {
                let name = text(&attribute, 1);
                all(&attribute, 6)
                    .iter()
                    .for_each(|graph| self.read(graph, &known));
                if let Some(tensor) = all(&attribute, 5).pop() {
                    self.tensors
                        .push((made.outputs[0].clone(), Tensor::of(&tensor)));
                }
                made.ints.extend(
                    numbers(&attribute, 3)
                        .into_iter()
                        .map(|v| (name.clone(), v)),
                );
            }
            for output in &made.outputs {
                assert!(!own.contains(output), "{output} is there twice");
                own.push(output.clone());
                known.push(output.clone());
            }
            self.nodes.push(made);
        }
        for output in all(bytes, 12) {
            let name = text(&output, 1);
            assert!(known.contains(&name), "output {name} is not known");
        }
    }

    pub(super) fn tensor(&self, name: &str) -> &Tensor {
        let found = self.tensors.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no tensor {name}")).1
    }

    /// The node that gives a value.
    pub(super) fn giver(&self, value: &str) -> Option<&Node> {
        self.nodes
            .iter()
            .find(|node| node.outputs.iter().any(|name| name == value))
    }
}

/// A field of bytes, as it is written.
pub(super) fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut value in [number << 3 | 2, content.len() as u64] {
        while value >= 128 {
            bytes.push(value as u8 | 128);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    bytes.extend(content);
    bytes
}

/// A node, as it is written, with attributes in their bytes.
pub(super) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    inputs
        .iter()
        .for_each(|input| bytes.extend(field(1, input.as_bytes())));
    bytes.extend(field(2, output.as_bytes()));
    bytes.extend(field(4, op.as_bytes()));
    attributes.iter().for_each(|a| bytes.extend(field(5, a)));
    field(1, &bytes)
}

/// An initializer of f32 in two dimensions, all zero.
pub(super) fn matrix(name: &str, rows: u8, columns: u8) -> Vec<u8> {
    let mut bytes = vec![8, rows, 8, columns, 16, 1];
    bytes.extend(field(8, name.as_bytes()));
    bytes.extend(field(
        9,
        &vec![0; 4 * usize::from(rows) * usize::from(columns)],
    ));
    field(5, &bytes)
}

/// A model of a graph in this version of the operators.
pub(super) fn model(opset: u8, graph: &[u8]) -> Vec<u8> {
    let mut bytes = vec![8, 7];
    bytes.extend(field(7, graph));
    bytes.extend(field(8, &[16, opset]));
    bytes
}
