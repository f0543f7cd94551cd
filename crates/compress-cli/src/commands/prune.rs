//! `mcompress prune`: weights set to zero by their magnitude.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};
use compress_core::kernels::select::{NOfM, zero_n_of_m};
use compress_core::parameters::Parameters;
use compress_core::tensor::{Role, TensorRef, matrix_shape};
use compress_io::onnx::{Change as Rewritten, Form, Onnx, Receiver, Rewrite};
use compress_io::stream::Piece;
use compress_io::{Checkpoint, Dtype, Format, Source, TensorInfo, role};
use compress_prune::MagnitudeCut;
use serde::Serialize;

use crate::commands::quantize::check_rest;
use crate::console::Console;
use crate::encoders::{Change, encoder};
use crate::failure::{Done, Failure, usage};
use crate::input::Input;
use crate::interrupt;
use crate::patterns;
use crate::size::show;
use crate::write::Target;

/// Sets the weights of the least magnitude to zero
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("goal").required(true).args(["density", "n_m"])),
    after_help = "Examples:
  mcompress prune model.safetensors -o pruned.safetensors --density 0.5
  mcompress prune model.safetensors -o pruned.safetensors --n-m 2:4 --exclude '*embed*'

Tensors with at least two axes are pruned. Groups of N:M lie along what an output sums over. The file is as large as before, since it stores zeros like
other numbers. Types whose blocks have no exact zero, such as q4_k, cannot be pruned: give --type."
)]
pub(crate) struct Prune {
    /// The file, or a Hugging Face folder
    input: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The share of the weights that stays
    #[arg(long, value_name = "D")]
    density: Option<f64>,
    /// Whether weights are ranked across all tensors or in each
    #[arg(long, value_enum, default_value_t = Scope::Global, conflicts_with = "n_m")]
    scope: Scope,
    /// Of each M weights of a row keep N
    #[arg(long = "n-m", value_name = "N:M")]
    n_m: Option<String>,
    /// Prune only tensors that fit one of these patterns
    #[arg(long = "include", value_name = "PATTERN")]
    includes: Vec<String>,
    /// Do not prune tensors that fit one of these patterns
    #[arg(long = "exclude", value_name = "PATTERN")]
    excludes: Vec<String>,
    /// The type of the pruned tensors [default: as they are]
    #[arg(long = "type", value_name = "T")]
    dtype: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    Global,
    Tensor,
}

#[derive(Serialize)]
struct Report {
    file: String,
    bytes: u64,
    tensors: usize,
    pruned_tensors: usize,
    /// Of the weights of the pruned tensors.
    values: u64,
}

impl Report {
    fn text(&self) -> String {
        let Report {
            file,
            bytes,
            tensors,
            pruned_tensors,
            ..
        } = self;
        format!(
            "{file}: {pruned_tensors} of {tensors} tensors pruned, {}",
            show(*bytes)
        )
    }
}

/// What zeroes the values of a tensor.
enum Zeroes {
    Cuts(Vec<MagnitudeCut>),
    NOfM(NOfM),
}

/// What the groups of N:M of a tensor lie along.
struct Groups {
    /// The inputs of each output.
    length: usize,
    /// Whether these are its rows, not its columns.
    is_turned: bool,
}

/// What is done to which tensors.
struct Plan {
    input: Input,
    /// The tensors as they will be.
    types: Vec<TensorInfo>,
    /// Which of them are pruned.
    chosen: Vec<bool>,
}

impl Prune {
    fn plan(&self) -> Done<Plan> {
        self.check_options()?;
        let format = self.target.format()?;
        let n_m = self.n_m.as_deref().map(pattern).transpose()?;
        let mut input = Input::open_for(&self.input, format)?;
        if format.name == "onnx" {
            if input.checkpoint.format().name != "onnx" {
                return Err(usage("ONNX is written from an ONNX file"));
            }
            check_unquantized(&input.checkpoint)?;
            // As it is stored: half precision is not behind a `Cast` then.
            input = Input::plain(Checkpoint::open(&self.input)?);
        }
        let before = input.tensors();
        let all = self.includes.iter().chain(&self.excludes);
        patterns::check(all.map(String::as_str), &before)?;
        let chosen: Vec<bool> = before.iter().map(|info| self.is_chosen(info)).collect();
        if !chosen.contains(&true) {
            return Err(usage("no weight is left to prune"));
        }
        if input.reads.iter().any(|read| read.order.is_some()) {
            let text = "the other format orders rows in another way; prune first, and convert then";
            return Err(usage(text));
        }
        let dtype = self.dtype.as_deref().map(Dtype::by_name).transpose();
        let dtype = dtype.map_err(usage)?;
        let groups = self.groups(format)?;
        let mut types = input.usual();
        for (number, info) in types.iter_mut().enumerate().filter(|(i, _)| chosen[*i]) {
            let name = &info.name;
            if before[number].dtype == Dtype::F64 && dtype.is_none() && format.name != "onnx" {
                let text = format!("{name} is f64, which is worked on as f32; give --type f32");
                return Err(usage(text));
            }
            if let Some((_, m)) = n_m {
                let length = groups
                    .get(number)
                    .map_or(matrix_shape(&info.shape).1, |g| g.length);
                if !length.is_multiple_of(m) {
                    let text = format!(
                        "groups of {m} do not divide the {length} inputs of {name}; --exclude it"
                    );
                    return Err(usage(text));
                }
            }
            info.dtype = dtype.unwrap_or(info.dtype);
            info.bytes().map_err(usage)?;
            check_zero(info)?;
        }
        Ok(Plan {
            input,
            types,
            chosen,
        })
    }

    pub(super) fn check_options(&self) -> Done {
        self.target.format()?;
        self.n_m.as_deref().map(pattern).transpose()?;
        self.dtype
            .as_deref()
            .map(Dtype::by_name)
            .transpose()
            .map_err(usage)?;
        match self.density {
            Some(density) if !(0.0..=1.0).contains(&density) => Err(usage(format!(
                "the density is {density}, but must be from 0 to 1"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn check(&self) -> Done {
        self.plan().map(|_| ())
    }

    pub(super) fn run(self, console: &Console) -> Done {
        let Plan {
            input,
            types,
            chosen,
        } = self.plan()?;
        let before = input.tensors();
        let zeroes = self.zeroes(console, &input)?;
        if self.target.format()?.name == "onnx" {
            return self.run_onnx(console, &zeroes, &chosen);
        }
        let names: Vec<String> = input
            .reads
            .iter()
            .map(|r| input.stored_name(r).to_owned())
            .collect();
        let make = |i: usize, to: &TensorInfo| {
            let change = chosen[i].then(|| change(&zeroes, &names[i]));
            encoder(&before[i], to, change.flatten(), None)
        };
        let (tensors, pruned_tensors) = (before.len(), chosen.iter().filter(|c| **c).count());
        let of_chosen = before.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        let values = of_chosen.map(|(info, _)| info.values() as u64).sum();
        let (bytes, ()) = self
            .target
            .write(console, input, types, make, |_, _, _| Ok(()))?;
        let file = self.target.path.display().to_string();
        let report = Report {
            file,
            bytes,
            tensors,
            pruned_tensors,
            values,
        };
        console.result(&report, &report.text())
    }

    /// Of each tensor of a graph, what groups of N:M lie along; nothing of other formats.
    fn groups(&self, format: &Format) -> Done<Vec<Groups>> {
        if format.name != "onnx" || self.n_m.is_none() {
            return Ok(Vec::new());
        }
        let model = Onnx::open(&self.input)?;
        let uses = model.uses()?;
        let groups = model.tensors().iter().zip(uses).map(|(info, uses)| {
            let is_turned = uses.axes().is_some_and(|axes| axes.outputs != 0);
            match (is_turned, info.shape.as_slice()) {
                // [inputs, outputs], as of a matrix product.
                (true, [inputs, _]) => Groups {
                    length: *inputs,
                    is_turned,
                },
                (_, shape) => Groups {
                    length: matrix_shape(shape).1,
                    is_turned: false,
                },
            }
        });
        Ok(groups.collect())
    }

    /// The same graph with other values.
    fn run_onnx(&self, console: &Console, zeroes: &Zeroes, chosen: &[bool]) -> Done {
        if self.dtype.is_some() {
            return Err(usage(
                "ONNX is pruned in the types that it has; quantize it then",
            ));
        }
        let model = Onnx::open(&self.input)?;
        let groups = self.groups(self.target.format()?)?;
        let mut values = Checkpoint::open(&self.input)?;
        let (mut number, mut changes, mut changed) = (0, Vec::new(), Vec::new());
        let names: Vec<String> = model
            .tensors()
            .iter()
            .map(|info| info.name.clone())
            .collect();
        values.visit_mut(&mut |tensor| {
            while names.get(number).is_some_and(|name| name != tensor.name) {
                number += 1;
            }
            if chosen.get(number).copied().unwrap_or(false)
                && let Some(change) = change(zeroes, tensor.name)
            {
                let values = 0..tensor.values.len();
                match groups.get(number).filter(|groups| groups.is_turned) {
                    Some(groups) => {
                        let columns = groups.length;
                        let rows = tensor.values.len() / columns.max(1);
                        let mut turned = turn(tensor.values, rows);
                        change(&Piece { values, columns }, &mut turned)?;
                        tensor.values.copy_from_slice(&turn(&turned, columns));
                    }
                    None => {
                        let (_, columns) = matrix_shape(tensor.shape);
                        change(&Piece { values, columns }, tensor.values)?;
                    }
                }
                changes.push(Rewritten::new(number, Form::Values));
                changed.push(number);
            }
            Ok(())
        })?;
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).map_err(usage)?;
        let draft = interrupt::draft(&self.target.path)?;
        let path = draft.path();
        let written = rewrite.write(&values, &path);
        written.map_err(|error| Failure::while_writing(error, &path))?;
        check_rest(&model, &path, &changed)?;
        let bytes = draft.publish().map_err(Failure::Output)?;
        let of_chosen = model
            .tensors()
            .iter()
            .zip(chosen)
            .filter(|(_, chosen)| **chosen);
        let report = Report {
            file: self.target.path.display().to_string(),
            bytes,
            tensors: names.len(),
            pruned_tensors: changes.len(),
            values: of_chosen.map(|(info, _)| info.values() as u64).sum(),
        };
        console.result(&report, &report.text())
    }

    fn is_chosen(&self, info: &TensorInfo) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|p| patterns::fits(p, &info.name));
        let included = self.includes.is_empty() || fits(&self.includes);
        info.dtype.is_float() && role(info) == Role::Weight && included && !fits(&self.excludes)
    }

    fn zeroes(&self, console: &Console, input: &Input) -> Done<Zeroes> {
        let chosen = |tensor: &TensorRef<'_>| {
            let info = input
                .reads
                .iter()
                .find(|r| input.stored_name(r) == tensor.name);
            info.is_some_and(|read| self.is_chosen(&read.info))
        };
        match (&self.n_m, self.density) {
            (Some(text), _) => Ok(Zeroes::NOfM(pattern(text)?.0)),
            (None, density) => {
                let density = density.unwrap_or(1.0);
                console.progress("ranking", "weights by magnitude", 0, 1);
                let cuts = match self.scope {
                    Scope::Global => MagnitudeCut::global(&input.checkpoint, density, &chosen),
                    Scope::Tensor => MagnitudeCut::per_tensor(&input.checkpoint, density, &chosen),
                };
                Ok(Zeroes::Cuts(cuts.map_err(usage)?))
            }
        }
    }
}

/// Fails where weights of a graph are codes already: zeros among them would be others than asked for.
fn check_unquantized(checkpoint: &Checkpoint) -> Done {
    for (index, info) in checkpoint.tensors().iter().enumerate() {
        let (stored, _) = checkpoint.stored(index)?;
        if stored != info.dtype {
            let text = format!(
                "{} is stored as {stored}; prune first, and quantize then",
                info.name
            );
            return Err(usage(text));
        }
    }
    Ok(())
}

/// Reads `N:M`, and gives M too. It divides 256, so that no group is cut.
fn pattern(text: &str) -> Done<(NOfM, usize)> {
    let wrong = || {
        usage(format!(
            "--n-m {text:?} is not of the form N:M, such as 2:4"
        ))
    };
    let (n, m) = text.split_once(':').ok_or_else(wrong)?;
    let (n, m) = (
        n.parse().map_err(|_| wrong())?,
        m.parse().map_err(|_| wrong())?,
    );
    let pattern = NOfM::new(n, m).map_err(usage)?;
    match m > 0 && 256_usize.is_multiple_of(m) {
        true => Ok((pattern, m)),
        false => Err(usage(format!("M is {m}, but must divide 256"))),
    }
}

/// Fails where a type has no exact zero.
fn check_zero(info: &TensorInfo) -> Done {
    let mut values: [f32; 256] = std::array::from_fn(|i| (i as f32 - 100.3) / 128.0);
    values[1] = 0.0;
    let to = TensorInfo::new(&info.name, info.dtype, [256]);
    let mut bytes = Vec::new();
    let mut again = [0.5; 256];
    let stored = crate::encoders::store(&to, &values, None, &mut bytes)
        .and_then(|()| compress_io::values::widen_into(info.dtype, &info.name, &bytes, &mut again));
    stored.map_err(usage)?;
    match again[1] == 0.0 {
        true => Ok(()),
        false => {
            let (name, dtype) = (&info.name, info.dtype);
            let text =
                format!("{name} is {dtype}, which has no exact zero; give --type f16 or q8_0");
            Err(usage(text))
        }
    }
}

/// A matrix with so many columns, transposed.
fn turn(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |c| values.iter().skip(c).step_by(columns.max(1)).copied();
    (0..columns).flat_map(column).collect()
}

/// What zeroes the values of one tensor.
fn change<'a>(zeroes: &'a Zeroes, name: &str) -> Option<Change<'a>> {
    match zeroes {
        Zeroes::Cuts(cuts) => {
            let cut = cuts.iter().find(|cut| cut.tensor == name)?;
            Some(Box::new(|piece, values| {
                cut.apply(piece.values.start, values);
                Ok(())
            }))
        }
        // The values are whole rows, or a part of one.
        Zeroes::NOfM(pattern) => Some(Box::new(|piece, values| {
            zero_n_of_m(values, piece.columns.min(values.len()), *pattern)
        })),
    }
}
