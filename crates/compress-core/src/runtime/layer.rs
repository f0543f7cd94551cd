//! One layer of a loaded model: which kernel runs it, and how.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::Arithmetic;
use crate::artifact::Tensor;
use crate::codec::{Granularity, Grid, QuantizedTensor};
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::kernels::gemm_f32::{Init, PackedB, gemm_packed_on};
use crate::kernels::gemm_i8::{Epilogue, PackedI8, QuantizedRows, gemm_dequantize_on};
use crate::network::{Activation, LayerSpec};
use crate::ops::elementwise::activate;
use crate::{Error, Result};

/// What a layer of a loaded model runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerKernel {
    /// All weights in f32.
    DenseF32,
    /// All weights in 8 bits, activations in 8 bits.
    DenseI8,
}

impl std::fmt::Display for LayerKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LayerKernel::DenseF32 => "dense f32",
            LayerKernel::DenseI8 => "dense int8",
        })
    }
}

/// A layer's parameters, laid out for its kernel.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    weight: Weight,
    bias: Vec<f32>,
    activation: Activation,
}

/// The weights `[outputs, inputs]` of a layer as a kernel reads them.
#[derive(Clone, Debug)]
enum Weight {
    DenseF32(PackedB),
    DenseI8 {
        codes: PackedI8,
        /// One for each output.
        scales: Vec<f32>,
    },
}

impl Layer {
    /// Chooses the kernel and lays the parameters out for it.
    pub(super) fn new(
        spec: &LayerSpec,
        weight: &Tensor,
        bias: &Tensor,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        // Even where codes are not decoded: a scale may be so large that one overflows.
        let values = decode(weight)?;
        let shape = (spec.outputs, spec.inputs);
        let weight = match (arithmetic, weight) {
            (Arithmetic::Integer, Tensor::Quantized(tensor)) => integers(tensor, shape)?,
            _ => None,
        };
        let weight = match weight {
            Some(weight) => weight,
            None => {
                let values = Array2::from_shape_vec(shape, values).map_err(Error::other)?;
                Weight::DenseF32(PackedB::pack(values.t()))
            }
        };
        Ok(Layer {
            weight,
            bias: decode(bias)?,
            activation: spec.activation,
        })
    }

    pub(super) fn kernel(&self) -> LayerKernel {
        match &self.weight {
            Weight::DenseF32(_) => LayerKernel::DenseF32,
            Weight::DenseI8 { .. } => LayerKernel::DenseI8,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `y = activation(x · weightᵀ + bias)`: x `[rows, inputs]`, y `[rows, outputs]`. `codes` is
    /// room for x in 8 bits.
    pub(super) fn forward(
        &self,
        isa: Isa,
        threads: Threads,
        x: ArrayView2<'_, f32>,
        codes: &mut QuantizedRows,
        mut y: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let mut activation = self.activation;
        match &self.weight {
            Weight::DenseF32(weight) => {
                let init = Init::Bias(&self.bias);
                gemm_packed_on(isa, threads, x, weight, init, y.view_mut())?;
            }
            Weight::DenseI8 {
                codes: weight,
                scales,
            } => {
                codes.quantize_at(isa, x)?;
                let relu = activation == Activation::Relu;
                let epilogue = Epilogue {
                    scales,
                    bias: Some(&self.bias),
                    relu,
                };
                gemm_dequantize_on(isa, threads, codes, weight, epilogue, y.view_mut())?;
                if relu {
                    activation = Activation::Identity;
                }
            }
        }
        activate(activation, y.as_slice_mut().unwrap_or_default())
    }
}

/// Weights whose codes, zero at zero, fit into 8 bits and have a scale for each output.
fn integers(tensor: &QuantizedTensor, shape: (usize, usize)) -> Result<Option<Weight>> {
    let Grid::Linear {
        granularity: Granularity::Tensor | Granularity::Channel,
        scales,
        zero_points,
        ..
    } = &tensor.grid
    else {
        return Ok(None);
    };
    let set = |row: usize| if scales.len() == 1 { 0 } else { row };
    let codes = tensor.codes.chunks(shape.1.max(1)).enumerate();
    let codes: Option<Vec<i8>> = codes
        .flat_map(|(row, codes)| {
            let zero = zero_points.get(set(row)).copied().unwrap_or(0);
            codes.iter().map(move |code| i8::try_from(code - zero).ok())
        })
        .collect();
    let Some(codes) = codes else {
        return Ok(None);
    };
    let codes = Array2::from_shape_vec(shape, codes).map_err(Error::other)?;
    Ok(Some(Weight::DenseI8 {
        codes: PackedI8::pack(codes.t()),
        scales: (0..shape.0).map(|row| scales[set(row)]).collect(),
    }))
}

/// The tensor's values, which must be finite: a scale may be so large that a code overflows.
fn decode(tensor: &Tensor) -> Result<Vec<f32>> {
    let values = tensor.values()?;
    Error::check_finite(tensor.name(), &values)?;
    Ok(values)
}
