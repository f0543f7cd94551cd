//! Which type each tensor gets by rules alone.

use compress_core::kernels::block_format::BlockFormat;
use compress_core::tensor::{Role, matrix_shape};
use compress_io::{Dtype, TensorInfo, role};

use crate::failure::{Done, usage};
use crate::patterns;

/// The type of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) info: TensorInfo,
    /// Why it is not the one that was asked for.
    pub(super) note: Option<String>,
}

/// What is said of single tensors.
#[derive(Debug)]
pub(super) struct Rules {
    sets: Vec<(String, Dtype)>,
    keeps: Vec<String>,
}

/// What the rules say of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It stays as it is.
    Keep,
    /// It has this type.
    Set(Dtype),
    /// It is a weight without a rule.
    Free,
}

impl Rules {
    /// Reads `PATTERN=TYPE` and patterns.
    pub(super) fn new(sets: &[String], keeps: &[String], tensors: &[TensorInfo]) -> Done<Self> {
        let read = sets.iter().map(|set| {
            let Some((pattern, name)) = set.rsplit_once('=') else {
                return Err(usage(format!(
                    "--set {set:?} is not of the form PATTERN=TYPE"
                )));
            };
            Ok((pattern.to_owned(), Dtype::by_name(name).map_err(usage)?))
        });
        let rules = Rules {
            sets: read.collect::<Done<_>>()?,
            keeps: keeps.to_vec(),
        };
        let patterns = rules.sets.iter().map(|(pattern, _)| pattern);
        patterns::check(patterns.chain(keeps).map(String::as_str), tensors)?;
        for info in tensors {
            if let Rule::Set(dtype) = rules.of(info) {
                check(info, dtype)?;
            }
        }
        Ok(rules)
    }

    pub(super) fn of(&self, info: &TensorInfo) -> Rule {
        if !info.dtype.is_float() {
            return Rule::Keep;
        }
        let set = self.sets.iter().rev();
        let set = set
            .filter(|(pattern, _)| patterns::fits(pattern, &info.name))
            .map(|(_, t)| *t);
        let keeps = self
            .keeps
            .iter()
            .any(|pattern| patterns::fits(pattern, &info.name));
        match set.into_iter().next() {
            Some(dtype) => Rule::Set(dtype),
            None if keeps || role(info) != Role::Weight => Rule::Keep,
            None => Rule::Free,
        }
    }

    /// All free tensors as the type of this name.
    pub(super) fn uniform(&self, tensors: &[TensorInfo], name: &str) -> Done<Vec<Choice>> {
        let wanted = Dtype::by_name(name).map_err(usage)?;
        tensors
            .iter()
            .map(|info| {
                Ok(match self.of(info) {
                    Rule::Keep => with(info, info.dtype, None),
                    Rule::Set(dtype) => with(info, dtype, None),
                    Rule::Free => {
                        let found = fallback(info, wanted);
                        let note = (found != wanted).then(|| {
                            let (_, columns) = matrix_shape(&info.shape);
                            let block = wanted.block_len();
                            format!("{columns} columns are no multiple of {block}")
                        });
                        with(info, found, note)
                    }
                })
            })
            .collect()
    }
}

pub(super) fn with(info: &TensorInfo, dtype: Dtype, note: Option<String>) -> Choice {
    let info = TensorInfo {
        dtype,
        ..info.clone()
    };
    Choice { info, note }
}

/// Whether the blocks of a type divide the rows of a tensor.
pub(super) fn divides(info: &TensorInfo, dtype: Dtype) -> bool {
    matrix_shape(&info.shape)
        .1
        .is_multiple_of(dtype.block_len())
}

/// Fails where the blocks of a type that was asked for do not divide the rows of a tensor.
fn check(info: &TensorInfo, dtype: Dtype) -> Done {
    if divides(info, dtype) {
        return Ok(());
    }
    let (_, columns) = matrix_shape(&info.shape);
    let would = fallback(info, dtype);
    let name = &info.name;
    let block = dtype.block_len();
    let text = format!(
        "{name} cannot be {dtype}: blocks of {block} do not divide its rows of {columns}; {would} would do"
    );
    Err(usage(text))
}

/// The type that llama.cpp takes where blocks of 256 do not divide the rows: one with as many bits or
/// more in blocks of 32, and f16 where those do not divide them either.
pub(super) fn fallback(info: &TensorInfo, wanted: Dtype) -> Dtype {
    if divides(info, wanted) {
        return wanted;
    }
    let smaller = match wanted {
        Dtype::Block(BlockFormat::Q4_K) => Dtype::Block(BlockFormat::Q4_0),
        Dtype::Block(BlockFormat::Q6_K) => Dtype::Block(BlockFormat::Q8_0),
        _ => Dtype::F16,
    };
    match divides(info, smaller) {
        true => smaller,
        false => Dtype::F16,
    }
}
