//! ONNX: weights of a graph with fewer bits, each in the form that the receiver runs.

mod budget;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use compress_core::{Error, Result};
use compress_io::onnx::{Change, Codes, Form, Onnx, Quantizer, Rewrite, RoundToNearest, Weight};
use compress_io::{Checkpoint, Dtype, Format, Source, TensorInfo, values};

use super::{Line, Quantize, Report, text};
use crate::console::Console;
use crate::errors::Sums;
use crate::failure::{Done, Failure, usage};
use crate::interrupt;
use crate::patterns;
use budget::Offers;

/// The forms by name.
const FORMS: [&str; 3] = ["f16", "int8", "int4"];

/// A form, and its name.
type NamedForm = (&'static str, Form);

/// A tensor and the form that it gets.
#[derive(Clone)]
struct Chosen {
    tensor: usize,
    form: Form,
    /// As it was asked for.
    name: &'static str,
}

/// Weights that stay as they are, with the reason where another form was asked for.
type Kept = BTreeMap<usize, Option<String>>;

/// What becomes of the weights of a model.
struct Decided<'a> {
    rewrite: Rewrite<'a>,
    chosen: Vec<Chosen>,
    kept: Kept,
}

/// Quantizes with the errors that it makes written down.
#[derive(Default)]
struct Recording {
    errors: Mutex<Errors>,
}

/// The relative errors of tensors by name.
type Errors = BTreeMap<String, f64>;

impl Recording {
    fn errors(&self) -> Errors {
        let errors = self.errors.lock();
        errors.map_or_else(|_| Errors::new(), |mut errors| std::mem::take(&mut *errors))
    }
}

impl Quantizer for Recording {
    fn quantize(&self, weight: &Weight<'_>) -> Result<Codes> {
        let (made, sums) = rounded(weight)?;
        if let Ok(mut all) = self.errors.lock() {
            all.insert(weight.name.to_owned(), sums.relative());
        }
        Ok(made)
    }
}

/// Codes by rounding to the nearest, and their errors.
fn rounded(weight: &Weight<'_>) -> Result<(Codes, Sums)> {
    let made = RoundToNearest::default().quantize(weight)?;
    let codes = made.codes.iter().enumerate();
    let back = codes.map(|(i, &code)| f32::from(code) * made.scales[weight.layout.scale_of(i)]);
    let sums = Sums::of(weight.values, &back.collect::<Vec<f32>>());
    Ok((made, sums))
}

impl Quantize {
    fn form(&self, name: &str) -> Done<NamedForm> {
        let found = FORMS.into_iter().find(|form| *form == name);
        match found {
            Some(form @ "f16") => Ok((form, Form::F16)),
            Some(form @ "int8") => Ok((form, Form::Int8)),
            Some(form) => Ok((form, Form::Int4 { block: self.block })),
            None => Err(usage(format!(
                "weights of ONNX cannot be written as {name:?}; the types are {}",
                FORMS.join(", ")
            ))),
        }
    }

    /// The form of weights without a rule, where one is asked for.
    fn usual(&self) -> Done<Option<NamedForm>> {
        let usual = self.dtype.as_deref().map(|name| self.form(name));
        usual.transpose()
    }

    /// Patterns and their forms.
    fn rules(&self) -> Done<Vec<(&str, NamedForm)>> {
        let sets = self.sets.iter().map(|set| match set.rsplit_once('=') {
            Some((pattern, name)) => Ok((pattern, self.form(name)?)),
            None => Err(usage(format!(
                "--set {set:?} is not of the form PATTERN=TYPE"
            ))),
        });
        sets.collect()
    }

    pub(super) fn check_onnx_options(&self) -> Done {
        if self.importance.is_some() {
            return Err(usage("--importance is for the block types of GGUF"));
        }
        self.receiver.unwrap_or_default().onnx()?;
        self.usual()?;
        self.rules().map(|_| ())
    }

    /// The tensors that have a form by the rules, and the weights without a rule.
    fn choose(&self, model: &Onnx) -> Done<(Vec<Chosen>, Vec<usize>)> {
        let sets = self.rules()?;
        let tensors = model.tensors();
        let all = sets.iter().map(|(pattern, _)| *pattern);
        patterns::check(all.chain(self.keeps.iter().map(String::as_str)), tensors)?;
        let (mut chosen, mut free) = (Vec::new(), Vec::new());
        for (tensor, (info, uses)) in tensors.iter().zip(model.uses()?).enumerate() {
            let fits = |pattern: &str| patterns::fits(pattern, &info.name);
            let set = sets.iter().rev().find(|(pattern, _)| fits(pattern));
            let is_kept = self.keeps.iter().any(|pattern| fits(pattern));
            let is_weight = info.dtype == Dtype::F32 && uses.axes().is_some();
            match set {
                Some(&(_, (name, form))) => chosen.push(Chosen { tensor, form, name }),
                None if is_weight && !is_kept => free.push(tensor),
                None => {}
            }
        }
        match chosen.is_empty() && free.is_empty() {
            true => Err(usage("there is no weight to quantize")),
            false => Ok((chosen, free)),
        }
    }

    /// What becomes of each tensor. Fails before values are read where that is not possible.
    fn decide<'a>(
        &self,
        console: Option<&Console>,
        model: &'a Onnx,
        quantizer: &'a Recording,
    ) -> Done<Option<Decided<'a>>> {
        let (sets, free) = self.choose(model)?;
        if let Some(error) = self.refusal(model, &sets)? {
            return Err(usage(error));
        }
        let (chosen, kept) = match (self.usual()?, console) {
            (Some(usual), _) => self.uniform(model, sets, free, usual)?,
            (None, None) => {
                Offers::new(self, model, sets, free)?.choose(self, model)?;
                return Ok(None);
            }
            (None, Some(console)) => {
                let mut offers = Offers::new(self, model, sets, free.clone())?;
                // Fails where the goal cannot be met, whatever the errors.
                offers.choose(self, model)?;
                offers.measure(console, model)?;
                let chosen = offers.choose(self, model)?;
                let stays = |tensor: &usize| chosen.iter().all(|chosen| chosen.tensor != *tensor);
                let kept = free.into_iter().filter(stays).map(|tensor| (tensor, None));
                let kept = kept.collect();
                (chosen, kept)
            }
        };
        let change = |chosen: &Chosen| Change::new(chosen.tensor, chosen.form).by(quantizer);
        let changes: Vec<Change<'a>> = chosen.iter().map(change).collect();
        let receiver = self.receiver.unwrap_or_default().onnx()?;
        let rewrite = Rewrite::new(model, &changes, receiver).map_err(usage)?;
        Ok(Some(Decided {
            rewrite,
            chosen,
            kept,
        }))
    }

    /// All free weights in one form, but for those that it would not make smaller or that the receiver
    /// does not run it for. These stay.
    fn uniform(
        &self,
        model: &Onnx,
        mut chosen: Vec<Chosen>,
        free: Vec<usize>,
        (name, form): NamedForm,
    ) -> Done<(Vec<Chosen>, Kept)> {
        let all: Vec<Chosen> = free
            .into_iter()
            .map(|tensor| Chosen { tensor, form, name })
            .collect();
        let mut kept = Kept::new();
        let runs = self.accepted(model, &all, &mut |chosen, error| {
            kept.insert(chosen.tensor, Some(error.to_string()));
        })?;
        let sizes = budget::rewrite(self, model, &runs)?.sizes(&self.target.path)?;
        for free in runs {
            let tensor = free.tensor;
            let bytes = sizes.tensors.get(&tensor).map_or(0, |size| size.values);
            // Scales of many small blocks take more than they save.
            if bytes < model.tensors()[tensor].bytes()? {
                chosen.push(free);
            } else {
                kept.insert(tensor, Some(format!("{name} would take {bytes} bytes")));
            }
        }
        if chosen.is_empty() {
            let reason = kept.into_values().flatten().next();
            return Err(usage(reason.unwrap_or_default()));
        }
        chosen.sort_by_key(|chosen| chosen.tensor);
        Ok((chosen, kept))
    }

    /// Why one of some tensors cannot have its form, if so.
    fn refusal(&self, model: &Onnx, chosen: &[Chosen]) -> Done<Option<Error>> {
        let receiver = self.receiver.unwrap_or_default().onnx()?;
        let changes = chosen.iter().map(|c| Change::new(c.tensor, c.form));
        Ok(Rewrite::new(model, &changes.collect::<Vec<_>>(), receiver).err())
    }

    /// The tensors that can have their forms; `refused` is told of the others. Halves are looked at
    /// together, since that looks at the whole graph, and few are refused.
    fn accepted(
        &self,
        model: &Onnx,
        chosen: &[Chosen],
        refused: &mut dyn FnMut(&Chosen, Error),
    ) -> Done<Vec<Chosen>> {
        match (self.refusal(model, chosen)?, chosen) {
            (None, _) => Ok(chosen.to_vec()),
            (Some(error), [alone]) => {
                refused(alone, error);
                Ok(Vec::new())
            }
            (Some(_), _) => {
                let (first, second) = chosen.split_at(chosen.len() / 2);
                let mut accepted = self.accepted(model, first, refused)?;
                accepted.extend(self.accepted(model, second, refused)?);
                Ok(accepted)
            }
        }
    }

    /// The graph, which must be ONNX.
    fn graph(&self) -> Done<Onnx> {
        match Format::of(&self.input)?.name {
            "onnx" => Ok(Onnx::open(&self.input)?),
            _ => Err(usage("ONNX is written from an ONNX file")),
        }
    }

    pub(super) fn check_onnx(&self) -> Done {
        let model = self.graph()?;
        let quantizer = Recording::default();
        self.decide(None, &model, &quantizer).map(|_| ())
    }

    pub(super) fn run_onnx(&self, console: &Console) -> Done {
        let model = self.graph()?;
        let quantizer = Recording::default();
        let Some(decided) = self.decide(Some(console), &model, &quantizer)? else {
            return Ok(());
        };
        let errors = match self.dry_run {
            true => measured(console, &model, &decided)?,
            false => {
                self.write_onnx(console, &model, &decided)?;
                quantizer.errors()
            }
        };
        let report = self.onnx_report(&model, &decided, &errors)?;
        console.result(&report, &text(&report))
    }

    /// Writes the file, and opens it again.
    fn write_onnx(&self, console: &Console, model: &Onnx, decided: &Decided<'_>) -> Done {
        console.progress("writing", &self.target.path.display().to_string(), 0, 1);
        let draft = interrupt::draft(&self.target.path)?;
        let path = draft.path();
        let written = decided.rewrite.write(model, &path);
        written.map_err(|error| Failure::while_writing(error, &path))?;
        console.clear();
        let changed: Vec<usize> = decided.chosen.iter().map(|chosen| chosen.tensor).collect();
        check_rest(model, &path, &changed)?;
        draft.publish().map_err(Failure::Output)?;
        Ok(())
    }

    fn onnx_report(&self, model: &Onnx, decided: &Decided<'_>, errors: &Errors) -> Done<Report> {
        let sizes = decided.rewrite.sizes(&self.target.path)?;
        let mut tensors = Vec::new();
        for chosen in &decided.chosen {
            let info = &model.tensors()[chosen.tensor];
            let relative = match errors.get(&info.name) {
                Some(relative) => *relative,
                None => halves(model, chosen.tensor)?,
            };
            let size = sizes
                .tensors
                .get(&chosen.tensor)
                .map_or(0, |size| size.values);
            tensors.push(line(info, chosen.name, size, relative, None));
        }
        for (&tensor, reason) in &decided.kept {
            let info = &model.tensors()[tensor];
            let last = |reason: &String| reason.rsplit(": ").next().map(str::to_owned);
            let reason = reason.as_ref().and_then(last);
            tensors.push(line(info, info.dtype.name(), info.bytes()?, 0.0, reason));
        }
        let bits: f64 = tensors.iter().map(|line| 8.0 * line.bytes as f64).sum();
        let weights: f64 = tensors.iter().map(|line| line.values as f64).sum();
        Ok(Report {
            file: (!self.dry_run).then(|| self.target.path.display().to_string()),
            bytes: sizes.files,
            bytes_before: model
                .tensors()
                .iter()
                .filter_map(|info| info.bytes().ok())
                .sum(),
            bits_per_weight: bits / f64::max(weights, 1.0),
            error: tensors.iter().map(|line| line.relative_error).sum(),
            tensors,
        })
    }
}

/// The errors that the forms make, without a file.
fn measured(console: &Console, model: &Onnx, decided: &Decided<'_>) -> Done<Errors> {
    let uses = model.uses()?;
    let mut errors = Errors::new();
    for (done, chosen) in decided.chosen.iter().enumerate() {
        let name = &model.tensors()[chosen.tensor].name;
        let total = decided.chosen.len() as u64;
        console.progress("measuring", name, done as u64, total);
        if let Some(axes) = uses[chosen.tensor].axes() {
            let error = budget::error_of(model, chosen.tensor, axes, chosen.form)?;
            errors.insert(name.clone(), error);
        }
    }
    console.clear();
    Ok(errors)
}

fn line(info: &TensorInfo, to: &'static str, bytes: u64, error: f64, note: Option<String>) -> Line {
    Line {
        name: info.name.clone(),
        from: info.dtype.name(),
        to,
        bytes,
        values: info.values(),
        relative_error: error,
        note,
    }
}

/// The values of a tensor.
fn values_of(model: &Onnx, tensor: usize) -> Result<Vec<f32>> {
    let info = &model.tensors()[tensor];
    let bytes = model.bytes(tensor)?;
    let mut read = vec![0.0; info.values()];
    values::widen_into(info.dtype, &info.name, &bytes, &mut read)?;
    Ok(read)
}

/// The relative error of half precision.
fn halves(model: &Onnx, tensor: usize) -> Result<f64> {
    let read = values_of(model, tensor)?;
    let info = &model.tensors()[tensor];
    let (mut stored, mut again) = (Vec::new(), vec![0.0; read.len()]);
    values::narrow_into(Dtype::F16, &info.name, &read, &mut stored)?;
    values::widen_into(Dtype::F16, &info.name, &stored, &mut again)?;
    Ok(Sums::of(&read, &again).relative())
}

/// Opens a written graph again. Fails unless tensors that were not to change have the same bytes.
pub(in crate::commands) fn check_rest(model: &Onnx, path: &Path, changed: &[usize]) -> Done {
    let written = Checkpoint::open(path).map_err(Failure::Output)?;
    for (index, info) in model.tensors().iter().enumerate() {
        if changed.contains(&index) {
            continue;
        }
        let place = written.position(&info.name).map_err(Failure::Output)?;
        if model.bytes(index)? != written.bytes(place).map_err(Failure::Output)? {
            let what = format!("what was written of {}", info.name);
            let error = Error::invalid(what, "other bytes", "as it was");
            return Err(Failure::Output(error));
        }
    }
    Ok(())
}
