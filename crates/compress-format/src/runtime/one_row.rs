//! Single rows through a model whose layers are all small and of whole numbers: straight from the
//! file's codes, without blocks, views or copies between layers.

use super::weight::{SMALL, whole_codes};
use crate::artifact::Artifact;
use compress_core::Result;
use compress_core::chain::{Activation, Architecture, SharedFront};
use compress_core::isa::Isa;
use compress_core::kernels::code_rows::{CodeRows, Form};
use compress_core::kernels::reduce;

#[cfg(test)]
mod tests;

/// Inputs up to this cannot overflow in a model that has passed [`overflows`]. Rows with larger
/// inputs take the general way.
const LARGEST_INPUT: f32 = 65_536.0;
/// What sums may come to: far below the largest float.
const LARGEST_SUM: f64 = 1e37;

/// All layers of a model, laid out for one row.
#[derive(Clone, Debug)]
pub(super) struct OneRow {
    front: Option<SharedFront>,
    layers: Vec<(CodeRows, bool)>,
}

/// The buffers of a row.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl OneRow {
    /// None where a layer is not of whole numbers, or too large, or could overflow.
    pub(super) fn new(artifact: &Artifact) -> Result<Option<Self>> {
        let architecture = &artifact.architecture;
        let (mut inputs, mut width) = (read(architecture), architecture.selectable());
        let gain = architecture
            .front
            .as_ref()
            .map_or(1.0, |front| front.gain());
        let mut bound = f64::from(LARGEST_INPUT * gain);
        let mut layers = Vec::new();
        for (spec, weight, bias) in artifact.layers() {
            let (Some(codes), bias) = (whole_codes(weight), bias.values()?) else {
                return Ok(None);
            };
            let relu = match spec.activation {
                Activation::Relu => true,
                Activation::Identity => false,
                _ => return Ok(None),
            };
            let (n, k) = (spec.outputs, spec.inputs);
            let kept = codes.iter().filter(|code| **code != 0).count();
            let form = Form::of(n, k, kept);
            if form.stored(n, k, kept) > SMALL
                || width.max(n) > usize::from(u16::MAX)
                || overflows(&codes, &bias, &mut bound)
            {
                return Ok(None);
            }
            let rows = CodeRows::new(form, &codes, &bias, &inputs, width)?;
            (inputs, width) = (rows.places().to_vec(), rows.outputs());
            layers.push((rows, relu));
        }
        Ok(Some(OneRow {
            front: architecture.front.clone(),
            layers,
        }))
    }

    /// Buffers that need not grow.
    pub(super) fn buffers(&self) -> Buffers {
        let outputs = self.layers.iter().map(|(rows, _)| rows.outputs());
        let front = self.front.as_ref().map_or(0, |front| front.outputs());
        let widest = outputs.max().unwrap_or(0).max(front);
        Buffers {
            x: Vec::with_capacity(widest),
            y: Vec::with_capacity(widest),
        }
    }

    /// Writes the logits of each row of `features`. Returns false where some are NaN or too large:
    /// they must take the general way, which reports what is wrong with them.
    pub(super) fn predict(
        &self,
        isa: Isa,
        rows: std::slice::ChunksExact<'_, f32>,
        logits: std::slice::ChunksExactMut<'_, f32>,
        buffers: &mut Buffers,
    ) -> Result<bool> {
        for (features, logits) in rows.zip(logits) {
            match reduce::absmax_with(isa, "inputs", features) {
                Ok(largest) if largest <= LARGEST_INPUT => {}
                _ => return Ok(false),
            }
            self.row(isa, features, logits, buffers)?;
        }
        Ok(true)
    }

    fn row(
        &self,
        isa: Isa,
        features: &[f32],
        logits: &mut [f32],
        Buffers { x, y }: &mut Buffers,
    ) -> Result<()> {
        if let Some(front) = &self.front {
            x.resize(front.outputs(), 0.0);
            front.apply_at(isa, features, x)?;
        }
        let mut places = &[][..];
        for (layer, (rows, relu)) in self.layers.iter().enumerate() {
            let read = match (layer, &self.front) {
                (0, None) => features,
                _ => &x[..],
            };
            y.resize(rows.outputs(), 0.0);
            rows.multiply(isa, read, *relu, y)?;
            std::mem::swap(x, y);
            places = rows.places();
        }
        for (logit, &place) in logits.iter_mut().zip(places) {
            *logit = x[usize::from(place)];
        }
        Ok(())
    }
}

/// The place of each input of the first layer among the features that it may select.
fn read(architecture: &Architecture) -> Vec<u16> {
    // Beyond 16 bits the width is refused.
    match &architecture.selected {
        Some(selected) => selected.iter().map(|&i| i as u16).collect(),
        None => (0..architecture.selectable()).map(|i| i as u16).collect(),
    }
}

/// Whether sums over inputs up to `bound` might come near the largest float, or the sign of a zero
/// might depend on whether a zero weight is left out. If not, sets `bound` to that of the outputs.
fn overflows(codes: &[i8], bias: &[f32], bound: &mut f64) -> bool {
    let k = codes.len() / bias.len().max(1);
    let sum = |row: usize| -> f64 {
        let codes = codes[row * k..(row + 1) * k].iter();
        codes.map(|&code| f64::from(code).abs()).sum::<f64>() * *bound
    };
    let sums = bias
        .iter()
        .enumerate()
        .map(|(row, b)| sum(row) + f64::from(b.abs()));
    *bound = sums.fold(0.0, f64::max);
    let negative_zero = |b: &f32| *b == 0.0 && b.is_sign_negative();
    *bound > LARGEST_SUM || bias.iter().any(negative_zero)
}
