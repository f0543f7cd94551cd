//! `mcompress prune`: weights set to zero by their magnitude.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};
use compress_core::kernels::select::{NOfM, zero_n_of_m};
use compress_core::parameters::Parameters;
use compress_core::tensor::{Role, TensorRef, matrix_shape};
use compress_io::onnx::{Change as Rewritten, Form, Onnx, Receiver, Rewrite};
use compress_io::stream::Piece;
use compress_io::{Checkpoint, Draft, Dtype, Source, TensorInfo, role};
use compress_prune::MagnitudeCut;
use serde::Serialize;

use crate::console::Console;
use crate::encoders::{Change, encoder};
use crate::failure::{Done, Failure, usage};
use crate::input::Input;
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

Tensors with at least two axes are pruned. The file is as large as before, since it stores zeros like
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
        self.target.format()?;
        self.n_m.as_deref().map(pattern).transpose()?;
        let input = Input::open(&self.input)?;
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
        let mut types = before;
        for (info, _) in types.iter_mut().zip(&chosen).filter(|(_, chosen)| **chosen) {
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
        let bytes = self.target.write(console, input, types, make)?;
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

    /// The same graph with other values.
    fn run_onnx(&self, console: &Console, zeroes: &Zeroes, chosen: &[bool]) -> Done {
        if self.dtype.is_some() {
            return Err(usage(
                "ONNX is pruned in the types that it has; quantize it then",
            ));
        }
        let model = Onnx::open(&self.input)?;
        let mut values = Checkpoint::open(&self.input)?;
        let (mut number, mut changes) = (0, Vec::new());
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
                let (_, columns) = matrix_shape(tensor.shape);
                let values = 0..tensor.values.len();
                change(&Piece { values, columns }, tensor.values)?;
                changes.push(Rewritten::new(number, Form::Values));
            }
            Ok(())
        })?;
        let rewrite = Rewrite::new(&model, &changes, Receiver::OnnxRuntime).map_err(usage)?;
        let draft = Draft::new(&self.target.path).map_err(Failure::Output)?;
        let path = draft.path();
        let written = rewrite.write(&values, &path);
        written.map_err(|error| Failure::while_writing(error, &path))?;
        Checkpoint::open(&path).map_err(Failure::Output)?;
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
            (Some(text), _) => Ok(Zeroes::NOfM(pattern(text)?)),
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

/// Reads `N:M`. M divides 256, so that no group is cut.
fn pattern(text: &str) -> Done<NOfM> {
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
        true => Ok(pattern),
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
