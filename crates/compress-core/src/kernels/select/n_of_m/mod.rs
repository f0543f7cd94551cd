//! N:M sparsity: of each M consecutive values of a row the N largest magnitudes stay.
//!
//! A value's rank in its group is the number of values that beat it: larger ones, and equal
//! ones before it. It stays where fewer than N do. For M of 4 in vectors of whole groups; for M
//! of 8 and 16 by comparing each pair of sixteen groups at once, one a lane; else by selection.
//!
//! # References
//! Mishra et al. 2021, *Accelerating sparse deep neural networks*, 2104.08378, section 3.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;

use rayon::prelude::*;

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// Groups at once.
const LANES: usize = 16;
/// Values that a thread takes at once, about.
const BLOCK: usize = 1 << 15;

/// N and M of N:M sparsity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NOfM {
    n: usize,
    m: usize,
}

impl NOfM {
    /// Keeps `n` of each `m`.
    ///
    /// # Errors
    /// Where `m` is 0 or more than 65,536, or `n` is more than `m`.
    pub fn new(n: usize, m: usize) -> Result<Self> {
        if m == 0 || m > 1 << 16 || n > m {
            let expected = "n of m, with m from 1 to 65536 and n at most m";
            return Err(Error::invalid("n:m sparsity", format!("{n}:{m}"), expected));
        }
        Ok(NOfM { n, m })
    }

    /// N: how many values of a group stay.
    pub fn n(self) -> usize {
        self.n
    }

    /// M: how many values a group has.
    pub fn m(self) -> usize {
        self.m
    }
}

/// Writes true for each value that stays. Rows have `columns` values; a group shorter than M at
/// the end of a row keeps its N largest too. The first of equal magnitudes stays; NaN counts as
/// larger than everything.
///
/// # Errors
/// Where `values` are not whole rows, or `keep` has another length.
pub fn keep_n_of_m(values: &[f32], columns: usize, pattern: NOfM, keep: &mut [bool]) -> Result<()> {
    keep_n_of_m_at(Isa::active()?, values, columns, pattern, keep)
}

/// As [`keep_n_of_m`], at a given level.
///
/// # Errors
/// As [`keep_n_of_m`].
pub fn keep_n_of_m_at(
    isa: Isa,
    values: &[f32],
    columns: usize,
    pattern: NOfM,
    keep: &mut [bool],
) -> Result<()> {
    Error::check_shape("marks of what is kept", &[values.len()], &[keep.len()])?;
    let Some(columns) = row(values.len(), columns, pattern)? else {
        return Ok(());
    };
    let block = block(columns, pattern);
    let rows = values.par_chunks(columns).zip(keep.par_chunks_mut(columns));
    rows.with_min_len(BLOCK.div_ceil(columns))
        .for_each(|(values, keep)| {
            let blocks = values.par_chunks(block).zip(keep.par_chunks_mut(block));
            blocks.for_each(|(values, keep)| mark(isa, values, pattern, keep));
        });
    Ok(())
}

/// Sets to +0 each value that does not stay, in place; see [`keep_n_of_m`].
///
/// # Errors
/// Where `values` are not whole rows.
pub fn zero_n_of_m(values: &mut [f32], columns: usize, pattern: NOfM) -> Result<()> {
    zero_n_of_m_at(Isa::active()?, values, columns, pattern)
}

/// As [`zero_n_of_m`], at a given level.
///
/// # Errors
/// As [`zero_n_of_m`].
pub fn zero_n_of_m_at(isa: Isa, values: &mut [f32], columns: usize, pattern: NOfM) -> Result<()> {
    let Some(columns) = row(values.len(), columns, pattern)? else {
        return Ok(());
    };
    let block = block(columns, pattern);
    let rows = values.par_chunks_mut(columns);
    rows.with_min_len(BLOCK.div_ceil(columns))
        .for_each(|values| {
            let blocks = values.par_chunks_mut(block);
            blocks.for_each(|values| clear(isa, values, pattern));
        });
    Ok(())
}

/// The length of a row, or of all rows together where groups do not end at rows' ends only;
/// none where there is nothing.
fn row(values: usize, columns: usize, pattern: NOfM) -> Result<Option<usize>> {
    let whole = if columns == 0 {
        values == 0
    } else {
        values.is_multiple_of(columns)
    };
    if !whole {
        let expected = format!("a divisor of {values}");
        return Err(Error::invalid("columns of n:m sparsity", columns, expected));
    }
    let seamless = columns.is_multiple_of(pattern.m);
    Ok((values > 0).then_some(if seamless { values } else { columns }))
}

/// Whole batches of groups.
fn block(columns: usize, pattern: NOfM) -> usize {
    let batch = LANES * pattern.m;
    (batch * (BLOCK / batch).max(1)).min(columns)
}

/// Values of a batch of the largest M that has lanes.
const BATCH: usize = 16 * LANES;

fn mark(isa: Isa, values: &[f32], pattern: NOfM, keep: &mut [bool]) {
    match pattern.m {
        4 => mark_4(isa, values, pattern, keep),
        8 => mark_8_at(isa, values, pattern, keep),
        16 => mark_16_at(isa, values, pattern, keep),
        _ => mark_any(values, pattern, keep),
    }
}

fn clear(isa: Isa, values: &mut [f32], pattern: NOfM) {
    match pattern.m {
        4 => clear_4(isa, values, pattern),
        8 => clear_8_at(isa, values, pattern),
        16 => clear_16_at(isa, values, pattern),
        _ => {
            let mut keep = vec![false; values.len()];
            mark_any(values, pattern, &mut keep);
            zero(values, &keep);
        }
    }
}

fn mark_4(isa: Isa, values: &[f32], pattern: NOfM, keep: &mut [bool]) {
    let done = dispatch::mark(isa, values, pattern.n, keep);
    mark_lanes::<4>(&values[done..], pattern, &mut keep[done..]);
}

fn clear_4(isa: Isa, values: &mut [f32], pattern: NOfM) {
    let done = dispatch::clear(isa, values, pattern.n);
    clear_lanes::<4>(&mut values[done..], pattern);
}

by_level! {
    fn mark_8_at(values: &[f32], pattern: NOfM, keep: &mut [bool]) = mark_lanes::<8>;
    fn mark_16_at(values: &[f32], pattern: NOfM, keep: &mut [bool]) = mark_lanes::<16>;
    fn clear_8_at(values: &mut [f32], pattern: NOfM) = clear_lanes::<8>;
    fn clear_16_at(values: &mut [f32], pattern: NOfM) = clear_lanes::<16>;
}

#[inline(always)]
fn mark_lanes<const M: usize>(values: &[f32], pattern: NOfM, keep: &mut [bool]) {
    let batch = M * LANES;
    let mut whole = values.chunks_exact(batch);
    let mut keeps = keep.chunks_exact_mut(batch);
    for (values, keep) in whole.by_ref().zip(keeps.by_ref()) {
        ranks::<M>(values, pattern.n, keep);
    }
    mark_any(whole.remainder(), pattern, keeps.into_remainder());
}

#[inline(always)]
fn clear_lanes<const M: usize>(values: &mut [f32], pattern: NOfM) {
    let batch = M * LANES;
    let mut keep = [false; BATCH];
    let mut whole = values.chunks_exact_mut(batch);
    for values in whole.by_ref() {
        ranks::<M>(values, pattern.n, &mut keep[..batch]);
        zero(values, &keep);
    }
    let rest = whole.into_remainder();
    mark_any(rest, pattern, &mut keep[..rest.len()]);
    zero(rest, &keep);
}

#[inline(always)]
fn zero(values: &mut [f32], keep: &[bool]) {
    for (value, &keep) in values.iter_mut().zip(keep) {
        *value = if keep { *value } else { 0.0 };
    }
}

/// Sixteen groups by the ranks of their values.
#[inline(always)]
fn ranks<const M: usize>(values: &[f32], n: usize, keep: &mut [bool]) {
    let mut keys = [[0i32; LANES]; M];
    for lane in 0..LANES {
        for j in 0..M {
            keys[j][lane] = (values[lane * M + j].to_bits() & 0x7fff_ffff) as i32;
        }
    }
    let mut rank = [[0i32; LANES]; M];
    for i in 0..M {
        for j in i + 1..M {
            for lane in 0..LANES {
                let first_wins = i32::from(keys[i][lane] >= keys[j][lane]);
                rank[j][lane] += first_wins;
                rank[i][lane] += 1 - first_wins;
            }
        }
    }
    for lane in 0..LANES {
        for j in 0..M {
            keep[lane * M + j] = rank[j][lane] < n as i32;
        }
    }
}

/// Any number of groups of any M, the last maybe shorter.
fn mark_any(values: &[f32], NOfM { n, m }: NOfM, keep: &mut [bool]) {
    let mut keys: Vec<u64> = Vec::new();
    for (values, keep) in values.chunks(m).zip(keep.chunks_mut(m)) {
        if n >= values.len() || n == 0 {
            keep.fill(n > 0);
            continue;
        }
        // Distinct, and the first of equal magnitudes the largest.
        let key = |(i, x): (usize, &f32)| {
            (u64::from(x.to_bits() & 0x7fff_ffff) << 32) | u64::from(u32::MAX - i as u32)
        };
        keys.clear();
        keys.extend(values.iter().enumerate().map(key));
        let (_, &mut least, _) = keys.select_nth_unstable_by(n - 1, |a, b| b.cmp(a));
        for (keep, value) in keep.iter_mut().zip(values.iter().enumerate()) {
            *keep = key(value) >= least;
        }
    }
}
