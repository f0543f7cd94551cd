//! Single rows through a model whose layers are all small and of whole numbers: straight from the
//! file's codes, without blocks, views or copies between layers.

use super::weight::{SMALL, whole_codes};
use crate::artifact::Artifact;
use compress_core::Result;
use compress_core::chain::{Activation, Architecture, SharedFront};
use compress_core::isa::Isa;
use compress_core::kernels::code_rows::{CodeRows, Form};
use compress_core::kernels::reduce;

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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, s};

    use super::*;
    use crate::Pooling;
    use crate::runtime::Runtime;
    use compress_core::chain::Front;
    use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor, Tensor};
    use compress_core::rng;

    /// Whole numbers, one of `one_of` not zero.
    fn whole(name: String, shape: Vec<usize>, one_of: usize) -> Tensor {
        let code = |i: usize| match (i * 37 + i / 64).is_multiple_of(one_of) {
            true => 7 - (i % 16) as i32,
            false => 0,
        };
        let grid = Grid::Linear {
            bits: 5,
            granularity: Granularity::Tensor,
            scales: vec![1.0],
            zero_points: vec![],
        };
        let codes = (0..shape.iter().product()).map(code);
        Tensor::Quantized(QuantizedTensor::new(&name, &shape, grid, codes).unwrap())
    }

    /// Scattered, dense, and scattered weights again at the end.
    fn artifact(selected: bool, front: Option<Pooling>) -> Artifact {
        let features = front.map_or(144, |front| front.outputs());
        let inputs = if selected { features / 2 } else { features };
        let widths = [inputs, 50, 24, 10];
        let mut architecture = Architecture::mlp(&widths, Activation::Relu).unwrap();
        architecture.features = features;
        if selected {
            architecture.selected = Some((0..inputs as u32).map(|i| 2 * i + i % 2).collect());
        }
        if let Some(front) = front {
            architecture = architecture.behind(front).unwrap();
        }
        let pairs = widths.windows(2).zip([11, 3, 9]).enumerate();
        let tensors = pairs.flat_map(|(i, (pair, one_of))| {
            let weight = whole(format!("layers.{i}.weight"), vec![pair[1], pair[0]], one_of);
            [weight, whole(format!("layers.{i}.bias"), vec![pair[1]], 1)]
        });
        Artifact {
            tensors: tensors.collect(),
            architecture,
        }
    }

    fn images() -> Array2<f32> {
        let mut stream = rng::stream(1, "one row");
        Array2::from_shape_simple_fn((20, 144), || rng::uniform(&mut stream) - 0.3)
    }

    #[test]
    fn rows_alone_have_the_bits_of_a_batch() {
        let (height, width) = (12, 12);
        let fronts = [
            None,
            Some(Pooling::TentPool { height, width }),
            Some(Pooling::TentPyramid { height, width }),
        ];
        for (front, selected) in fronts.into_iter().flat_map(|f| [(f, false), (f, true)]) {
            let artifact = artifact(selected, front);
            assert!(OneRow::new(&artifact).unwrap().is_some());
            let model = Runtime::new(artifact).unwrap();
            // Some too large for the short way, and some whose sums overflow.
            for scale in [1.0, 3e5, 1e37, 1e38] {
                let images = images() * scale;
                let together = model.predict(images.view()).unwrap();
                for count in [1, 2, 3] {
                    for first in 0..20 - count {
                        let rows = s![first..first + count, ..];
                        let found = model.predict(images.slice(rows)).unwrap();
                        let found = found.mapv(f32::to_bits);
                        let expected = together.slice(rows).mapv(f32::to_bits);
                        assert_eq!(found, expected, "{selected} {front:?} {scale} {first}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_named_as_ever() {
        let (height, width) = (12, 12);
        let pyramid = Pooling::TentPyramid { height, width };
        let model = Runtime::new(artifact(true, Some(pyramid))).unwrap();
        // A few rows, and as many as make two blocks.
        for rows in [2, 20] {
            let mut images = images().slice_axis(Axis(0), (..rows).into()).to_owned();
            images[(rows - 1, 143)] = f32::NAN;
            let error = model.predict(images.view()).unwrap_err().to_string();
            let expected = format!("row {} of the inputs", rows - 1);
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn what_a_front_makes_larger_counts_toward_the_bound() {
        // 2^16 times 16 times 64^17 is 2^122, below the bound, and 2^124 is above it.
        let (height, width) = (6, 6);
        let goes_short = |front: Pooling| {
            let mut widths = vec![1; 19];
            widths[0] = front.outputs();
            let mut architecture = Architecture::mlp(&widths, Activation::Relu).unwrap();
            architecture = architecture.behind(front).unwrap();
            let tensors = architecture
                .layers
                .iter()
                .enumerate()
                .flat_map(|(i, layer)| {
                    let mut weight = whole(layer.weight_name(), vec![1, layer.inputs], 1);
                    let mut bias = whole(layer.bias_name(), vec![1], 1);
                    if let (Tensor::Quantized(weight), Tensor::Quantized(bias)) =
                        (&mut weight, &mut bias)
                    {
                        weight.codes = Codes::from(vec![0_i8; layer.inputs]);
                        weight.codes.set(0, if i == 0 { 16 } else { 64 }).unwrap();
                        bias.codes = Codes::from(vec![0_i8]);
                        if let Grid::Linear { bits, .. } = &mut weight.grid {
                            *bits = 8;
                        }
                    }
                    [weight, bias]
                });
            let tensors = tensors.collect();
            let artifact = Artifact {
                architecture: architecture.clone(),
                tensors,
            };
            OneRow::new(&artifact).unwrap().is_some()
        };
        assert!(goes_short(Pooling::TentPool { height, width }));
        assert!(!goes_short(Pooling::TentPyramid { height, width }));
    }

    #[test]
    fn other_models_go_the_general_way() {
        let has = |edit: &dyn Fn(&mut Artifact)| {
            let mut artifact = artifact(true, None);
            edit(&mut artifact);
            OneRow::new(&artifact).unwrap().is_some()
        };
        assert!(has(&|_| {}));
        assert!(!has(
            &|a| a.architecture.layers[0].activation = Activation::Tanh
        ));
        let float = |values: Vec<f32>| Tensor::Float {
            name: "layers.2.bias".into(),
            shape: vec![10],
            values,
        };
        assert!(has(&|a| a.tensors[5] = float(vec![0.5; 10])));
        assert!(!has(&|a| a.tensors[5] = float(vec![-0.0; 10])));
        assert!(!has(&|a| a.tensors[5] = float(vec![1e38; 10])));
        let scaled = |a: &mut Artifact| {
            if let Tensor::Quantized(QuantizedTensor {
                grid: Grid::Linear { scales, .. },
                ..
            }) = &mut a.tensors[0]
            {
                scales[0] = 0.5;
            }
        };
        assert!(!has(&scaled));
    }
}
