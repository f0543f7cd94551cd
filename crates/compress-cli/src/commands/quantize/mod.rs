//! `mcompress quantize`: weights with fewer bits.

mod budget;
mod onnx;
mod plan;
mod solve;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ArgGroup;
use compress_core::tensor::Role;
use compress_io::gguf::{Mixture, file_type};
use compress_io::metadata::{self, Value};
use compress_io::stream::{How, Step};
use compress_io::{Checkpoint, Dtype, Format, Importance, TensorInfo, role};
use serde::Serialize;

use crate::console::Console;
use crate::encoders::encoder;
use crate::errors::{Side, compare};
use crate::failure::{Done, usage};
use crate::input::Input;
use crate::receiver::Receiver;
use crate::size::{self, show, thousands};
use crate::table::{self, table};
use crate::write::Target;
use budget::{Goal, Measure};
pub(super) use onnx::check_rest;
use plan::{Choice, Rules};

/// Writes weights with fewer bits: of one type, or of types chosen for a size
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("goal").required(true).args(["dtype", "target_size", "bits_per_weight"])),
    after_help = "Examples:
  mcompress quantize model.gguf -o small.gguf --type q4_k --set 'output.weight=q6_k'
  mcompress quantize model.gguf -o small.gguf --target-size 80MB --dry-run
  mcompress quantize model.onnx -o small.onnx --type int8 --receiver rten
  mcompress quantize model.onnx -o small.onnx --target-size 5MB --set '*embed*=f16'
  mcompress quantize folder -o small.gguf --type Q4_K_M --importance imatrix.gguf

Tensors with one axis and those that fit --keep stay as they are. Where the blocks of a type do not
divide the rows of a tensor, the next type with smaller blocks is taken, as llama.cpp does it.

Of ONNX the weights of convolutions, matrix products and recurrent layers become f16, int8 with a scale
for each output, or int4 in blocks, in the form that the receiver runs [default: onnxruntime]. Those
that this would not make smaller stay.

With --target-size or --bits-per-weight the type of each tensor is chosen such that the sum of the
relative squared errors is the least. The errors are measured on up to a million values of each
tensor, in rows at equal distances, or on all with --exact; of ONNX always on all."
)]
pub(crate) struct Quantize {
    /// The file, or a Hugging Face folder
    input: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The type of all weights, such as q4_k, q8_0, f16, or a mixture of llama.cpp's, such as Q4_K_M
    #[arg(long = "type", value_name = "T")]
    dtype: Option<String>,
    /// Choose types such that the file has at most this size
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    target_size: Option<u64>,
    /// Choose types such that weights have at most so many bits on average
    #[arg(long, value_name = "BITS")]
    bits_per_weight: Option<f64>,
    /// The type of tensors that fit a pattern; of several that fit the last counts
    #[arg(long = "set", value_name = "PATTERN=TYPE")]
    sets: Vec<String>,
    /// Tensors that stay as they are
    #[arg(long = "keep", value_name = "PATTERN")]
    keeps: Vec<String>,
    /// Values that share a scale in int4 of ONNX
    #[arg(long, value_name = "N", default_value_t = 32)]
    block: usize,
    /// The program that will load the file: only types and forms that it reads are written
    #[arg(long, value_enum)]
    receiver: Option<Receiver>,
    /// How much columns matter: llama.cpp's imatrix, or a file with a tensor of as many values for
    /// each weight
    #[arg(long, value_name = "FILE")]
    importance: Option<PathBuf>,
    /// Measure errors on all values when types are chosen
    #[arg(long)]
    exact: bool,
    /// Show the plan with sizes and errors, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Report {
    file: Option<String>,
    bytes: u64,
    bytes_before: u64,
    bits_per_weight: f64,
    /// The sum over the quantized weights of squared error relative to energy.
    error: f64,
    tensors: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    from: &'static str,
    to: &'static str,
    bytes: u64,
    values: usize,
    relative_error: f64,
    note: Option<String>,
}

/// Where GGUF says which type most of its weights have.
const FILE_TYPE: &str = "general.file_type";

impl Quantize {
    pub(super) fn check_options(&self) -> Done {
        let format = self.target.format()?;
        if let Some(bits) = self
            .bits_per_weight
            .filter(|bits| bits.is_nan() || *bits <= 0.0)
        {
            let text = format!("{bits} bits per weight are none that can be had");
            return Err(usage(text));
        }
        if format.name == "onnx" {
            return self.check_onnx_options();
        }
        plan::read(&self.sets)?;
        if let Some(name) = &self.dtype
            && Mixture::by_name(name).is_none()
        {
            plan::named(name)?;
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Done {
        self.check_options()?;
        let format = self.target.format()?;
        if format.name == "onnx" {
            return self.check_onnx();
        }
        let input = Input::open_for(&self.input, format)?;
        let tensors = input.tensors();
        let rules = Rules::new(&self.sets, &self.keeps, &tensors, format)?;
        self.measure(&tensors, format)?;
        match &self.dtype {
            Some(name) => self.check_receiver(&rules.uniform(&input, name)?),
            None => Ok(()),
        }
    }

    pub(super) fn run(self, console: &Console) -> Done {
        self.check_options()?;
        let format = self.target.format()?;
        if format.name == "onnx" {
            return self.run_onnx(console);
        }
        let mut input = Input::open_for(&self.input, format)?;
        let before = input.tensors();
        let rules = Rules::new(&self.sets, &self.keeps, &before, format)?;
        let measure = self.measure(&before, format)?;
        let goal = match (self.target_size, self.bits_per_weight) {
            (Some(bytes), _) => Goal::File { bytes, format },
            (None, bits) => Goal::Bits(bits.unwrap_or_default()),
        };
        if format.name == "gguf" {
            // Which number it is follows from the choice, and its room in the header counts before.
            metadata::set(&mut input.metadata, FILE_TYPE, Value::U32(0));
        }
        let choices = match &self.dtype {
            Some(name) => rules.uniform(&input, name)?,
            None => budget::choose(console, &input, &rules, goal, &measure)?,
        };
        self.check_receiver(&choices)?;
        let types: Vec<_> = choices.iter().map(|choice| choice.info.clone()).collect();
        if format.name == "gguf" {
            let mixture = self.dtype.as_deref().and_then(Mixture::by_name);
            let number = match mixture {
                Some(mixture) => mixture.number,
                None => file_type(most(&types)).map_err(usage)?,
            };
            metadata::set(&mut input.metadata, FILE_TYPE, Value::U32(number));
        }
        let size = format.size(&input.plan(types.clone())).map_err(usage)?;
        if self.dry_run {
            let errors = budget::errors_of(console, &input, &choices, &measure)?;
            let report = report(None, size, &before, &choices, &errors)?;
            return console.result(&report, &text(&report));
        }
        let weights: compress_core::Result<Vec<_>> = before
            .iter()
            .map(|info| measure.importance_of(info))
            .collect();
        let weights = weights?;
        let make = |i: usize, to: &_| encoder(&before[i], to, None, weights[i]);
        let names: Vec<String> = types.iter().map(|info| info.name.clone()).collect();
        let errors_of = |from: &Checkpoint, steps: &[Step<'_>], written: &Checkpoint| {
            measured(console, from, steps, written, &measure)
        };
        let written = self.target.write(console, input, types, make, errors_of)?;
        let (bytes, by_name) = written;
        let errors: Vec<f64> = names
            .iter()
            .map(|name| by_name.get(name).copied().unwrap_or(0.0))
            .collect();
        let file = Some(self.target.path.display().to_string());
        let report = report(file, bytes, &before, &choices, &errors)?;
        console.result(&report, &text(&report))
    }
}

/// The type that most values have.
fn most(types: &[TensorInfo]) -> Dtype {
    let count = |dtype: Dtype| -> usize {
        let same = types.iter().filter(|info| info.dtype == dtype);
        same.map(TensorInfo::values).sum()
    };
    let all = types
        .iter()
        .map(|info| info.dtype)
        .filter(|dtype| dtype.is_float());
    all.max_by_key(|dtype| count(*dtype)).unwrap_or(Dtype::F32)
}

/// The errors of the written tensors by name, by decoding them.
fn measured(
    console: &Console,
    from: &Checkpoint,
    steps: &[Step<'_>],
    written: &Checkpoint,
    measure: &Measure,
) -> Done<BTreeMap<String, f64>> {
    let mut errors = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let How::Copy = step.how {
            continue;
        }
        let before = Side {
            checkpoint: from,
            index: step.from,
            order: step.order.as_ref(),
        };
        let after = Side {
            checkpoint: written,
            index,
            order: None,
        };
        let sums = compare(before, after, measure.importance_of(&step.to)?)?;
        errors.insert(step.to.name.clone(), sums.relative());
        console.progress("measuring", &step.to.name, index as u64, steps.len() as u64);
    }
    console.clear();
    Ok(errors)
}

impl Quantize {
    fn check_receiver(&self, choices: &[Choice]) -> Done {
        match self.receiver {
            Some(receiver) => receiver.check(choices.iter().map(|choice| &choice.info)),
            None => Ok(()),
        }
    }

    /// How errors are measured. Fails where a file of importance is given that knows no tensor.
    fn measure(&self, tensors: &[TensorInfo], format: &'static Format) -> Done<Measure> {
        let importance = self
            .importance
            .as_deref()
            .map(Importance::open)
            .transpose()?;
        let known = |importance: &Importance| {
            tensors
                .iter()
                .any(|info| importance.names().any(|name| name == info.name))
        };
        if let (Some(importance), Some(path)) = (&importance, &self.importance)
            && !known(importance)
        {
            let name = importance.names().next().unwrap_or("none");
            let path = path.display();
            let text = format!("{path} knows none of the tensors; its first name is {name}");
            return Err(usage(text));
        }
        let exact = self.exact;
        let receiver = self.receiver;
        Ok(Measure {
            format,
            exact,
            importance,
            receiver,
        })
    }
}

fn report(
    file: Option<String>,
    bytes: u64,
    before: &[TensorInfo],
    choices: &[Choice],
    errors: &[f64],
) -> Done<Report> {
    let mut tensors = Vec::new();
    let (mut bits, mut weights, mut error, mut bytes_before) = (0.0, 0.0, 0.0, 0);
    for ((before, choice), relative) in before.iter().zip(choices).zip(errors) {
        let size = choice.info.bytes()?;
        bytes_before += before.bytes()?;
        if role(before) == Role::Weight && before.dtype.is_float() {
            bits += 8.0 * size as f64;
            weights += before.values() as f64;
            error += relative;
        }
        tensors.push(Line {
            name: choice.info.name.clone(),
            from: before.dtype.name(),
            to: choice.info.dtype.name(),
            bytes: size,
            values: before.values(),
            relative_error: *relative,
            note: choice.note.clone(),
        });
    }
    Ok(Report {
        file,
        bytes,
        bytes_before,
        bits_per_weight: bits / f64::max(weights, 1.0),
        error,
        tensors,
    })
}

fn text(report: &Report) -> String {
    use table::Side::{Left, Right};
    let heads = [
        ("tensor", Left),
        ("from", Left),
        ("to", Left),
        ("bytes", Right),
        ("error", Right),
        ("", Left),
    ];
    let rows: Vec<Vec<String>> = report
        .tensors
        .iter()
        .map(|line| {
            let error = match line.from == line.to {
                true => String::new(),
                false => format!("{:.6}", line.relative_error),
            };
            vec![
                line.name.clone(),
                line.from.to_owned(),
                line.to.to_owned(),
                thousands(line.bytes),
                error,
                line.note.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let file = report.file.as_deref().unwrap_or("the file would have");
    format!(
        "{}\n{file}: {} (tensors before: {}), {:.3} bits per weight, sum of relative errors {:.6}\n",
        table(&heads, &rows),
        show(report.bytes),
        show(report.bytes_before),
        report.bits_per_weight,
        report.error,
    )
}
