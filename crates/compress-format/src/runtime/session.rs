//! Sessions: many predictions in buffers that are kept.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

use super::layer::Scratch;
use super::model::Runtime;
use super::one_row::{Buffers, OneRow};
use compress_core::isa::Isa;
use compress_core::kernels::Threads;
use compress_core::kernels::columns::select_at;
use compress_core::kernels::reduce;
use compress_core::{Error, Result};

/// Rows of a block, at most.
const BLOCK: usize = 64;
/// Rows of a block where there would be fewer than [`ENOUGH`] of the larger ones.
const SMALL_BLOCK: usize = 16;
/// Up to this many rows go one by one through a small model.
const FEW: usize = 3;
/// Blocks that keep a few threads busy.
const ENOUGH: usize = 4;

/// Runs a model again and again, in buffers that it keeps.
///
/// A call allocates nothing on the heap if it is on a thread of the rayon pool and an earlier call
/// had as many rows with the same memory layout. The exception is a single row through an f32 layer
/// of over two million weights, which is shared among threads. A thread outside of the pool that
/// hands over a batch large enough to be shared allocates a little in rayon now and then.
///
/// ```
/// # use compress_core::codec::Tensor;
/// # use compress_format::artifact::Artifact;
/// # use compress_core::network::{Activation, Architecture};
/// use compress_format::runtime::Runtime;
/// use ndarray::{Array2, array};
///
/// # let float = |name: &str, shape: &[usize], values: &[f32]| Tensor::Float {
/// #     name: name.into(),
/// #     shape: shape.to_vec(),
/// #     values: values.to_vec(),
/// # };
/// # let artifact = Artifact {
/// #     architecture: Architecture::mlp(&[2, 1], Activation::Relu)?,
/// #     tensors: vec![
/// #         float("layers.0.weight", &[1, 2], &[1.0, 2.0]),
/// #         float("layers.0.bias", &[1], &[0.5]),
/// #     ],
/// # };
/// let model = Runtime::new(artifact)?;
/// let mut session = model.session();
/// let mut logits = Array2::zeros((1, 1));
/// for x in 0..3 {
///     let inputs = array![[x as f32, 1.0]];
///     session.predict_into(inputs.view(), logits.view_mut())?;
///     assert_eq!(logits[(0, 0)], x as f32 + 2.5);
/// }
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Session<'m> {
    model: &'m Runtime,
    /// The number of values of a row in the widest layer but the last.
    width: usize,
    blocks: Vec<Block>,
    logits: Vec<f32>,
    row: Buffers,
}

/// The buffers of one block of rows.
#[derive(Debug, Default)]
struct Block {
    /// A row of inputs, where those are strided.
    row: Vec<f32>,
    /// The front's output for a row.
    fronted: Vec<f32>,
    /// What the first layer reads, if that is not the unchanged inputs.
    read: Vec<f32>,
    /// The outputs of the layers, in turn.
    hidden: [Vec<f32>; 2],
    scratch: Scratch,
    fault: Option<Error>,
}

impl<'m> Session<'m> {
    pub(super) fn new(model: &'m Runtime) -> Self {
        let widths = model.layers.iter().rev().skip(1).map(|l| l.outputs());
        Session {
            model,
            width: widths.max().unwrap_or(0),
            blocks: Vec::new(),
            logits: Vec::new(),
            row: model
                .one_row
                .as_ref()
                .map(OneRow::buffers)
                .unwrap_or_default(),
        }
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`. `logits` must be contiguous and
    /// row-major.
    ///
    /// # Errors
    /// As [`Runtime::predict`], and where `logits` has another shape or layout. What it holds
    /// after an error is not defined.
    pub fn predict_into(
        &mut self,
        inputs: ArrayView2<'_, f32>,
        mut logits: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        self.model.check(&inputs)?;
        let outputs = self.model.architecture.outputs();
        let expected = [inputs.nrows(), outputs];
        Error::check_shape("logits", &expected, logits.shape())?;
        match logits.as_slice_mut() {
            Some(logits) => self.run(inputs, outputs, logits),
            None => Err(Error::invalid(
                "logits",
                "strided",
                "contiguous and row-major",
            )),
        }
    }

    /// The number of the largest logit for each row of `inputs` `[batch, features]`; of equals,
    /// the lowest.
    ///
    /// # Errors
    /// As [`Runtime::predict_classes`], and where there are not as many `classes` as rows.
    pub fn predict_classes_into(
        &mut self,
        inputs: ArrayView2<'_, f32>,
        classes: &mut [u32],
    ) -> Result<()> {
        self.model.check(&inputs)?;
        Error::check_shape("classes", &[inputs.nrows()], &[classes.len()])?;
        let outputs = self.model.architecture.outputs();
        let mut logits = std::mem::take(&mut self.logits);
        grow(&mut logits, inputs.nrows() * outputs);
        let done = self.run(inputs, outputs, &mut logits[..inputs.nrows() * outputs]);
        if done.is_ok() {
            for ((row, class), logits) in
                (0..).zip(&mut *classes).zip(logits.chunks(outputs.max(1)))
            {
                *class = largest(row, logits)?;
            }
        }
        self.logits = logits;
        done
    }

    fn run(
        &mut self,
        inputs: ArrayView2<'_, f32>,
        outputs: usize,
        logits: &mut [f32],
    ) -> Result<()> {
        let isa = Isa::active()?;
        let (batch, model) = (inputs.nrows(), self.model);
        if logits.is_empty() {
            return check_rows(isa, inputs, 0);
        }
        let rows = block_rows(batch);
        let blocks = batch.div_ceil(rows);
        if self.blocks.len() < blocks {
            self.blocks.resize_with(blocks, Block::default);
        }
        if let (Some(one_row), Some(values), 1..=FEW) = (&model.one_row, inputs.as_slice(), batch) {
            let rows = values.chunks_exact(inputs.ncols().max(1));
            if one_row.predict(isa, rows, logits.chunks_exact_mut(outputs), &mut self.row)? {
                return Ok(());
            }
        }
        // A single block is not shared; its layers are.
        let share = blocks > 1 && Threads::Pool.share(batch.saturating_mul(model.multiply_adds()));
        let pass = Pass {
            model,
            isa,
            threads: if blocks > 1 {
                Threads::Here
            } else {
                Threads::Pool
            },
            width: self.width,
        };
        let run = |(i, (block, logits)): (usize, (&mut Block, &mut [f32]))| {
            let top = i * rows;
            let x = inputs.slice_axis(Axis(0), Slice::from(top..batch.min(top + rows)));
            block.fault = block.predict(&pass, x, top, logits).err();
        };
        let used = &mut self.blocks[..blocks];
        if share {
            let logits = logits.par_chunks_mut(rows * outputs);
            used.par_iter_mut().zip(logits).enumerate().for_each(run);
        } else {
            let logits = logits.chunks_mut(rows * outputs);
            used.iter_mut().zip(logits).enumerate().for_each(run);
        }
        // Returns the first fault in the order of rows, whichever thread was first.
        let used = &mut self.blocks[..blocks];
        match used.iter_mut().find_map(|block| block.fault.take()) {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }
}

/// What all blocks of a batch have in common.
struct Pass<'m> {
    model: &'m Runtime,
    isa: Isa,
    threads: Threads,
    /// As in [`Session`].
    width: usize,
}

impl Block {
    /// Writes the logits of `inputs`, whose first row is row `top` of the batch.
    fn predict(
        &mut self,
        pass: &Pass<'_>,
        inputs: ArrayView2<'_, f32>,
        top: usize,
        logits: &mut [f32],
    ) -> Result<()> {
        let shape = (inputs.nrows(), pass.model.architecture.outputs());
        let logits = view_mut(logits, shape)?;
        // Quantization finds values that are not finite, but it numbers the rows within the block,
        // and also finds those of hidden layers.
        self.run(pass, inputs, top, logits)
            .or_else(|fault| check_rows(pass.isa, inputs, top).and(Err(hidden(fault, top))))
    }

    fn run(
        &mut self,
        pass: &Pass<'_>,
        inputs: ArrayView2<'_, f32>,
        top: usize,
        logits: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let &Pass {
            model,
            isa,
            threads,
            width,
        } = pass;
        let rows = inputs.nrows();
        let mut x = inputs;
        if !model.architecture.reads_features() {
            self.read(pass, inputs, top)?;
            x = view(&self.read, (rows, model.architecture.inputs()))?;
        } else if !model.quantizes_inputs() {
            check_rows(isa, inputs, top)?;
        }
        let [front, back] = &mut self.hidden;
        let (mut front, mut back) = (front, back);
        grow(front, rows * width);
        grow(back, rows * width);
        let Some((last, layers)) = model.layers.split_last() else {
            return Ok(());
        };
        let Some((first, between)) = layers.split_first() else {
            return last.forward(isa, threads, x, &mut self.scratch, logits);
        };
        let y = view_mut(front, (rows, first.outputs()))?;
        first.forward(isa, threads, x, &mut self.scratch, y)?;
        let mut inputs = first.outputs();
        for layer in between {
            let x = view(front, (rows, inputs))?;
            let y = view_mut(back, (rows, layer.outputs()))?;
            layer.forward(isa, threads, x, &mut self.scratch, y)?;
            std::mem::swap(&mut front, &mut back);
            inputs = layer.outputs();
        }
        let x = view(front, (rows, inputs))?;
        last.forward(isa, threads, x, &mut self.scratch, logits)
    }

    /// Writes what the first layer reads, through the front and the selection. Goes row by row, so
    /// that each row stays in the first cache from its check to its use.
    fn read(&mut self, pass: &Pass<'_>, inputs: ArrayView2<'_, f32>, top: usize) -> Result<()> {
        let (architecture, isa) = (&pass.model.architecture, pass.isa);
        let width = architecture.inputs();
        grow(&mut self.read, inputs.nrows() * width);
        for (i, row) in inputs.rows().into_iter().enumerate() {
            let mut features = match row.to_slice() {
                Some(row) => row,
                None => {
                    self.row.clear();
                    self.row.extend(row);
                    &self.row
                }
            };
            check_row(isa, features.into(), top + i)?;
            if let Some(front) = &architecture.front {
                grow(&mut self.fronted, front.outputs());
                front.apply_at(isa, features, &mut self.fronted)?;
                features = &self.fronted;
            }
            let to = &mut self.read[i * width..(i + 1) * width];
            match &architecture.selected {
                Some(selected) => select_at(isa, features, selected, to),
                None => to.copy_from_slice(features),
            }
        }
        Ok(())
    }
}

/// Rows of a block: enough to share the weights that are read, unless a few threads would then have
/// too few blocks.
fn block_rows(batch: usize) -> usize {
    let small = (batch / ENOUGH).next_multiple_of(SMALL_BLOCK);
    small.clamp(SMALL_BLOCK, BLOCK)
}

/// Fails at the first input that is not finite; `top` is the number of the first row.
fn check_rows(isa: Isa, inputs: ArrayView2<'_, f32>, top: usize) -> Result<()> {
    let mut rows = inputs.rows().into_iter().enumerate();
    rows.try_for_each(|(i, row)| check_row(isa, row, top + i))
}

/// Fails at the first value of row number `row` that is not finite.
fn check_row(isa: Isa, values: ArrayView1<'_, f32>, row: usize) -> Result<()> {
    let finite = match values.to_slice() {
        Some(values) => reduce::absmax_with(isa, "inputs", values).is_ok(),
        None => values.iter().all(|x| x.is_finite()),
    };
    if finite {
        return Ok(());
    }
    let index = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
    Err(Error::NonFinite {
        what: format!("row {row} of the inputs"),
        index,
        value: values[index],
    })
}

/// The error for outputs of a layer that overflowed before they were to be quantized for the next
/// one. The inputs were finite.
fn hidden(fault: Error, top: usize) -> Error {
    match fault {
        Error::NonFinite { index, value, .. } => Error::NonFinite {
            what: format!("the outputs of a front or a hidden layer, of a row from {top} on"),
            index,
            value,
        },
        other => other,
    }
}

fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}

fn view(buffer: &[f32], shape: (usize, usize)) -> Result<ArrayView2<'_, f32>> {
    ArrayView2::from_shape(shape, &buffer[..shape.0 * shape.1]).map_err(Error::other)
}

fn view_mut(buffer: &mut [f32], shape: (usize, usize)) -> Result<ArrayViewMut2<'_, f32>> {
    ArrayViewMut2::from_shape(shape, &mut buffer[..shape.0 * shape.1]).map_err(Error::other)
}

/// The position of the first of the largest logits of row number `row`. Fails at a NaN, which has no
/// place in an order.
fn largest(row: usize, logits: &[f32]) -> Result<u32> {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in logits.iter().enumerate() {
        if value.is_nan() {
            let what = format!("the logits of row {row}");
            return Err(Error::NonFinite { what, index, value });
        }
        if value > best.1 {
            best = (index as u32, value);
        }
    }
    Ok(best.0)
}
