//! Which type each tensor gets within a budget: such that the sum of the relative errors is the least.

use compress_core::allocate::Choice as Cost;
use compress_core::kernels::block_format::BlockFormat;
use compress_io::{ColumnWeights, Dtype, Format, Importance, Source, TensorInfo, values};
use rayon::prelude::*;

use super::plan::{Choice, Rule, Rules, divides, with};
use super::solve;
use crate::console::Console;
use crate::encoders::store;
use crate::errors::Sums;
use crate::failure::{Done, usage};
use crate::input::{Input, Read};
use crate::receiver::Receiver;

/// Values on which the error of a tensor is measured, unless all are asked for.
const SAMPLE: usize = 1 << 20;
/// Values that are quantized at a time, about.
const PIECE: usize = 1 << 16;

/// How errors are measured.
#[derive(Debug)]
pub(super) struct Measure {
    /// Of the file that is written.
    pub(super) format: &'static Format,
    /// On all values, not on a sample.
    pub(super) exact: bool,
    /// What weighs the columns.
    pub(super) importance: Option<Importance>,
    /// What is to read the types.
    pub(super) receiver: Option<Receiver>,
}

impl Measure {
    /// The weights of a tensor's columns.
    pub(super) fn importance_of(
        &self,
        info: &TensorInfo,
    ) -> compress_core::Result<Option<ColumnWeights<'_>>> {
        match &self.importance {
            Some(importance) if info.shape.len() > 1 => importance.of(&info.name, &info.shape),
            _ => Ok(None),
        }
    }

    /// Whether the file can hold a type, and its receiver read it.
    fn takes(&self, dtype: Dtype) -> bool {
        let is_read = |receiver: Receiver| receiver.reads(dtype);
        self.format.holds(dtype) && self.receiver.is_none_or(is_read)
    }
}

/// What limits the choice.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// The bytes of the whole file.
    File { bytes: u64, format: &'static Format },
    /// The mean of the bits of the weights whose type is chosen.
    Bits(f64),
}

/// A type that a tensor can have.
struct Offer {
    dtype: Dtype,
    bytes: u64,
    error: f64,
}

/// Chooses the types.
pub(super) fn choose(
    console: &Console,
    input: &Input,
    rules: &Rules,
    goal: Goal,
    measure: &Measure,
) -> Done<Vec<Choice>> {
    let tensors = input.tensors();
    let ruled = input.reads.iter().map(|read| match rules.of(&read.info) {
        Rule::Set(dtype) => with(&read.info, dtype, None),
        Rule::Keep | Rule::Free => with(&read.info, read.usual, None),
    });
    let mut choices: Vec<Choice> = ruled.collect();
    let is_free = |i: &usize| rules.of(&tensors[*i]) == Rule::Free;
    let free: Vec<usize> = (0..tensors.len()).filter(is_free).collect();
    if free.is_empty() {
        return Err(usage("there is no weight whose type may be chosen"));
    }
    let mut offers = Vec::new();
    for (done, &i) in free.iter().enumerate() {
        let read = &input.reads[i];
        console.progress("measuring", &read.info.name, done as u64, free.len() as u64);
        offers.push(offers_of(input, read, measure)?);
    }
    console.clear();
    let weights: f64 = free.iter().map(|&i| tensors[i].values() as f64).sum();
    let chosen = match goal {
        Goal::Bits(bits) => solve::within_bits(&costs(&offers, &|bytes| bytes), bits, weights)?,
        Goal::File { bytes, format } => {
            let lists = costs(&offers, &|bytes| format.padded(&input.metadata, bytes));
            // What is not a free tensor depends a little on the types: the header names them.
            let mut size = |chosen: &[usize]| -> Done<u64> {
                take(&mut choices, &free, &offers, chosen);
                let types = choices.iter().map(|choice| choice.info.clone()).collect();
                format.size(&input.plan(types)).map_err(usage)
            };
            solve::within_file(&lists, bytes, &mut size)?
        }
    };
    take(&mut choices, &free, &offers, &chosen);
    Ok(choices)
}

/// Takes the chosen offers.
fn take(choices: &mut [Choice], free: &[usize], offers: &[Vec<Offer>], chosen: &[usize]) {
    for ((&i, offers), &choice) in free.iter().zip(offers).zip(chosen) {
        choices[i].info.dtype = offers[choice].dtype;
    }
}

/// What each offer costs, and what it takes in the file.
fn costs(offers: &[Vec<Offer>], padded: &dyn Fn(u64) -> u64) -> Vec<Vec<Cost>> {
    let cost = |offer: &Offer| Cost {
        cost: offer.error,
        demand: padded(offer.bytes) as f64,
    };
    let lists = offers
        .iter()
        .map(|offers| offers.iter().map(cost).collect());
    lists.collect()
}

/// The types that a tensor can have.
fn offers_of(input: &Input, read: &Read, measure: &Measure) -> Done<Vec<Offer>> {
    let info = &read.info;
    let sample = sample(input, read, measure.exact)?;
    let importance = measure.importance_of(info)?;
    let blocks = BlockFormat::ENCODED.into_iter().map(Dtype::Block);
    let mut types: Vec<Dtype> = blocks.filter(|&dtype| divides(info, dtype)).collect();
    types.extend(
        [Dtype::F16, Dtype::BF16]
            .into_iter()
            .filter(|dtype| *dtype != info.dtype),
    );
    types.retain(|dtype| *dtype != info.dtype);
    types.push(info.dtype);
    types.retain(|dtype| measure.takes(*dtype));
    let mut offers = Vec::new();
    for dtype in types {
        let to = with(info, dtype, None).info;
        // A type that cannot hold the values is none.
        if let Ok(error) = error_of(&sample, importance, info, &to) {
            let bytes = to.bytes()?;
            offers.push(Offer {
                dtype,
                bytes,
                error,
            });
        }
    }
    Ok(offers)
}

/// The relative error that each choice makes.
pub(super) fn errors_of(
    console: &Console,
    input: &Input,
    choices: &[Choice],
    measure: &Measure,
) -> Done<Vec<f64>> {
    let mut errors = Vec::new();
    for (done, (read, choice)) in input.reads.iter().zip(choices).enumerate() {
        console.progress(
            "measuring",
            &read.info.name,
            done as u64,
            choices.len() as u64,
        );
        errors.push(match read.info.dtype == choice.info.dtype {
            true => 0.0,
            false => {
                let sample = sample(input, read, measure.exact)?;
                let importance = measure.importance_of(&read.info)?;
                error_of(&sample, importance, &read.info, &choice.info)?
            }
        });
    }
    console.clear();
    Ok(errors)
}

/// Rows of a tensor along its last axis, and which they are.
struct Sample {
    rows: Vec<usize>,
    columns: usize,
    values: Vec<f32>,
}

/// Rows at equal distances, or all.
fn sample(input: &Input, read: &Read, exact: bool) -> compress_core::Result<Sample> {
    let info = &input.checkpoint.tensors()[read.from];
    let columns = info.innermost().max(1);
    let rows = info.values() / columns;
    let wanted = match exact {
        true => rows,
        false => (SAMPLE / columns).clamp(1, rows.max(1)).min(rows),
    };
    let bytes = input.checkpoint.bytes(read.from)?;
    let at = |values: usize| info.dtype.bytes(values).unwrap_or(u64::MAX) as usize;
    let mut sample = Sample {
        rows: (0..wanted).map(|i| i * rows / wanted).collect(),
        columns,
        values: vec![0.0; wanted * columns],
    };
    for (row, to) in sample.rows.iter().zip(sample.values.chunks_mut(columns)) {
        let stored = bytes.get(at(row * columns)..at((row + 1) * columns));
        values::widen_into(info.dtype, &info.name, stored.unwrap_or_default(), to)?;
    }
    Ok(sample)
}

/// The squared error of values stored as another type, relative to their energy.
fn error_of(
    sample: &Sample,
    importance: Option<ColumnWeights<'_>>,
    from: &TensorInfo,
    to: &TensorInfo,
) -> compress_core::Result<f64> {
    if from.dtype == to.dtype {
        return Ok(0.0);
    }
    let rows = (PIECE / sample.columns).max(1);
    let of = |values: &[f32], weights: Option<&[f32]>| {
        let mut bytes = Vec::new();
        store(to, values, weights, &mut bytes)?;
        let mut again = vec![0.0; values.len()];
        values::widen_into(to.dtype, &to.name, &bytes, &mut again)?;
        Ok(match weights {
            None => Sums::of(values, &again),
            Some(weights) => Sums::weighted(values, &again, weights),
        })
    };
    let pieces = sample.values.par_chunks(rows * sample.columns);
    let parts: compress_core::Result<Vec<Sums>> = pieces
        .zip(sample.rows.par_chunks(rows))
        .map(|(values, numbers)| {
            let Some(weights) = importance else {
                return of(values, None);
            };
            let rows = values.chunks(sample.columns).zip(numbers);
            let mut sums = rows.map(|(values, &row)| of(values, Some(weights.row(row))));
            sums.try_fold(Sums::default(), |sum, row| Ok(sum.plus(row?)))
        })
        .collect();
    let sums = parts?.into_iter().fold(Sums::default(), Sums::plus);
    Ok(sums.relative())
}
