//! From a folder to GGUF.

use std::collections::HashSet;
use std::path::Path;

use compress_core::{Error, Result, file};

use super::architecture::Architecture;
use super::architectures;
use super::config::{self, Sizes};
use super::folder::Json;
use super::modules::{Named, needed};
use super::{rotation, tokenizer};
use crate::checkpoint::Checkpoint;
use crate::dtype::{Dtype, TensorInfo};
use crate::gguf;
use crate::metadata::{self, Value};
use crate::source::{Plan, Source};
use crate::stream::{self, How, Step};

/// What becomes of a folder with `config.json`, `tokenizer.json` and safetensors as a GGUF file: its
/// checkpoint, the plan of the file, and a step for each tensor.
///
/// Matrices keep their type where it is f32, f16 or bf16; f64 becomes f32, and 8 bits become f16.
/// Vectors, and what else llama.cpp wants so, become f32. To store matrices in another type, change
/// it in the plan, replace [`Step::to`] and [`Step::how`] but leave [`Step::order`], and set
/// `general.file_type` ([`gguf::file_type`]).
///
/// # Errors
/// Where a file is missing or cannot be read; the architecture is unknown (names those that are
/// known); a tensor is unknown, missing, or not of the shape that the configuration says (names
/// the tensor and the architecture); the configuration or the tokenizer says what GGUF cannot.
///
/// # Examples
/// ```no_run
/// use compress_io::{Draft, Format, hugging_face, stream};
///
/// let (checkpoint, plan, steps) = hugging_face::gguf_plan("smollm2")?;
/// let draft = Draft::new("smollm2.gguf")?;
/// let mut file = Format::by_name("gguf")?.create(&draft.path(), &plan)?;
/// stream(&checkpoint, &steps, &mut *file, &stream::Options::default())?;
/// file.finish()?;
/// draft.publish()?;
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn gguf_plan(folder: impl AsRef<Path>) -> Result<(Checkpoint, Plan, Vec<Step<'static>>)> {
    let folder = folder.as_ref();
    let config = Json::read(folder, "config.json")?;
    let architecture = architectures::of(&config)?;
    refuse_variants(&config)?;
    let sizes = Sizes::read(&config, architecture)?;
    let mut checkpoint = Checkpoint::open(folder)?;
    let is_tied = config.flag("tie_word_embeddings")?.unwrap_or(false);
    let steps = steps(&checkpoint, architecture, &sizes, is_tied);
    let mut steps = steps.map_err(|error| file::at(folder, error))?;
    if architecture.is_rotary
        && let Some(factors) = rotation::factors(&config, sizes.head)?
    {
        let info = TensorInfo::new("rope_freqs.weight", Dtype::F32, [factors.len()]);
        let bytes: Vec<u8> = factors.into_iter().flat_map(f32::to_le_bytes).collect();
        let from = checkpoint.add(info.clone(), &bytes)?;
        steps.push(Step {
            from,
            to: info,
            order: None,
            how: How::Copy,
        });
    }
    let tensors: Vec<TensorInfo> = steps.iter().map(|step| step.to.clone()).collect();
    let mut metadata = config::metadata(folder, &config, architecture, &sizes)?;
    let number = gguf::file_type(most(&tensors))?;
    metadata::set(&mut metadata, "general.file_type", Value::U32(number));
    // As many tokens as the embedding has rows, which was seen above.
    metadata.extend(tokenizer::metadata(folder, &config, sizes.vocabulary)?);
    Ok((checkpoint, Plan { tensors, metadata }, steps))
}

/// What the configuration may say that these architectures in GGUF are not.
fn refuse_variants(config: &Json) -> Result<()> {
    if let Some(value) = config.value("quantization_config") {
        return Err(config.refuse(
            "quantization_config",
            value,
            "missing: weights must be plain",
        ));
    }
    if config.flag("use_sliding_window")? == Some(true) {
        return Err(config.refuse("use_sliding_window", true, "false"));
    }
    let kind = config
        .text("position_embedding_type")?
        .unwrap_or("absolute");
    match kind {
        "absolute" => Ok(()),
        _ => Err(config.refuse("position_embedding_type", kind, "absolute")),
    }
}

/// A step for each tensor that is needed, in the order of the checkpoint.
fn steps(
    checkpoint: &Checkpoint,
    architecture: &'static Architecture,
    sizes: &Sizes,
    is_tied: bool,
) -> Result<Vec<Step<'static>>> {
    let refuse = |tensor: &str, found: String, expected: String| {
        let what = format!("tensor {tensor} of architecture {}", architecture.name);
        Error::invalid(what, found, expected)
    };
    let mut steps = Vec::new();
    let mut seen = HashSet::new();
    for (from, info) in checkpoint.tensors().iter().enumerate() {
        let name = (architecture.normal)(&info.name);
        if (architecture.is_dropped)(&name) || is_tied && name == "lm_head.weight" {
            continue;
        }
        let Some(named) = Named::find(architecture.modules, &name, |m| m.hugging_face) else {
            let expected = "one that the architecture has";
            return Err(refuse(&info.name, "unknown".into(), expected.into()));
        };
        if named.layer.is_some_and(|layer| layer >= sizes.layers) {
            let expected = format!(
                "of one of the {} layers that config.json says",
                sizes.layers
            );
            return Err(refuse(&info.name, "of a further layer".into(), expected));
        }
        if !seen.insert(name) {
            return Err(refuse(
                &info.name,
                "there in two spellings".into(),
                "there once".into(),
            ));
        }
        let shape = named.shape(|size| sizes.length(size));
        if info.shape != shape {
            let (found, expected) = (format!("of shape {:?}", info.shape), format!("{shape:?}"));
            return Err(refuse(&info.name, found, expected));
        }
        let Some(dtype) = target(info, &named) else {
            let expected = "numbers with a fraction";
            return Err(refuse(&info.name, info.dtype.to_string(), expected.into()));
        };
        steps.push(step(from, info, &named, dtype, sizes));
    }
    for named in needed(architecture.modules, sizes.layers) {
        let name = named.hugging_face();
        if !seen.contains(&name) {
            return Err(refuse(&name, "missing".into(), "in the folder".into()));
        }
    }
    let is_whole = is_tied
        || checkpoint
            .tensors()
            .iter()
            .all(|t| !t.name.starts_with("model."));
    let head = "lm_head.weight";
    let has_head = architecture
        .modules
        .iter()
        .any(|module| module.hugging_face == "lm_head");
    if has_head && !is_whole && !seen.contains(head) {
        let expected = "there, or tie_word_embeddings true in config.json";
        return Err(refuse(head, "missing".into(), expected.into()));
    }
    Ok(steps)
}

fn step(
    from: usize,
    info: &TensorInfo,
    named: &Named,
    dtype: Dtype,
    sizes: &Sizes,
) -> Step<'static> {
    let to = TensorInfo::new(named.gguf(), dtype, info.shape.clone());
    let is_rotated = named.module.is_rotated;
    Step {
        from,
        how: stream::rounded(info, &to),
        to,
        order: is_rotated.then(|| rotation::to_neighbours(sizes.head as usize)),
    }
}

/// The type of most values of matrices.
fn most(tensors: &[TensorInfo]) -> Dtype {
    let matrices = || tensors.iter().filter(|info| info.shape.len() > 1);
    let count = |dtype: Dtype| -> usize {
        let same = matrices().filter(|info| info.dtype == dtype);
        same.map(TensorInfo::values).fold(0, usize::saturating_add)
    };
    let found = matrices()
        .map(|info| info.dtype)
        .max_by_key(|dtype| count(*dtype));
    found.unwrap_or(Dtype::F32)
}

/// The type that a tensor gets; none where it stands for no real numbers.
fn target(info: &TensorInfo, named: &Named) -> Option<Dtype> {
    let is_vector = info.shape.len() < 2;
    match info.dtype {
        dtype if !dtype.is_float() => None,
        _ if is_vector || named.module.is_full => Some(Dtype::F32),
        Dtype::F32 | Dtype::F64 => Some(Dtype::F32),
        Dtype::BF16 => Some(Dtype::BF16),
        _ => Some(Dtype::F16),
    }
}
