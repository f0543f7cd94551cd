//! How much the columns of weights matter: files of importance, llama.cpp's `imatrix` among them.

use std::collections::BTreeMap;
use std::path::Path;

use compress_core::tensor::volume;
use compress_core::{Error, Result, file};

use crate::checkpoint::Checkpoint;
use crate::cursor::Cursor;
use crate::source::Source;

/// The importance of each column of some weights: the mean square of what it is multiplied by.
///
/// # References
/// llama.cpp, `tools/imatrix`: the file, in its own form and as GGUF.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Importance {
    /// By the name of the weight: a value for each column, of each expert where a weight has
    /// several.
    weights: BTreeMap<String, Vec<f32>>,
}

impl Importance {
    /// Reads a file: llama.cpp's `imatrix`, old (`.dat`) or new (GGUF), or a checkpoint of any
    /// format whose tensors are named like the weights and have as many values as those have
    /// columns.
    ///
    /// # Errors
    /// Where it cannot be read or is none of these, or a value is negative or not finite.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let is_old = path.extension().is_some_and(|ending| ending == "dat");
        let weights = match is_old {
            true => old(&file::read(path)?),
            false => from_checkpoint(&Checkpoint::open(path)?),
        };
        let weights = weights.map_err(|error| file::at(path, error))?;
        for (name, values) in &weights {
            let wrong = values.iter().find(|v| !v.is_finite() || **v < 0.0);
            if let Some(value) = wrong {
                let what = format!("an importance of {name}");
                let error = Error::invalid(what, value, "finite and not negative");
                return Err(file::at(path, error));
            }
        }
        Ok(Importance { weights })
    }

    /// The names of the weights.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }

    /// The importance of the columns of a weight: along its last axis, of all rows alike or of each
    /// expert, where a weight has several one after another. None where nothing is known of it. All
    /// zeros count as unknown.
    ///
    /// # Errors
    /// Where the number of values is not that of the columns, or a multiple that divides the rows.
    pub fn of(&self, weight: &str, shape: &[usize]) -> Result<Option<ColumnWeights<'_>>> {
        let Some(values) = self.weights.get(weight) else {
            return Ok(None);
        };
        let columns = shape.last().copied().unwrap_or(1);
        let rows = volume(shape) / columns.max(1);
        let sets = values.len() / columns.max(1);
        let fits = sets > 0 && values.len() == sets * columns && rows.is_multiple_of(sets);
        if !fits {
            let what = format!("the number of importance values of {weight}");
            let expected = format!("{columns}, one for each column, or that of each expert");
            return Err(Error::invalid(what, values.len(), expected));
        }
        let known = values.iter().any(|value| *value > 0.0);
        Ok(known.then_some(ColumnWeights {
            values,
            columns,
            rows: rows / sets,
        }))
    }
}

/// The importance of each column of a weight.
#[derive(Clone, Copy, Debug)]
pub struct ColumnWeights<'a> {
    values: &'a [f32],
    columns: usize,
    /// Rows that share the same importance.
    rows: usize,
}

impl<'a> ColumnWeights<'a> {
    /// How many columns a row has: the last axis.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The importance of the columns of a row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        let set = row / self.rows.max(1) * self.columns;
        self.values.get(set..set + self.columns).unwrap_or_default()
    }

    /// The same where all rows have the same.
    pub fn shared(&self) -> Option<&'a [f32]> {
        (self.values.len() == self.columns).then_some(self.values)
    }
}

type Weights = BTreeMap<String, Vec<f32>>;

/// A checkpoint, or llama.cpp's sums and counts in one.
fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Weights> {
    const SUMS: &str = ".in_sum2";
    let mut weights = Weights::new();
    for (index, info) in checkpoint.tensors().iter().enumerate() {
        if let Some(name) = info.name.strip_suffix(SUMS) {
            let counts = checkpoint.values(checkpoint.position(&format!("{name}.counts"))?)?;
            let mut values = checkpoint.values(index)?;
            if counts.is_empty() || !values.len().is_multiple_of(counts.len()) {
                let what = format!("the number of counts of {name}");
                let expected = format!("a divisor of its {} sums", values.len());
                return Err(Error::invalid(what, counts.len(), expected));
            }
            let columns = values.len() / counts.len();
            for (values, count) in values.chunks_mut(columns.max(1)).zip(counts) {
                // An expert that saw no input: all columns matter alike.
                let mean = |sum: f32| if count > 0.0 { sum / count } else { 1.0 };
                values.iter_mut().for_each(|value| *value = mean(*value));
            }
            weights.insert(name.to_owned(), values);
        } else if !info.name.ends_with(".counts") && info.dtype.is_float() {
            weights.insert(info.name.clone(), checkpoint.values(index)?);
        }
    }
    Ok(weights)
}

/// The form with numbers of 32 bits: how many weights, and of each the name, the calls, how many
/// values, and the sums.
fn old(bytes: &[u8]) -> Result<Weights> {
    let mut from = Cursor::new(bytes);
    let mut weights = Weights::new();
    for _ in 0..from.u32("the number of weights")? {
        let length = from.u32("the length of a name")? as usize;
        let name = from.take(length, "a name")?.to_vec();
        let name = String::from_utf8(name).map_err(Error::other)?;
        let calls = from.u32("the number of calls")?.max(1) as f32;
        let count = from.u32("the number of values")? as usize;
        let values = from
            .take(count.saturating_mul(4), &name)?
            .as_chunks::<4>()
            .0;
        let values = values.iter().map(|b| f32::from_le_bytes(*b) / calls);
        weights.insert(name, values.collect());
    }
    Ok(weights)
}
