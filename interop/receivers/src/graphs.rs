//! Runs graphs with rten and tract, and compares what they give.

use std::error::Error;

use candle_core::{Device, safetensors};
use rten::ValueOrView;
use rten_tensor::prelude::*;
use serde::Deserialize;
use tract_onnx::prelude::*;

/// How far outputs may be from those of the same graph in f32, in parts of their range.
const TOLERANCE: f32 = 1e-4;

/// A graph with weights in fewer bits.
#[derive(Deserialize)]
pub(crate) struct Graph {
    receiver: String,
    file: String,
    /// A safetensors file with the only input, `input`, and the outputs `output.0`, `output.1`, … of the
    /// same graph in f32.
    outputs: String,
}

/// An array: its shape, and its values.
type Array = (Vec<usize>, Vec<f32>);

impl Graph {
    /// Runs it, where its receiver is one of Rust's. Gives the largest error in parts of the range.
    pub(crate) fn check(&self) -> Result<Option<f32>, Box<dyn Error>> {
        let run = match self.receiver.as_str() {
            "rten" => rten,
            "tract" => tract,
            _ => return Ok(None),
        };
        let known = safetensors::load(&self.outputs, &Device::Cpu)?;
        let read = |name: &str| -> Result<Array, Box<dyn Error>> {
            let tensor = known
                .get(name)
                .ok_or_else(|| format!("{name} is missing"))?;
            Ok((tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?))
        };
        let found = run(&self.file, read("input")?)?;
        if found.len() + 1 != known.len() {
            return Err(format!("{} outputs, expected {}", found.len(), known.len() - 1).into());
        }
        let mut largest = 0.0_f32;
        for (number, (shape, values)) in found.into_iter().enumerate() {
            let (expected_shape, expected) = read(&format!("output.{number}"))?;
            if shape != expected_shape {
                return Err(format!("output {number}: {shape:?} and {expected_shape:?}").into());
            }
            let error = error(&values, &expected);
            if error.is_nan() || error > TOLERANCE {
                let reason = format!("output {number} is off by {error} of its range");
                return Err(format!("{} of {}: {reason}", self.receiver, self.file).into());
            }
            largest = largest.max(error);
        }
        Ok(Some(largest))
    }

    pub(crate) fn called(&self) -> (&str, &str) {
        (&self.receiver, &self.file)
    }
}

/// The largest error in parts of the range of what is expected; NaN where a value is.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    let (mut least, mut most, mut error) = (f32::INFINITY, f32::NEG_INFINITY, 0.0_f32);
    for (found, expected) in found.iter().zip(expected) {
        (least, most) = (least.min(*expected), most.max(*expected));
        let off = (found - expected).abs();
        if off.is_nan() {
            return off;
        }
        error = error.max(off);
    }
    error / (most - least)
}

fn rten(file: &str, (shape, values): Array) -> Result<Vec<Array>, Box<dyn Error>> {
    let model = rten::Model::load_file(file)?;
    let input = rten_tensor::Tensor::from_data(&shape, values);
    let input = vec![(model.input_ids()[0], ValueOrView::from(&input))];
    let outputs = model.run(input, model.output_ids(), None)?;
    let read = |value: rten::Value| -> Result<Array, Box<dyn Error>> {
        let tensor: rten_tensor::Tensor<f32> = value.try_into()?;
        Ok((tensor.shape().to_vec(), tensor.to_vec()))
    };
    outputs.into_iter().map(read).collect()
}

fn tract(file: &str, (shape, values): Array) -> Result<Vec<Array>, Box<dyn Error>> {
    let fact = InferenceFact::from(f32::fact(&shape));
    // What files say of shapes has names where the input has numbers.
    let reader = tract_onnx::onnx().with_ignore_value_info(true);
    let reader = reader.with_ignore_output_shapes(true);
    let model = reader.model_for_path(file)?.with_input_fact(0, fact)?;
    let model = model.into_optimized()?.into_runnable()?;
    let input = Tensor::from_shape(&shape, &values)?;
    let outputs = model.run(tvec![input.into_tvalue()])?;
    let read = |value: TValue| -> Result<Array, Box<dyn Error>> {
        let view = value.to_plain_array_view::<f32>()?;
        Ok((view.shape().to_vec(), view.iter().copied().collect()))
    };
    outputs.into_iter().map(read).collect()
}
