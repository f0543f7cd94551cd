//! Values of metadata.

use compress_core::{Error, Result};

use crate::cursor::Cursor;
use crate::metadata::{List, Value};

/// Lists within lists that are read.
const DEPTH: usize = 4;

/// Reads the type and the value of `key`.
pub(super) fn read(from: &mut Cursor<'_>, key: &str) -> Result<Value> {
    let kind = from.u32(&format!("the type of {key}"))?;
    Ok(match kind {
        0 => Value::U8(u8::from_le_bytes(from.array(key)?)),
        1 => Value::I8(i8::from_le_bytes(from.array(key)?)),
        2 => Value::U16(u16::from_le_bytes(from.array(key)?)),
        3 => Value::I16(i16::from_le_bytes(from.array(key)?)),
        4 => Value::U32(u32::from_le_bytes(from.array(key)?)),
        5 => Value::I32(i32::from_le_bytes(from.array(key)?)),
        6 => Value::F32(f32::from_le_bytes(from.array(key)?)),
        7 => Value::Bool(boolean(from, key)?),
        8 => Value::Text(from.text(key)?),
        9 => Value::List(list(from, key, DEPTH)?),
        10 => Value::U64(u64::from_le_bytes(from.array(key)?)),
        11 => Value::I64(i64::from_le_bytes(from.array(key)?)),
        12 => Value::F64(f64::from_le_bytes(from.array(key)?)),
        _ => return Err(unknown(from, key, kind)),
    })
}

fn unknown(from: &Cursor<'_>, key: &str, kind: u32) -> Error {
    from.error(format!(
        "the type of {key} is {kind}, but 0 to 12 are known"
    ))
}

fn boolean(from: &mut Cursor<'_>, key: &str) -> Result<bool> {
    match from.array(key)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [byte] => Err(from.error(format!("{key} is {byte}, but a truth value is 0 or 1"))),
    }
}

fn list(from: &mut Cursor<'_>, key: &str, depth: usize) -> Result<List> {
    let kind = from.u32(&format!("the type of the list {key}"))?;
    let what = format!("the length of the list {key}");
    let least = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8].get(kind as usize);
    let Some(&least) = least else {
        return Err(unknown(from, key, kind));
    };
    let count = from.count(least, &what)?;
    Ok(match kind {
        0 => List::U8(numbers(from, count, key, u8::from_le_bytes)?),
        1 => List::I8(numbers(from, count, key, i8::from_le_bytes)?),
        2 => List::U16(numbers(from, count, key, u16::from_le_bytes)?),
        3 => List::I16(numbers(from, count, key, i16::from_le_bytes)?),
        4 => List::U32(numbers(from, count, key, u32::from_le_bytes)?),
        5 => List::I32(numbers(from, count, key, i32::from_le_bytes)?),
        6 => List::F32(numbers(from, count, key, f32::from_le_bytes)?),
        7 => List::Bool(many(count, || boolean(from, key))?),
        8 => List::Text(many(count, || from.text(key))?),
        9 if depth == 0 => {
            return Err(from.error(format!("{key} has lists within lists, deeper than {DEPTH}")));
        }
        9 => List::List(many(count, || list(from, key, depth - 1))?),
        10 => List::U64(numbers(from, count, key, u64::from_le_bytes)?),
        11 => List::I64(numbers(from, count, key, i64::from_le_bytes)?),
        _ => List::F64(numbers(from, count, key, f64::from_le_bytes)?),
    })
}

fn numbers<const N: usize, T>(
    from: &mut Cursor<'_>,
    count: usize,
    key: &str,
    read: fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    // The count was checked against the bytes that are left.
    let bytes = from.take(count.saturating_mul(N), key)?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|b| read(*b)).collect())
}

fn many<T>(count: usize, mut read: impl FnMut() -> Result<T>) -> Result<Vec<T>> {
    (0..count).map(|_| read()).collect()
}

/// Writes the type and the value.
pub(super) fn write(to: &mut Vec<u8>, value: &Value) {
    let mut put = |kind: u32, bytes: &[u8]| {
        to.extend(kind.to_le_bytes());
        to.extend(bytes);
    };
    match value {
        Value::U8(v) => put(0, &v.to_le_bytes()),
        Value::I8(v) => put(1, &v.to_le_bytes()),
        Value::U16(v) => put(2, &v.to_le_bytes()),
        Value::I16(v) => put(3, &v.to_le_bytes()),
        Value::U32(v) => put(4, &v.to_le_bytes()),
        Value::I32(v) => put(5, &v.to_le_bytes()),
        Value::F32(v) => put(6, &v.to_le_bytes()),
        Value::Bool(v) => put(7, &[u8::from(*v)]),
        Value::Text(v) => {
            put(8, &[]);
            write_text(to, v);
        }
        Value::List(v) => {
            put(9, &[]);
            write_list(to, v);
        }
        Value::U64(v) => put(10, &v.to_le_bytes()),
        Value::I64(v) => put(11, &v.to_le_bytes()),
        Value::F64(v) => put(12, &v.to_le_bytes()),
    }
}

/// Writes a length and the text.
pub(super) fn write_text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

fn write_list(to: &mut Vec<u8>, list: &List) {
    fn put<T>(to: &mut Vec<u8>, kind: u32, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        to.extend(kind.to_le_bytes());
        to.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| write(to, value));
    }
    match list {
        List::U8(v) => put(to, 0, v, |to, v| to.push(*v)),
        List::I8(v) => put(to, 1, v, |to, v| to.extend(v.to_le_bytes())),
        List::U16(v) => put(to, 2, v, |to, v| to.extend(v.to_le_bytes())),
        List::I16(v) => put(to, 3, v, |to, v| to.extend(v.to_le_bytes())),
        List::U32(v) => put(to, 4, v, |to, v| to.extend(v.to_le_bytes())),
        List::I32(v) => put(to, 5, v, |to, v| to.extend(v.to_le_bytes())),
        List::F32(v) => put(to, 6, v, |to, v| to.extend(v.to_le_bytes())),
        List::Bool(v) => put(to, 7, v, |to, v| to.push(u8::from(*v))),
        List::Text(v) => put(to, 8, v, |to, v| write_text(to, v)),
        List::List(v) => put(to, 9, v, write_list),
        List::U64(v) => put(to, 10, v, |to, v| to.extend(v.to_le_bytes())),
        List::I64(v) => put(to, 11, v, |to, v| to.extend(v.to_le_bytes())),
        List::F64(v) => put(to, 12, v, |to, v| to.extend(v.to_le_bytes())),
    }
}
