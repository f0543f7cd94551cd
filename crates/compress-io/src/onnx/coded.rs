//! Codes that a node multiplies by scales.
//!
//! # References
//! `docs/Operators.md` in the repository `onnx/onnx`, for `DequantizeLinear`; `docs/ContribOperators.md`
//! in `microsoft/onnxruntime`, for `MatMulNBits`.

use compress_core::tensor::volume;
use compress_core::{Error, Result};

use super::model::Onnx;
use super::proto::{Node, entry, tensor};
use super::quantize::Layout;
use crate::dtype::{Dtype, TensorInfo};
use crate::source::Source;
use crate::values;

/// The keys under which the codes of a `MatMulNBits` say which weight they stand for, and which of its
/// two axes is the outputs.
pub(super) const WEIGHT: &str = "compress.weight";
pub(super) const OUTPUTS: &str = "compress.outputs";

/// Which tensors hold a weight, and where each of its values is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coded {
    codes: usize,
    scales: usize,
    zeros: Option<usize>,
    /// The types of codes and of zero points.
    types: [Dtype; 2],
    places: Places,
}

/// Where the code, the scale and the zero point of a value are.
#[derive(Clone, Debug, PartialEq)]
enum Places {
    /// One scale for all values, which are in the order of their codes.
    One,
    /// As the layout says.
    Along(Layout),
    /// As `MatMulNBits` has them: for each output its inputs in whole blocks.
    Product {
        /// The axis of the outputs.
        outputs: usize,
        inputs: usize,
        count: usize,
        block: usize,
        /// Zero points of an output, which fill whole bytes.
        zeros: usize,
    },
}

/// A shape, and the weight of that shape.
type Shaped = (Vec<usize>, Coded);

impl Coded {
    /// The weight of a `DequantizeLinear`. `operand` knows which of its operands are tensors.
    pub(super) fn dequantized(
        model: &Onnx,
        node: &Node<'_>,
        operand: &dyn Fn(usize) -> Option<usize>,
    ) -> Result<Option<Shaped>> {
        let (Some(codes), Some(scales)) = (operand(0), operand(1)) else {
            return Ok(None);
        };
        let has_zeros = node.inputs().nth(2).is_some_and(|name| !name.is_empty());
        let zeros = operand(2);
        if has_zeros != zeros.is_some() {
            return Ok(None);
        }
        let (info, scale) = (&model.tensors()[codes], &model.tensors()[scales]);
        let rank = info.shape.len() as i64;
        let axis = node.int("axis")?.unwrap_or(1);
        let axis = usize::try_from(if axis < 0 { axis + rank } else { axis });
        let block = usize::try_from(node.int("block_size")?.unwrap_or(0));
        let (Ok(axis), Ok(block)) = (axis, block) else {
            return Ok(None);
        };
        let places = match (block, scale.shape.as_slice()) {
            (0, [] | [1]) => Ok(Places::One),
            (0, _) => Layout::channels(&info.shape, axis).map(Places::Along),
            (block, _) => Layout::blocks(&info.shape, axis, block).map(Places::Along),
        };
        let fits = |places: &Places| match places {
            Places::Along(layout) => layout.scales_shape() == scale.shape,
            _ => true,
        };
        Ok(places.ok().filter(fits).and_then(|places| {
            let coded = Coded::new(
                model,
                [Some(codes), Some(scales), zeros],
                info.dtype,
                places,
            )?;
            Some((info.shape.clone(), coded))
        }))
    }

    /// The weight of a `Mul` with codes that are cast.
    pub(super) fn multiplied(model: &Onnx, codes: usize, scales: usize) -> Option<Shaped> {
        let (info, scale) = (&model.tensors()[codes], &model.tensors()[scales]);
        let mut axes = (0..scale.shape.len()).filter(|axis| scale.shape[*axis] != 1);
        let places = match (axes.next(), axes.next()) {
            (None, _) => Places::One,
            (Some(axis), None) => {
                let layout = Layout::channels(&info.shape, axis).ok()?;
                Places::Along(layout)
            }
            _ => return None,
        };
        let fits = match &places {
            Places::Along(layout) => layout.scales_shape() == [scale.values()],
            _ => true,
        };
        if !fits || scale.shape.len() != info.shape.len() {
            return None;
        }
        let coded = Coded::new(model, [Some(codes), Some(scales), None], info.dtype, places)?;
        Some((info.shape.clone(), coded))
    }

    /// The weight of a `MatMulNBits` in a graph whose tensors begin with `within`, and its name: where
    /// the codes do not say it, that of the codes as onnxruntime's quantizer makes it. Where they do not
    /// say which axis is the outputs, it is the second.
    pub(super) fn product(
        model: &Onnx,
        node: &Node<'_>,
        within: &str,
        operand: &dyn Fn(usize) -> Option<usize>,
    ) -> Result<Option<(String, Vec<usize>, Coded)>> {
        let (Some(codes), Some(scales)) = (operand(1), operand(2)) else {
            return Ok(None);
        };
        let is_there = |number: usize| node.inputs().nth(number).is_some_and(|n| !n.is_empty());
        let zeros = operand(3);
        // Inputs in another order, by `g_idx`, are not known here.
        if is_there(3) != zeros.is_some() || is_there(4) {
            return Ok(None);
        }
        let mut sizes = [0; 4];
        for (size, name) in sizes.iter_mut().zip(["K", "N", "bits", "block_size"]) {
            let number = node
                .int(name)?
                .unwrap_or(if name == "bits" { 4 } else { 0 });
            *size = usize::try_from(number).unwrap_or(0);
        }
        let [inputs, count, bits, block] = sizes;
        let dtype = match bits {
            4 => Dtype::U4,
            8 => Dtype::U8,
            _ => return Ok(None),
        };
        let info = &model.tensors()[codes];
        if block == 0 || info.shape.len() != 3 {
            return Ok(None);
        }
        let blocks = inputs.div_ceil(block);
        let bytes = dtype.bytes(block).unwrap_or(0) as usize;
        let per_byte = 8 / bits;
        if info.dtype != Dtype::U8 || info.shape != [count, blocks, bytes] || block % per_byte != 0
        {
            return Ok(None);
        }
        let mut name = match info.name.strip_suffix(&format!("_Q{bits}")) {
            Some(name) => name.to_owned(),
            None => format!("{}_dequantized", info.name),
        };
        let mut outputs = 1;
        let message = model.tensor(&model.index.entries[codes])?;
        // The weight lies where its codes lie, which may be a graph around that of the product.
        let own = message.text(tensor::NAME, "the name of a tensor")?;
        let within = match info.name.strip_suffix(own) {
            Some(prefix) if !own.is_empty() => prefix,
            _ => within,
        };
        for pair in message.messages(tensor::METADATA) {
            let pair = pair?;
            match (pair.last(entry::KEY), pair.last(entry::VALUE)) {
                (Some(key), _) if key == WEIGHT.as_bytes() => {
                    let own = pair.text(entry::VALUE, "the name of a weight")?;
                    name = format!("{within}{own}");
                }
                (Some(key), Some(b"0")) if key == OUTPUTS.as_bytes() => outputs = 0,
                _ => {}
            }
        }
        let places = Places::Product {
            outputs,
            inputs,
            count,
            block,
            zeros: blocks.next_multiple_of(per_byte),
        };
        let coded = Coded::new(model, [Some(codes), Some(scales), zeros], dtype, places);
        let shape = match outputs {
            0 => vec![count, inputs],
            _ => vec![inputs, count],
        };
        Ok(coded.map(|coded| (name, shape, coded)))
    }

    /// None where a type is not known here, or there are too few scales or zero points.
    fn new(
        model: &Onnx,
        tensors: [Option<usize>; 3],
        dtype: Dtype,
        places: Places,
    ) -> Option<Self> {
        use Dtype::{BF16, F16, F32, I4, I8, I16, I32, U4, U8, U16};
        const CODES: [Dtype; 7] = [I4, U4, I8, U8, I16, U16, I32];
        let [codes, scales, zeros] = tensors;
        let scale = &model.tensors()[scales?];
        let (count, zero_count) = match &places {
            Places::One => (1, 1),
            Places::Along(layout) => {
                let count = volume(&layout.scales_shape());
                (count, count)
            }
            Places::Product {
                inputs,
                count,
                block,
                zeros,
                ..
            } => (
                count.checked_mul(inputs.div_ceil(*block))?,
                count.checked_mul(*zeros)?,
            ),
        };
        let mut types = [dtype; 2];
        if let Some(zeros) = zeros {
            let zeros = &model.tensors()[zeros];
            types[1] = match (&places, zeros.dtype) {
                // In as many bits as the codes.
                (Places::Product { .. }, U8) => dtype,
                (Places::Product { .. }, _) => return None,
                (_, dtype) => dtype,
            };
            if types[1].bytes(zero_count)? != zeros.bytes().ok()? {
                return None;
            }
        }
        let fits = types.iter().all(|dtype| CODES.contains(dtype))
            && [F32, F16, BF16].contains(&scale.dtype)
            && scale.values() == count;
        fits.then_some(Coded {
            codes: codes?,
            scales: scales?,
            zeros,
            types,
            places,
        })
    }

    /// The type of the codes.
    pub(super) fn dtype(&self) -> Dtype {
        self.types[0]
    }

    pub(super) fn codes(&self) -> usize {
        self.codes
    }

    /// The tensors that it is made of.
    pub(super) fn tensors(&self) -> impl Iterator<Item = usize> {
        [Some(self.codes), Some(self.scales), self.zeros]
            .into_iter()
            .flatten()
    }

    /// (code − zero point) · scale for each value, as bytes of f32.
    pub(super) fn decode(&self, model: &Onnx, info: &TensorInfo) -> Result<Vec<u8>> {
        let scale = &model.tensors()[self.scales];
        let mut scales = vec![0.0; scale.values()];
        values::widen_into(
            scale.dtype,
            &scale.name,
            &model.bytes(self.scales)?,
            &mut scales,
        )?;
        let (codes, zeros) = (
            model.bytes(self.codes)?,
            self.zeros.map(|zeros| model.bytes(zeros)),
        );
        let zeros = zeros.transpose()?;
        let usual = match &self.places {
            Places::Product { .. } => 1 << (self.types[0].bits_per_weight() as u32 - 1),
            _ => 0,
        };
        let mut bytes = Vec::with_capacity(usize::try_from(info.bytes()?).map_err(Error::other)?);
        for position in 0..info.values() {
            let [code, scale, zero] = self.places.of(position);
            let zero = match &zeros {
                Some(zeros) => code_at(self.types[1], zeros, zero),
                None => usual,
            };
            let code = code_at(self.types[0], &codes, code) - zero;
            bytes.extend((code as f32 * scales[scale]).to_le_bytes());
        }
        Ok(bytes)
    }
}

impl Places {
    /// The positions of the code, the scale and the zero point of a value.
    fn of(&self, position: usize) -> [usize; 3] {
        match self {
            Places::One => [position, 0, 0],
            Places::Along(layout) => {
                let scale = layout.scale_of(position);
                [position, scale, scale]
            }
            Places::Product {
                outputs,
                inputs,
                count,
                block,
                zeros,
            } => {
                let (output, input) = match outputs {
                    0 => (position / inputs, position % inputs),
                    _ => (position % count, position / count),
                };
                let blocks = inputs.div_ceil(*block);
                let of = input / block;
                [
                    output * blocks * block + input,
                    output * blocks + of,
                    output * zeros + of,
                ]
            }
        }
    }
}

/// A whole number among stored ones; zero behind their end. Of two in a byte the first is in the
/// lower bits.
fn code_at(dtype: Dtype, bytes: &[u8], position: usize) -> i64 {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let pair = || [byte(2 * position), byte(2 * position + 1)];
    let nibble = || byte(position / 2) >> (4 * (position % 2)) & 15;
    match dtype {
        Dtype::U4 => i64::from(nibble()),
        Dtype::I4 => i64::from((nibble() << 4) as i8 >> 4),
        Dtype::U8 => i64::from(byte(position)),
        Dtype::I8 => i64::from(byte(position) as i8),
        Dtype::U16 => i64::from(u16::from_le_bytes(pair())),
        Dtype::I16 => i64::from(i16::from_le_bytes(pair())),
        _ => {
            let four = [0, 1, 2, 3].map(|i| byte(4 * position + i));
            i64::from(i32::from_le_bytes(four))
        }
    }
}
