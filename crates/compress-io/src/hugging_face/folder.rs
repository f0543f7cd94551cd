//! The files of a folder, and what JSON among them says.

use std::fs;
use std::path::{Path, PathBuf};

use compress_core::{Error, Result, file};
use serde_json::{Map, Value};

/// The file with the weights of a folder: `model.safetensors`, else `model.safetensors.index.json`,
/// else the only `*.safetensors`.
pub(crate) fn weights(folder: &Path) -> Result<PathBuf> {
    for name in ["model.safetensors", "model.safetensors.index.json"] {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let io = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path
            .extension()
            .is_some_and(|ending| ending == "safetensors")
            && path.is_file()
        {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        count => {
            let what = "the number of safetensors files without model.safetensors or its index";
            Err(file::at(folder, Error::invalid(what, count, "1")))
        }
    }
}

/// A JSON object in a file.
#[derive(Debug)]
pub(super) struct Json {
    path: PathBuf,
    object: Map<String, Value>,
}

impl Json {
    /// Reads a file of the folder.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let object = parse(&path)?;
        Ok(Json { path, object })
    }

    /// As [`Json::read`]; an empty object where there is no such file.
    pub(super) fn read_if_there(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        match path.is_file() {
            true => Self::read(folder, name),
            false => Ok(Json {
                path,
                object: Map::new(),
            }),
        }
    }

    /// The object of a key, with the same path; an empty one where it is missing or null.
    pub(super) fn object(&self, key: &str) -> Result<Self> {
        let object = match self.value(key) {
            None => Map::new(),
            Some(Value::Object(object)) => object.clone(),
            Some(other) => return Err(self.refuse(key, other, "an object")),
        };
        let path = self.path.clone();
        Ok(Json { path, object })
    }

    /// The value of a key, unless it is missing or null.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// What is wrong with the value of a key.
    pub(super) fn refuse(&self, key: &str, value: impl ToString, expected: impl ToString) -> Error {
        let error = Error::invalid(key, value.to_string(), expected.to_string());
        file::at(&self.path, error)
    }

    fn get<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.refuse(key, value, expected))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.get(key, "a text", Value::as_str)
    }

    /// A truth value.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key, "true or false", Value::as_bool)
    }

    /// A number.
    pub(super) fn real(&self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number", Value::as_f64)
    }

    /// A number that must be there.
    pub(super) fn needed_real(&self, key: &str) -> Result<f64> {
        self.real(key)?
            .ok_or_else(|| self.refuse(key, "missing", "a number"))
    }

    /// A count, from 1 to what GGUF's keys hold.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>> {
        let read = |value: &Value| value.as_u64()?.try_into().ok().filter(|&n: &u32| n > 0);
        self.get(key, "a count from 1 to 4294967295", read)
    }

    /// A count that must be there.
    pub(super) fn needed_count(&self, key: &str) -> Result<u32> {
        self.count(key)?
            .ok_or_else(|| self.refuse(key, "missing", "a count"))
    }
}

/// A JSON file as a type.
pub(super) fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let json = file::read(path)?;
    serde_json::from_slice(&json).map_err(|error| file::at(path, Error::other(error)))
}
