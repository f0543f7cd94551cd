//! One layer of a loaded model.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::arithmetic::Arithmetic;
use super::weight::{LayerKernel, Weight};
use compress_core::codec::Tensor;
use compress_core::isa::Isa;
use compress_core::kernels::gemm_f32::{Init, gemm_packed_on};
use compress_core::kernels::gemm_i8::{QuantizedRows, gemm_dequantize_on};
use compress_core::kernels::{Threads, gemm_i4, gemm_i8, spmm};
use compress_core::network::{Activation, LayerSpec};
use compress_core::ops::elementwise::activate;
use compress_core::{Error, Result};

/// A layer's parameters, laid out for its kernel.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    weight: Weight,
    bias: Vec<f32>,
    activation: Activation,
}

/// Room for the kernels of a layer.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The inputs in 8 bits.
    codes: QuantizedRows,
    /// The inputs in the form that packed weights are multiplied with.
    groups: gemm_i4::Scratch,
}

impl Layer {
    /// Chooses the kernel and lays the parameters out for it.
    pub(super) fn new(
        spec: &LayerSpec,
        weight: &Tensor,
        bias: &Tensor,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let weight = Weight::new(weight, (spec.outputs, spec.inputs), arithmetic)?;
        let values = bias.values()?;
        Error::check_finite(bias.name(), &values)?;
        Ok(Layer {
            weight,
            bias: values,
            activation: spec.activation,
        })
    }

    pub(super) fn kernel(&self) -> LayerKernel {
        self.weight.kernel()
    }

    /// The time of a row, as a number of multiply-adds of floats; approximate.
    pub(super) fn multiply_adds(&self) -> usize {
        self.weight.multiply_adds()
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `y = activation(x · weightᵀ + bias)`: x `[rows, inputs]`, y `[rows, outputs]`.
    pub(super) fn forward(
        &self,
        isa: Isa,
        threads: Threads,
        x: ArrayView2<'_, f32>,
        scratch: &mut Scratch,
        mut y: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let bias = &self.bias[..];
        let relu = self.activation == Activation::Relu;
        let relu_done = match &self.weight {
            Weight::DenseF32(weight) => {
                gemm_packed_on(isa, threads, x, weight, Init::Bias(bias), y.view_mut())?;
                false
            }
            Weight::SparseF32(weight) | Weight::SparseI8(weight) => {
                let bias = Some(bias);
                let epilogue = spmm::Epilogue { bias, relu };
                spmm::spmm_rows_on(isa, threads, weight, x, epilogue, y.view_mut())?;
                true
            }
            Weight::DenseI8 { codes, scales } => {
                scratch.codes.quantize_at(isa, x)?;
                let bias = Some(bias);
                let epilogue = gemm_i8::Epilogue { scales, bias, relu };
                gemm_dequantize_on(isa, threads, &scratch.codes, codes, epilogue, y.view_mut())?;
                true
            }
            Weight::PackedI4(weight, activations) => {
                let (bias, room) = (Some(bias), &mut scratch.groups);
                let (y, with) = (y.view_mut(), *activations);
                gemm_i4::gemm_on(isa, threads, x, weight, bias, with, room, y)?;
                false
            }
            Weight::PackedBlocks(weight) => {
                let (bias, room) = (Some(bias), &mut scratch.groups);
                let (y, with) = (y.view_mut(), gemm_i4::Activations::I8);
                gemm_i4::gemm_on(isa, threads, x, weight, bias, with, room, y)?;
                false
            }
        };
        if relu && relu_done {
            return Ok(());
        }
        activate(self.activation, y.as_slice_mut().unwrap_or_default())
    }
}
