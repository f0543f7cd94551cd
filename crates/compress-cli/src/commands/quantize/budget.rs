//! Which type each tensor gets within a budget: such that the sum of the relative errors is the least.

use compress_core::allocate::{Choice as Cost, allocate};
use compress_core::kernels::block_format::BlockFormat;
use compress_io::{ColumnWeights, Dtype, Format, Importance, Source, TensorInfo, values};
use rayon::prelude::*;

use super::plan::{Choice, Rule, Rules, divides, with};
use crate::console::Console;
use crate::encoders::store;
use crate::errors::Sums;
use crate::failure::{Done, Failure, usage};
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
    match goal {
        Goal::Bits(bits) => {
            let weights: f64 = free.iter().map(|&i| tensors[i].values() as f64).sum();
            let solved = solve(&offers, bits * weights / 8.0, &|bytes| bytes)?;
            let least = |least: f64| {
                format!(
                    "{:.3} bits per weight are the least that can be had",
                    8.0 * least / weights
                )
            };
            take(
                &mut choices,
                &free,
                &offers,
                solved.map_err(|bytes| unmet(least(bytes)))?,
            );
        }
        Goal::File { bytes, format } => {
            within(input, &mut choices, &free, &offers, bytes, format)?;
        }
    }
    Ok(choices)
}

/// Chooses such that the file has at most so many bytes.
fn within(
    input: &Input,
    choices: &mut [Choice],
    free: &[usize],
    offers: &[Vec<Offer>],
    bytes: u64,
    format: &Format,
) -> Done {
    let size = |choices: &[Choice]| -> Done<u64> {
        let types = choices.iter().map(|choice| choice.info.clone()).collect();
        format.size(&input.plan(types)).map_err(usage)
    };
    let padded = |bytes: u64| format.padded(&input.metadata, bytes);
    // What is not a free tensor depends a little on the types: the header names them.
    let least = offers.iter().map(|offers| {
        let least = offers
            .iter()
            .enumerate()
            .min_by_key(|(_, offer)| offer.bytes);
        least.map_or(0, |(choice, _)| choice)
    });
    take(choices, free, offers, least.collect());
    let smallest = size(choices)?;
    let mut rest = 0;
    loop {
        let now: u64 = free
            .iter()
            .filter_map(|&i| choices[i].info.bytes().ok())
            .map(padded)
            .sum();
        rest = size(choices)?.saturating_sub(now).max(rest + 1);
        let solved = solve(offers, bytes as f64 - rest as f64, &padded)?;
        let solved =
            solved.map_err(|_| unmet(format!("the file has at least {smallest} bytes")))?;
        take(choices, free, offers, solved);
        if size(choices)? <= bytes {
            return Ok(());
        }
    }
}

fn unmet(why: String) -> Failure {
    Failure::Usage(format!("the target cannot be met: {why}"))
}

/// Takes the chosen offers.
fn take(choices: &mut [Choice], free: &[usize], offers: &[Vec<Offer>], chosen: Vec<usize>) {
    for ((&i, offers), choice) in free.iter().zip(offers).zip(chosen) {
        choices[i].info.dtype = offers[choice].dtype;
    }
}

/// The offers with the least sum of errors within `limit` bytes; the least bytes where there are
/// none.
fn solve(
    offers: &[Vec<Offer>],
    limit: f64,
    padded: &dyn Fn(u64) -> u64,
) -> Done<Result<Vec<usize>, f64>> {
    let list = |offers: &Vec<Offer>| -> Vec<Cost> {
        let costs = offers.iter().map(|offer| Cost {
            cost: offer.error,
            demand: padded(offer.bytes) as f64,
        });
        costs.collect()
    };
    let lists: Vec<Vec<Cost>> = offers.iter().map(list).collect();
    let least = lists
        .iter()
        .map(|l| l.iter().map(|c| c.demand).fold(f64::MAX, f64::min));
    let least: f64 = least.sum();
    match limit < least {
        true => Ok(Err(least)),
        false => Ok(Ok(allocate(&lists, limit).map_err(usage)?.choices)),
    }
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
