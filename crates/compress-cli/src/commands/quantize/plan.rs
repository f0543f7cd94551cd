//! Which type each tensor gets by rules alone.

use compress_core::kernels::block_format::BlockFormat;
use compress_core::tensor::Role;
use compress_io::gguf::{MIXTURES, Mixture, fallback, is_quantized};
use compress_io::{Dtype, Format, TensorInfo, role};

use crate::failure::{Done, usage};
use crate::input::Input;
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
    /// Whether tensors are those of a language model, of which llama.cpp keeps some as they are.
    language_model: bool,
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
    pub(super) fn new(
        sets: &[String],
        keeps: &[String],
        tensors: &[TensorInfo],
        to: &Format,
    ) -> Done<Self> {
        let rules = Rules {
            sets: read(sets)?,
            keeps: keeps.to_vec(),
            language_model: to.name == "gguf",
        };
        let patterns = rules.sets.iter().map(|(pattern, _)| pattern);
        patterns::check(patterns.chain(keeps).map(String::as_str), tensors)?;
        for info in tensors {
            let named = rules.sets.iter().any(|(pattern, _)| *pattern == info.name);
            if named && !info.dtype.is_float() {
                let why = match info.dtype {
                    Dtype::Opaque(_) => "blocks that are copied and never read",
                    _ => "no real numbers to quantize",
                };
                return Err(usage(format!("{} is {}: {why}", info.name, info.dtype)));
            }
            if let Rule::Set(dtype) = rules.of(info) {
                check(info, dtype)?;
            }
        }
        Ok(rules)
    }

    /// What `--keep` names stays. A pattern sets weights; a tensor that is none must be named.
    pub(super) fn of(&self, info: &TensorInfo) -> Rule {
        let name = &info.name;
        let keeps = self
            .keeps
            .iter()
            .any(|pattern| patterns::fits(pattern, name));
        if keeps || !info.dtype.is_float() {
            return Rule::Keep;
        }
        let is_weight = role(info) == Role::Weight && (!self.language_model || is_quantized(info));
        let mut sets = self.sets.iter().rev();
        let set = sets.find(|(pattern, _)| match is_weight {
            true => patterns::fits(pattern, name),
            false => pattern == name,
        });
        match set {
            Some((_, dtype)) => Rule::Set(*dtype),
            None if is_weight => Rule::Free,
            None => Rule::Keep,
        }
    }

    /// All free tensors as the type, or the mixture, of this name.
    pub(super) fn uniform(&self, input: &Input, name: &str) -> Done<Vec<Choice>> {
        let tensors = input.tensors();
        let wanted = match Mixture::by_name(name) {
            Some(mixture) => mixture.types(&tensors, &input.metadata),
            None => {
                let dtype = named(name)?;
                tensors.iter().map(|_| dtype).collect()
            }
        };
        let choices = input.reads.iter().zip(wanted);
        let choices = choices.map(|(read, wanted)| {
            let info = &read.info;
            match self.of(info) {
                Rule::Keep => with(info, read.usual, None),
                Rule::Set(dtype) => with(info, dtype, None),
                Rule::Free => {
                    let columns = info.innermost();
                    let found = fallback(wanted, columns);
                    let note = (found != wanted).then(|| {
                        let block = wanted.block_len();
                        format!("{columns} columns are no multiple of the {block} of {wanted}")
                    });
                    with(info, found, note)
                }
            }
        });
        Ok(choices.collect())
    }
}

/// Reads `PATTERN=TYPE`.
pub(super) fn read(sets: &[String]) -> Done<Vec<(String, Dtype)>> {
    let read = sets.iter().map(|set| match set.rsplit_once('=') {
        Some((pattern, name)) => Ok((pattern.to_owned(), named(name)?)),
        None => Err(usage(format!(
            "--set {set:?} is not of the form PATTERN=TYPE"
        ))),
    });
    read.collect()
}

/// A type that can be written.
pub(super) fn named(name: &str) -> Done<Dtype> {
    let known = || {
        let plain = [Dtype::F32, Dtype::F16, Dtype::BF16].map(Dtype::name);
        let blocks = BlockFormat::ENCODED.map(|format| format.name());
        let mixtures = MIXTURES.iter().map(|mixture| mixture.name);
        let all = plain.into_iter().chain(blocks).chain(mixtures);
        all.collect::<Vec<_>>().join(", ")
    };
    let found = Dtype::by_name(name).ok();
    let can = |dtype: &Dtype| match dtype {
        Dtype::Block(format) => BlockFormat::ENCODED.contains(format),
        _ => matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64),
    };
    found.filter(can).ok_or_else(|| {
        usage(format!(
            "weights cannot be written as {name:?}; the types are {}",
            known()
        ))
    })
}

pub(super) fn with(info: &TensorInfo, dtype: Dtype, note: Option<String>) -> Choice {
    let info = TensorInfo {
        dtype,
        ..info.clone()
    };
    Choice { info, note }
}

/// Whether the blocks of a type divide the last axis of a tensor.
pub(super) fn divides(info: &TensorInfo, dtype: Dtype) -> bool {
    info.innermost().is_multiple_of(dtype.block_len())
}

/// Fails where the blocks of a type that was asked for do not divide the last axis of a tensor.
fn check(info: &TensorInfo, dtype: Dtype) -> Done {
    if divides(info, dtype) {
        return Ok(());
    }
    let columns = info.innermost();
    let would = fallback(dtype, columns);
    let name = &info.name;
    let block = dtype.block_len();
    let text = format!(
        "{name} cannot be {dtype}: blocks of {block} do not divide its last axis of {columns}; {would} would do"
    );
    Err(usage(text))
}
