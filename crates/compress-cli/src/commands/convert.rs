//! `mcompress convert`: the same tensors in another file.

use std::path::PathBuf;

use compress_io::{Dtype, Format, TensorInfo};
use serde::Serialize;

use crate::console::Console;
use crate::encoders::encoder;
use crate::failure::{Done, usage};
use crate::input::Input;
use crate::size::show;
use crate::write::Target;

/// Writes the same tensors into a file of another format, or as f16, bf16 or f32
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress convert model.safetensors -o half.safetensors --type bf16
  mcompress convert model.gguf -o model.safetensors
  mcompress convert folder -o model.gguf

A Hugging Face folder becomes a GGUF file with its configuration and tokenizer, for the architectures
llama, qwen2 and bert; GGUF becomes safetensors with Hugging Face's names. Metadata goes along, as far
as the other format has a place for it. For fewer bits, see quantize.")]
pub(crate) struct Convert {
    /// The file, or a Hugging Face folder
    input: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The type of tensors of real numbers: f32, f16, bf16, f64 [default: as they are]
    #[arg(long = "type", value_name = "T")]
    dtype: Option<String>,
    /// Keep names and rows as they are, though the other format has others for language models
    #[arg(long)]
    keep_names: bool,
}

#[derive(Serialize)]
struct Report {
    file: String,
    tensors: usize,
    bytes: u64,
}

impl Convert {
    /// The type of real numbers, if another is asked for, and the format.
    fn options(&self) -> Done<(Option<Dtype>, &'static Format)> {
        let format = self.target.format()?;
        if format.name == "onnx" {
            let text = "ONNX is written from an ONNX file, by quantize or prune";
            return Err(usage(text));
        }
        let dtype = self.dtype.as_deref().map(Dtype::by_name).transpose();
        let dtype = dtype.map_err(usage)?;
        match dtype {
            None | Some(Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) => Ok((dtype, format)),
            Some(Dtype::Block(format)) => {
                let text = format!("{} is made by quantize, not by convert", format.name());
                Err(usage(text))
            }
            Some(other) => {
                let text = format!("real numbers become f64, f32, f16 or bf16, not {other}");
                Err(usage(text))
            }
        }
    }

    /// The checkpoint, and its tensors as they will be.
    fn plan(&self) -> Done<(Input, Vec<TensorInfo>)> {
        let (dtype, format) = self.options()?;
        let input = match self.keep_names {
            true => Input::open(&self.input)?,
            false => Input::open_for(&self.input, format)?,
        };
        let mut types = input.usual();
        // llama.cpp wants vectors in f32.
        let fixed = |info: &TensorInfo| format.name == "gguf" && info.shape.len() < 2;
        for info in types
            .iter_mut()
            .filter(|info| info.dtype.is_float() && !fixed(info))
        {
            info.dtype = dtype.unwrap_or(info.dtype);
        }
        Ok((input, types))
    }

    pub(super) fn check_options(&self) -> Done {
        self.options().map(|_| ())
    }

    pub(super) fn check(&self) -> Done {
        self.plan().map(|_| ())
    }

    pub(super) fn run(self, console: &Console) -> Done {
        let (input, types) = self.plan()?;
        let (before, tensors) = (input.tensors(), types.len());
        let make = |i: usize, to: &TensorInfo| encoder(&before[i], to, None, None);
        let (bytes, ()) = self
            .target
            .write(console, input, types, make, |_, _, _| Ok(()))?;
        let file = self.target.path.display().to_string();
        let text = format!("{file}: {tensors} tensors, {}", show(bytes));
        let report = Report {
            file,
            tensors,
            bytes,
        };
        console.result(&report, &text)
    }
}
