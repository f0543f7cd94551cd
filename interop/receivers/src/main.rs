//! Reads files that `mcompress` wrote with the libraries that Rust programs use, and compares the
//! values: `receivers CASES.json`, with the cases of `../read.py` and `../graphs.py`.

#![forbid(unsafe_code)]

mod graphs;

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::process::ExitCode;

use candle_core::quantized::gguf_file::Content;
use candle_core::{DType, Device, Tensor, safetensors};
use serde::Deserialize;

use graphs::Graph;

#[derive(Deserialize)]
struct Cases {
    tensors: Vec<Case>,
    graphs: Vec<Graph>,
}

#[derive(Deserialize)]
struct Case {
    reader: String,
    /// Whether candle knows all of its types.
    candle: bool,
    file: String,
    /// A safetensors file with the same tensors as f32.
    expected: String,
}

type Tensors = HashMap<String, Tensor>;

fn main() -> ExitCode {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "cases.json".into());
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("because of: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str) -> Result<(), Box<dyn Error>> {
    let cases: Cases = serde_json::from_reader(File::open(path)?)?;
    for case in cases.tensors.into_iter().filter(|case| case.candle) {
        let found = match case.reader.as_str() {
            "gguf" => gguf(&case.file)?,
            "safetensors" => safetensors::load(&case.file, &Device::Cpu)?,
            other => return Err(format!("candle reads no {other}").into()),
        };
        let expected = safetensors::load(&case.expected, &Device::Cpu)?;
        let count = compare(&found, &expected)?;
        println!("candle: {count} tensors of {} have our values", case.file);
    }
    for graph in &cases.graphs {
        if let Some(error) = graph.check()? {
            let (receiver, file) = graph.called();
            println!(
                "{receiver}: the outputs of {file} are off by at most {error:.1e} of their range"
            );
        }
    }
    Ok(())
}

fn gguf(path: &str) -> Result<Tensors, Box<dyn Error>> {
    let mut file = File::open(path)?;
    let content = Content::read(&mut file)?;
    let mut tensors = Tensors::new();
    for name in content.tensor_infos.keys() {
        let tensor = content.tensor(&mut file, name, &Device::Cpu)?;
        tensors.insert(name.clone(), tensor.dequantize(&Device::Cpu)?);
    }
    Ok(tensors)
}

/// Fails unless both have the same tensors, bit for bit.
fn compare(found: &Tensors, expected: &Tensors) -> Result<usize, Box<dyn Error>> {
    if found.len() != expected.len() {
        return Err(format!("{} tensors, expected {}", found.len(), expected.len()).into());
    }
    for (name, want) in expected {
        let got = found
            .get(name)
            .ok_or_else(|| format!("{name} is missing"))?;
        if got.dims() != want.dims() {
            return Err(format!("{name}: {:?} and {:?}", got.dims(), want.dims()).into());
        }
        let values = |tensor: &Tensor| -> Result<Vec<u32>, candle_core::Error> {
            let flat = tensor
                .to_dtype(DType::F32)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            Ok(flat.into_iter().map(f32::to_bits).collect())
        };
        if values(got)? != values(want)? {
            return Err(format!("{name} has other values").into());
        }
    }
    Ok(expected.len())
}
