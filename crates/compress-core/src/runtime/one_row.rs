//! Single rows through a model whose layers are all small and of whole numbers: straight from the
//! file's codes, without blocks, views or copies between layers.

use super::weight::{SMALL, whole_codes};
use crate::Result;
use crate::artifact::Artifact;
use crate::isa::Isa;
use crate::kernels::code_rows::{CodeRows, Form};
use crate::kernels::reduce;
use crate::network::{Activation, Architecture, Front};

/// Inputs up to here cannot overflow in a model that has passed [`overflows`]; rows with larger
/// ones take the general way.
const LARGEST_INPUT: f32 = 65_536.0;
/// What sums may come to: far below the largest float.
const LARGEST_SUM: f64 = 1e37;

/// All layers of a model, laid out for one row.
#[derive(Clone, Debug)]
pub(super) struct OneRow {
    front: Option<Front>,
    layers: Vec<(CodeRows, bool)>,
}

/// What rows are computed in.
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
        let mut bound = f64::from(LARGEST_INPUT);
        let mut layers = Vec::new();
        let layers_and_tensors = architecture
            .layers
            .iter()
            .zip(artifact.tensors.chunks_exact(2));
        for (spec, pair) in layers_and_tensors {
            let (Some(codes), bias) = (whole_codes(&pair[0]), pair[1].values()?) else {
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
            front: architecture.front,
            layers,
        }))
    }

    /// Buffers that need not grow.
    pub(super) fn buffers(&self) -> Buffers {
        let outputs = self.layers.iter().map(|(rows, _)| rows.outputs());
        let front = self.front.map_or(0, |front| front.outputs());
        let widest = outputs.max().unwrap_or(0).max(front);
        Buffers {
            x: Vec::with_capacity(widest),
            y: Vec::with_capacity(widest),
        }
    }

    /// Writes the logits of each row of `features`; false where some are NaN or so large that they
    /// must go the general way, which says what is wrong with them.
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
        if let Some(front) = self.front {
            x.resize(front.outputs(), 0.0);
            front.apply(features, x)?;
        }
        let mut places = &[][..];
        for (layer, (rows, relu)) in self.layers.iter().enumerate() {
            let read = match (layer, self.front) {
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

/// Where the inputs of the first layer are among what it may select from.
fn read(architecture: &Architecture) -> Vec<u16> {
    // Beyond 16 bits the width is refused.
    match &architecture.selected {
        Some(selected) => selected.iter().map(|&i| i as u16).collect(),
        None => (0..architecture.selectable()).map(|i| i as u16).collect(),
    }
}

/// Whether sums over inputs up to `bound` might come near the largest float, or the sign of a zero
/// might tell a weight that is left out from one that is zero; else the bound of the outputs.
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
