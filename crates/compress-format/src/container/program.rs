//! The program of a container: how its tensors make a model.

use compress_core::Result;
use compress_core::chain::Architecture;

use crate::coding::reader::Reader;
use crate::coding::varint;
use crate::program::{of_features, read as read_chain, write as write_chain};
use crate::tensors::stream::Arrangements;

/// How the tensors of a container make a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Program {
    /// The file does not say.
    #[default]
    None,
    /// A chain of dense layers, whose weights and biases are among the tensors.
    Chain(Architecture),
    /// A kind that this reader does not know, by its number. The tensors can be read.
    Other(u8),
}

const NONE: u8 = 0;
const CHAIN: u8 = 1;

impl Program {
    /// Appends the program; one of an unknown kind as none.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let Program::Chain(architecture) = self else {
            return bytes.push(NONE);
        };
        let mut content = Vec::new();
        write_chain(&mut content, architecture);
        bytes.push(CHAIN);
        varint::write(bytes, content.len() as u64);
        bytes.extend(content);
    }

    /// Reads what [`Program::write`] wrote, of at most `most` features and parameters.
    pub(super) fn read(reader: &mut Reader<'_>, most: usize) -> Result<Self> {
        let kind = reader.byte("the kind of the program")?;
        if kind == NONE {
            return Ok(Program::None);
        }
        let length = reader.varint(usize::MAX, "the length of the program")?;
        let start = reader.clone();
        let content = reader.take(length, "the program")?;
        if kind != CHAIN {
            return Ok(Program::Other(kind));
        }
        let mut inner = Reader::new(content, 0);
        let architecture = read_chain(&mut inner, most).map_err(|e| start.error(e.to_string()))?;
        match inner.remaining() {
            0 => Ok(Program::Chain(architecture)),
            more => Err(start.error(format!("{more} bytes follow the program's last layer"))),
        }
    }

    /// How the columns of a tensor may be arranged. A row is everything but the first axis; the
    /// columns of a chain's first weight are features.
    pub(super) fn arrangements(&self, name: &str, shape: &[usize]) -> Arrangements {
        if let Program::Chain(architecture) = self
            && let Some((first, of)) = architecture.parameters().next()
            && (first.as_str(), of.as_slice()) == (name, shape)
        {
            return of_features(architecture);
        }
        let row = shape
            .get(1..)
            .filter(|rest| !rest.is_empty())
            .unwrap_or(shape);
        Arrangements::line(row.iter().product())
    }
}
