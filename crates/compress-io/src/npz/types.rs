//! How numpy spells types.

use compress_core::{Error, Result};

use crate::dtype::Dtype;

/// The types that numpy shares with us, and their names there without the order of bytes.
const TYPES: [(Dtype, &str); 14] = [
    (Dtype::Bool, "b1"),
    (Dtype::U8, "u1"),
    (Dtype::I8, "i1"),
    (Dtype::U16, "u2"),
    (Dtype::I16, "i2"),
    (Dtype::U32, "u4"),
    (Dtype::I32, "i4"),
    (Dtype::U64, "u8"),
    (Dtype::I64, "i8"),
    (Dtype::F16, "f2"),
    (Dtype::F32, "f4"),
    (Dtype::F64, "f8"),
    (Dtype::C64, "c8"),
    (Dtype::C128, "c16"),
];

/// The type that `descr` names, and whether the numbers are big-endian.
pub(super) fn read(descr: &str) -> Result<(Dtype, bool)> {
    let refuse = |expected: String| Err(Error::invalid("the type", format!("{descr:?}"), expected));
    let mut rest = descr.chars();
    let order = rest.next();
    let name = rest.as_str();
    if name.starts_with('O') {
        return refuse("numbers; Python objects are pickled, which is never read".into());
    }
    if name == "V2" {
        let expected =
            "known; V2 is bf16 or any other pair of bytes, so store it as float32 or uint16";
        return refuse(expected.into());
    }
    let Some((dtype, _)) = TYPES.iter().find(|(_, known)| *known == name) else {
        return refuse(format!("one of {}", names()));
    };
    let is_byte = dtype.bytes(1) == Some(1);
    match order {
        Some('<') => Ok((*dtype, false)),
        Some('>') => Ok((*dtype, true)),
        Some('|') if is_byte => Ok((*dtype, false)),
        _ => refuse("little-endian (<), big-endian (>), or of one byte (|)".into()),
    }
}

/// How the type of tensor `name` is spelled.
pub(super) fn write(dtype: Dtype, name: &str) -> Result<String> {
    let found = TYPES.iter().find(|(known, _)| *known == dtype);
    let Some((_, spelled)) = found else {
        let what = format!("the type of {name}");
        let expected = format!("one that numpy has: {}", names());
        return Err(Error::invalid(what, dtype, expected));
    };
    let order = if dtype.bytes(1) == Some(1) { '|' } else { '<' };
    Ok(format!("{order}{spelled}"))
}

fn names() -> String {
    let names: Vec<&str> = TYPES.iter().map(|(dtype, _)| dtype.name()).collect();
    names.join(", ")
}
