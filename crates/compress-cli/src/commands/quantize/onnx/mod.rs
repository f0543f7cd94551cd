//! ONNX: weights of a graph with fewer bits, each in the form that the receiver runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use compress_core::Result;
use compress_io::onnx::{Change, Codes, Form, Onnx, Quantizer, Rewrite, RoundToNearest, Weight};
use compress_io::{Checkpoint, Format, Source, TensorInfo};

use super::{Line, Quantize, Report, text};
use crate::console::Console;
use crate::errors::Sums;
use crate::failure::{Done, Failure, usage};
use crate::interrupt;
use crate::patterns;

/// The forms by name.
const FORMS: [&str; 3] = ["f16", "int8", "int4"];

/// A form, and its name.
type NamedForm = (&'static str, Form);

/// A tensor and the form that it gets.
struct Chosen {
    tensor: usize,
    form: Form,
    /// As it was asked for.
    name: &'static str,
}

/// Quantizes with the errors that it makes written down.
#[derive(Default)]
struct Recording {
    sums: Mutex<BTreeMap<String, Sums>>,
}

impl Quantizer for Recording {
    fn quantize(&self, weight: &Weight<'_>) -> Result<Codes> {
        let made = RoundToNearest::default().quantize(weight)?;
        let back = made
            .codes
            .iter()
            .enumerate()
            .map(|(i, &code)| f32::from(code) * made.scales[weight.layout.scale_of(i)]);
        let sums = Sums::of(weight.values, &back.collect::<Vec<f32>>());
        if let Ok(mut all) = self.sums.lock() {
            all.insert(weight.name.to_owned(), sums);
        }
        Ok(made)
    }
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

    /// The form of weights without a rule, and the rules.
    fn forms(&self) -> Done<(NamedForm, Vec<(&str, NamedForm)>)> {
        let Some(usual) = &self.dtype else {
            return Err(usage("ONNX takes --type; sizes are not solved for here"));
        };
        if self.importance.is_some() {
            return Err(usage("--importance is for the block types of GGUF"));
        }
        self.receiver.unwrap_or_default().onnx()?;
        let usual = self.form(usual)?;
        let sets = self.sets.iter().map(|set| match set.rsplit_once('=') {
            Some((pattern, name)) => Ok((pattern, self.form(name)?)),
            None => Err(usage(format!(
                "--set {set:?} is not of the form PATTERN=TYPE"
            ))),
        });
        Ok((usual, sets.collect::<Done<_>>()?))
    }

    pub(super) fn check_onnx_options(&self) -> Done {
        self.forms().map(|_| ())
    }

    /// Which tensors get which form.
    fn choose(&self, model: &Onnx) -> Done<Vec<Chosen>> {
        let (usual, sets) = self.forms()?;
        let tensors = model.tensors();
        let all = sets.iter().map(|(pattern, _)| *pattern);
        patterns::check(all.chain(self.keeps.iter().map(String::as_str)), tensors)?;
        let mut chosen = Vec::new();
        for (tensor, (info, uses)) in tensors.iter().zip(model.uses()?).enumerate() {
            let set = sets
                .iter()
                .rev()
                .find(|(pattern, _)| patterns::fits(pattern, &info.name));
            let keep = self
                .keeps
                .iter()
                .any(|pattern| patterns::fits(pattern, &info.name));
            let is_weight = info.dtype == compress_io::Dtype::F32 && uses.axes().is_some();
            let (name, form) = match set {
                Some((_, form)) => *form,
                None if keep || !is_weight => continue,
                None => usual,
            };
            chosen.push(Chosen { tensor, form, name });
        }
        match chosen.is_empty() {
            true => Err(usage("there is no weight to quantize")),
            false => Ok(chosen),
        }
    }

    /// The same without those that a rewrite refuses, where nobody asked for them by name; with the
    /// reasons.
    fn accepted<'a>(
        &self,
        model: &'a Onnx,
        chosen: Vec<Chosen>,
        quantizer: &'a Recording,
    ) -> Done<(Rewrite<'a>, Vec<Chosen>, BTreeMap<usize, String>)> {
        let receiver = self.receiver.unwrap_or_default().onnx()?;
        let change = |c: &Chosen| Change::new(c.tensor, c.form).by(quantizer);
        let (mut accepted, mut refused) = (Vec::new(), BTreeMap::new());
        for chosen in chosen {
            let name = &model.tensors()[chosen.tensor].name;
            let is_named = self.sets.iter().any(|set| {
                set.rsplit_once('=')
                    .is_some_and(|(pattern, _)| patterns::fits(pattern, name))
            });
            match Rewrite::new(model, &[change(&chosen)], receiver) {
                Ok(_) => accepted.push(chosen),
                Err(error) if is_named => return Err(usage(error)),
                Err(error) => {
                    refused.insert(chosen.tensor, error.to_string());
                }
            }
        }
        let changes: Vec<Change<'a>> = accepted.iter().map(change).collect();
        let rewrite = Rewrite::new(model, &changes, receiver).map_err(usage)?;
        match accepted.is_empty() {
            true => Err(usage(refused.into_values().next().unwrap_or_default())),
            false => Ok((rewrite, accepted, refused)),
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
        self.accepted(&model, self.choose(&model)?, &quantizer)
            .map(|_| ())
    }

    pub(super) fn run_onnx(&self, console: &Console) -> Done {
        let model = self.graph()?;
        let quantizer = Recording::default();
        let (rewrite, chosen, refused) = self.accepted(&model, self.choose(&model)?, &quantizer)?;
        console.progress("writing", &self.target.path.display().to_string(), 0, 1);
        // A dry run writes as well, but elsewhere.
        let target = match (self.dry_run, self.target.path.file_name()) {
            (true, Some(name)) => std::env::temp_dir().join(name),
            _ => self.target.path.clone(),
        };
        let draft = interrupt::draft(&target)?;
        let path = draft.path();
        let written = rewrite.write(&model, &path);
        written.map_err(|error| Failure::while_writing(error, &path))?;
        console.clear();
        let changed: Vec<usize> = chosen.iter().map(|chosen| chosen.tensor).collect();
        check_rest(&model, &path, &changed)?;
        let bytes = match self.dry_run {
            true => length(&path)?,
            false => draft.publish().map_err(Failure::Output)?,
        };
        let sums = quantizer.sums.into_inner().unwrap_or_default();
        let report = self.onnx_report(&model, &chosen, &refused, &sums, bytes)?;
        console.result(&report, &text(&report))
    }

    fn onnx_report(
        &self,
        model: &Onnx,
        chosen: &[Chosen],
        refused: &BTreeMap<usize, String>,
        sums: &BTreeMap<String, Sums>,
        bytes: u64,
    ) -> Done<Report> {
        let (mut tensors, mut bits, mut weights, mut error) = (Vec::new(), 0.0, 0.0, 0.0);
        let axes = model.uses()?.into_iter().map(|uses| uses.axes());
        let outputs: Vec<usize> = axes
            .zip(model.tensors())
            .map(|(axes, info)| axes.map_or(1, |axes| info.shape[axes.outputs]))
            .collect();
        for chosen in chosen {
            let info = &model.tensors()[chosen.tensor];
            let relative = match sums.get(&info.name) {
                Some(sums) => sums.relative(),
                None => halves(model, chosen.tensor)?,
            };
            let size = match chosen.form {
                Form::F16 | Form::Values => 2 * info.values() as u64,
                // Codes, and a scale of 4 bytes for each output or block.
                Form::Int8 => (info.values() + 4 * outputs[chosen.tensor]) as u64,
                Form::Int4 { block } => (info.values() / 2 + 4 * info.values() / block) as u64,
            };
            bits += 8.0 * size as f64;
            weights += info.values() as f64;
            error += relative;
            tensors.push(line(info, chosen.name, size, relative, None));
        }
        for (&tensor, reason) in refused {
            let info = &model.tensors()[tensor];
            let reason = reason.rsplit(": ").next().unwrap_or(reason).to_owned();
            tensors.push(line(
                info,
                info.dtype.name(),
                info.bytes()?,
                0.0,
                Some(reason),
            ));
        }
        Ok(Report {
            file: (!self.dry_run).then(|| self.target.path.display().to_string()),
            bytes,
            bytes_before: model
                .tensors()
                .iter()
                .filter_map(|info| info.bytes().ok())
                .sum(),
            bits_per_weight: bits / f64::max(weights, 1.0),
            error,
            tensors,
        })
    }
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

/// The relative error of half precision.
fn halves(model: &Onnx, tensor: usize) -> Done<f64> {
    let info = &model.tensors()[tensor];
    let mut values = vec![0.0; info.values()];
    let bytes = model.bytes(tensor)?;
    compress_io::values::widen_into(info.dtype, &info.name, &bytes, &mut values)?;
    let to = TensorInfo::new(&info.name, compress_io::Dtype::F16, info.shape.clone());
    let (mut stored, mut again) = (Vec::new(), vec![0.0; values.len()]);
    crate::encoders::store(&to, &values, None, &mut stored)?;
    compress_io::values::widen_into(to.dtype, &to.name, &stored, &mut again)?;
    Ok(Sums::of(&values, &again).relative())
}

fn length(path: &Path) -> Done<u64> {
    let read = std::fs::metadata(path).map_err(|source| {
        let path = path.to_owned();
        Failure::Output(compress_core::Error::Io { path, source })
    });
    Ok(read?.len())
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
            let error = compress_core::Error::invalid(what, "other bytes", "as it was");
            return Err(Failure::Output(error));
        }
    }
    Ok(())
}
