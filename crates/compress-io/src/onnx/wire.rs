//! Protobuf's wire format as a tree in which nothing is lost.
//!
//! A message is the list of its fields as they stand in the file. A field that nobody touched is
//! written byte for byte, whatever it is. Messages within a field are parsed when they are asked for.
//!
//! # References
//! *Encoding*, in the documentation of Protocol Buffers.

use std::borrow::Cow;

use compress_core::{Error, Result};

/// How deep groups may lie in one another. Protobuf's own libraries allow 100.
const DEPTH: usize = 100;

/// A message.
#[derive(Clone, Debug, Default)]
pub(super) struct Message<'a> {
    /// Its bytes in the file, as they were.
    bytes: &'a [u8],
    /// Where they begin in the file.
    at: usize,
    fields: Vec<Field<'a>>,
}

/// A field: of two words, since a file of small fields has many.
#[derive(Clone, Debug)]
pub(super) enum Field<'a> {
    /// As it stands in the file, number and type included.
    Stored(&'a [u8]),
    /// One that was made.
    Made(Box<(u32, Made<'a>)>),
}

/// The value of a field that was made.
#[derive(Clone, Debug)]
pub(super) enum Made<'a> {
    Varint(u64),
    Bytes(Cow<'a, [u8]>),
    Message(Message<'a>),
    /// Bytes that are made when they are written: part `id`, of so many bytes.
    Part {
        id: usize,
        length: u64,
    },
}

/// The value of a stored field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    /// A group, whose form is older than the format's messages.
    Group,
}

/// Fields one after the other.
#[derive(Clone, Debug)]
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    start: usize,
}

impl<'a> Message<'a> {
    /// The fields of a message that begins at byte `at` of its file. Those within them are not
    /// looked at.
    ///
    /// # Errors
    /// Names the byte: where a field is cut off, or has a number or a type that is none.
    pub(super) fn parse(bytes: &'a [u8], at: usize) -> Result<Self> {
        let read = || Fields {
            bytes,
            at: 0,
            start: at,
        };
        let mut count = 0;
        for field in read() {
            field?;
            count += 1;
        }
        let mut fields = Vec::with_capacity(count);
        for field in read() {
            fields.push(Field::Stored(field?.0));
        }
        Ok(Message { bytes, at, fields })
    }

    /// Where the message begins in its file.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Where a part of the message stands in its file.
    pub(super) fn place(&self, part: &[u8]) -> usize {
        let offset = part
            .as_ptr()
            .addr()
            .wrapping_sub(self.bytes.as_ptr().addr());
        match offset <= self.bytes.len() {
            true => self.at + offset,
            // One that was made stands nowhere.
            false => self.at,
        }
    }

    /// An error at the message.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        let (offset, reason) = (self.at, reason.into());
        Error::Format { offset, reason }
    }

    pub(super) fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    pub(super) fn fields_mut(&mut self) -> &mut Vec<Field<'a>> {
        &mut self.fields
    }

    /// The stored values with this number, in their order.
    pub(super) fn all(&self, number: u32) -> impl Iterator<Item = Value<'a>> {
        let stored = self.fields.iter().filter_map(Field::stored);
        stored
            .filter(move |(n, _)| *n == number)
            .map(|(_, value)| value)
    }

    /// The bytes of each stored field with this number, in their order. Those of another type are
    /// passed over, as unknown fields are.
    pub(super) fn each(&self, number: u32) -> impl Iterator<Item = &'a [u8]> {
        self.all(number).filter_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// The last number with this number of a field; readers take the last where there are several.
    pub(super) fn varint(&self, number: u32) -> Option<u64> {
        let numbers = self.all(number).filter_map(|value| match value {
            Value::Varint(value) => Some(value),
            _ => None,
        });
        numbers.last()
    }

    /// The last bytes with this number.
    pub(super) fn last(&self, number: u32) -> Option<&'a [u8]> {
        self.each(number).last()
    }

    /// The last text with this number; empty where there is none.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub(super) fn text(&self, number: u32, what: &str) -> Result<&'a str> {
        let bytes = self.last(number).unwrap_or_default();
        self.utf8(bytes, what)
    }

    /// Bytes of this message as a text.
    ///
    /// # Errors
    /// Where they are not UTF-8.
    pub(super) fn utf8(&self, bytes: &'a [u8], what: &str) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|_| Error::Format {
            offset: self.place(bytes),
            reason: format!("{what} is not UTF-8"),
        })
    }

    /// The message with this number. Where it is there several times, readers join them; no writer
    /// does that.
    ///
    /// # Errors
    /// Where it is there twice, or is none.
    pub(super) fn message(&self, number: u32, what: &str) -> Result<Option<Message<'a>>> {
        let mut all = self.each(number);
        let Some(bytes) = all.next() else {
            return Ok(None);
        };
        match all.next() {
            Some(_) => Err(self.error(format!("{what} is there twice"))),
            None => Message::parse(bytes, self.place(bytes)).map(Some),
        }
    }

    /// Each message with this number.
    pub(super) fn messages(&self, number: u32) -> impl Iterator<Item = Result<Message<'a>>> {
        self.each(number)
            .map(|bytes| Message::parse(bytes, self.place(bytes)))
    }

    /// Sets a field: where it stands, or behind all others. What else has its number goes.
    pub(super) fn set(&mut self, number: u32, value: Made<'a>) {
        let first = self.fields.iter().position(|f| f.number() == Some(number));
        let before = first.unwrap_or(self.fields.len());
        self.remove(number);
        self.fields.insert(before, Field::made(number, value));
    }

    /// Appends a field.
    pub(super) fn push(&mut self, number: u32, value: Made<'a>) {
        self.fields.push(Field::made(number, value));
    }

    /// Removes all fields with this number.
    pub(super) fn remove(&mut self, number: u32) {
        self.fields.retain(|field| field.number() != Some(number));
    }

    /// How many bytes it takes.
    pub(super) fn length(&self) -> u64 {
        self.fields.iter().map(Field::length).sum()
    }

    /// Gives its bytes to `write`, and its parts to `part`.
    ///
    /// # Errors
    /// Those of the two.
    pub(super) fn write(&self, write: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        for field in &self.fields {
            match field {
                Field::Stored(bytes) => write(Piece::Bytes(bytes))?,
                Field::Made(made) => {
                    let (number, value) = &**made;
                    write(Piece::Bytes(&value.head(*number)))?;
                    match value {
                        Made::Varint(_) => {}
                        Made::Bytes(bytes) => write(Piece::Bytes(bytes))?,
                        Made::Message(message) => message.write(write)?,
                        Made::Part { id, .. } => write(Piece::Part(*id))?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    /// The bytes of this part.
    Part(usize),
}

impl<'a> Field<'a> {
    pub(super) fn made(number: u32, value: Made<'a>) -> Self {
        Field::Made(Box::new((number, value)))
    }

    pub(super) fn number(&self) -> Option<u32> {
        match self {
            Field::Stored(_) => self.stored().map(|(number, _)| number),
            Field::Made(made) => Some(made.0),
        }
    }

    /// Number and value, where it stands as it did in the file.
    pub(super) fn stored(&self) -> Option<(u32, Value<'a>)> {
        let Field::Stored(bytes) = self else {
            return None;
        };
        // It was parsed before, so that it parses now.
        let mut fields = Fields {
            bytes,
            at: 0,
            start: 0,
        };
        let (_, number, value) = fields.next()?.ok()?;
        Some((number, value))
    }

    fn length(&self) -> u64 {
        match self {
            Field::Stored(bytes) => bytes.len() as u64,
            Field::Made(made) => made.1.head(made.0).len() as u64 + made.1.length(),
        }
    }
}

impl<'a> Made<'a> {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Made::Bytes(Cow::Owned(text.into().into_bytes()))
    }

    /// Bytes behind the head.
    fn length(&self) -> u64 {
        match self {
            Made::Varint(_) => 0,
            Made::Bytes(bytes) => bytes.len() as u64,
            Made::Message(message) => message.length(),
            Made::Part { length, .. } => *length,
        }
    }

    /// The number of the field, its type, and its length or number.
    fn head(&self, number: u32) -> Vec<u8> {
        let (kind, value) = match self {
            Made::Varint(value) => (0, *value),
            _ => (2, self.length()),
        };
        let mut bytes = Vec::new();
        put_varint(u64::from(number) << 3 | kind, &mut bytes);
        put_varint(value, &mut bytes);
        bytes
    }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Numbers one after the other, without heads, as packed fields have them.
pub(super) fn varints(bytes: &[u8], at: usize) -> impl Iterator<Item = Result<u64>> {
    let mut read = Fields {
        bytes,
        at: 0,
        start: at,
    };
    std::iter::from_fn(move || (read.at < read.bytes.len()).then(|| read.varint()))
}

impl<'a> Fields<'a> {
    fn error<T>(&self, reason: impl Into<String>) -> Result<T> {
        let (offset, reason) = (self.start + self.at, reason.into());
        Err(Error::Format { offset, reason })
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for position in 0..10 {
            let Some(&byte) = self.bytes.get(self.at + position) else {
                return self.error("a number is cut off");
            };
            // The tenth byte has one bit of the 64.
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                self.at += position + 1;
                return Ok(value);
            }
        }
        self.error("a number has more than ten bytes")
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let left = (self.bytes.len() - self.at) as u64;
        if length > left {
            return self.error(format!(
                "a field has {length} bytes, its message {left} more"
            ));
        }
        let taken = &self.bytes[self.at..self.at + length as usize];
        self.at += length as usize;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N as u64)?.try_into().map_err(Error::other)
    }

    /// Number and type of a field.
    fn tag(&mut self) -> Result<(u32, u64)> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number) if (1..1 << 29).contains(&number) => Ok((number, tag & 7)),
            _ => self.error(format!("a field has number {}", tag >> 3)),
        }
    }

    fn value(&mut self, kind: u64, number: u32) -> Result<Value<'a>> {
        match kind {
            0 => self.varint().map(Value::Varint),
            1 => self.array().map(Value::Fixed64),
            2 => {
                let length = self.varint()?;
                self.take(length).map(Value::Bytes)
            }
            3 => self.group(number).map(|()| Value::Group),
            5 => self.array().map(Value::Fixed32),
            _ => self.error(format!("a field has type {kind}")),
        }
    }

    /// Passes over a group, and groups within it, up to the end with the same number.
    fn group(&mut self, number: u32) -> Result<()> {
        let mut open = vec![number];
        while let Some(last) = open.last() {
            let (number, kind) = self.tag()?;
            match kind {
                4 if number == *last => drop(open.pop()),
                3 if open.len() >= DEPTH => return self.error("groups are too deep"),
                3 => open.push(number),
                _ => drop(self.value(kind, number)?),
            }
        }
        Ok(())
    }

    fn field(&mut self) -> Result<(&'a [u8], u32, Value<'a>)> {
        let start = self.at;
        let (number, kind) = self.tag()?;
        let value = self.value(kind, number)?;
        Ok((&self.bytes[start..self.at], number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a [u8], u32, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_take_two_words() {
        assert_eq!(size_of::<Field<'_>>(), 2 * size_of::<usize>());
    }

    /// The examples of the format's description: field 1 is 150, field 2 is "testing".
    #[test]
    fn a_message_is_read_edited_and_written() {
        let bytes = b"\x08\x96\x01\x12\x07testing\x1b\x20\x05\x1c\x08\x81\x00";
        let mut message = Message::parse(bytes, 100).unwrap();
        assert_eq!(message.varint(1), Some(1), "the last one");
        assert_eq!(message.text(2, "it").unwrap(), "testing");
        assert_eq!(message.place(message.last(2).unwrap()), 105);
        assert_eq!(message.all(3).next(), Some(Value::Group));
        let written = |message: &Message<'_>| {
            let mut to = Vec::new();
            let mut write = |piece: Piece<'_>| {
                match piece {
                    Piece::Bytes(bytes) => to.extend(bytes),
                    Piece::Part(id) => to.extend(vec![id as u8; 200]),
                }
                Ok(())
            };
            message.write(&mut write).unwrap();
            assert_eq!(to.len() as u64, message.length());
            to
        };
        assert_eq!(
            written(&message),
            bytes,
            "a number of more bytes than it needs stays so"
        );
        message.set(2, Made::text("x"));
        message.set(1, Made::Part { id: 7, length: 200 });
        let mut expected = b"\x0a\xc8\x01".to_vec();
        expected.extend([7; 200]);
        expected.extend(b"\x12\x01x\x1b\x20\x05\x1c");
        assert_eq!(written(&message), expected);
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_byte() {
        let refused = |bytes: &[u8], said: &str| {
            let error = Message::parse(bytes, 10).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        };
        refused(
            b"\x12\x05abc",
            "at byte 12: a field has 5 bytes, its message 3 more",
        );
        refused(b"\x08\x01\x08", "at byte 13: a number is cut off");
        refused(
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "18446744073709551615 bytes",
        );
        refused(&[0xff; 20], "more than ten bytes");
        refused(b"\x00\x01", "number 0");
        refused(b"\x0c", "type 4");
        refused(&[0x0b; 200], "too deep");
        refused(b"\x0b\x14", "type 4");
    }
}
