//! One choice for each item, with the least sum of errors within a budget.

use compress_core::allocate::{Choice, allocate};

use crate::failure::{Done, Failure, usage};

/// The choices of each item with the least demand.
pub(super) fn least(lists: &[Vec<Choice>]) -> Vec<usize> {
    let least = lists.iter().map(|list| {
        let all = list.iter().enumerate();
        let least = all.min_by(|(_, a), (_, b)| a.demand.total_cmp(&b.demand));
        least.map_or(0, |(choice, _)| choice)
    });
    least.collect()
}

/// Chooses such that `weights` weights have at most `bits` bits on average. Demands are bytes.
pub(super) fn within_bits(lists: &[Vec<Choice>], bits: f64, weights: f64) -> Done<Vec<usize>> {
    let limit = bits * weights / 8.0;
    let least = demand(lists, &least(lists));
    if limit < least {
        let least = 8.0 * least / weights;
        return Err(unmet(format!(
            "{least:.3} bits per weight are the least that can be had"
        )));
    }
    Ok(allocate(lists, limit).map_err(usage)?.choices)
}

/// Chooses such that a file has at most `bytes` bytes. `size` says how many it has with these choices:
/// about their demands, and what does not depend on them.
pub(super) fn within_file(
    lists: &[Vec<Choice>],
    bytes: u64,
    size: &mut dyn FnMut(&[usize]) -> Done<u64>,
) -> Done<Vec<usize>> {
    let least = least(lists);
    let smallest = check_file(bytes, size(&least)?)?;
    let lowest = demand(lists, &least);
    let (mut chosen, mut now, mut rest) = (least.clone(), smallest, f64::NEG_INFINITY);
    loop {
        rest = (now as f64 - demand(lists, &chosen)).max(rest + 1.0);
        let limit = bytes as f64 - rest;
        if limit < lowest {
            return Ok(least);
        }
        chosen = allocate(lists, limit).map_err(usage)?.choices;
        now = size(&chosen)?;
        if now <= bytes {
            return Ok(chosen);
        }
    }
}

/// Fails where a file of the least size has more than `bytes` bytes; gives that size.
pub(super) fn check_file(bytes: u64, smallest: u64) -> Done<u64> {
    match smallest > bytes {
        true => Err(unmet(format!("the file has at least {smallest} bytes"))),
        false => Ok(smallest),
    }
}

fn demand(lists: &[Vec<Choice>], chosen: &[usize]) -> f64 {
    let all = lists.iter().zip(chosen);
    all.map(|(list, &choice)| list[choice].demand).sum()
}

fn unmet(why: String) -> Failure {
    Failure::Usage(format!("the target cannot be met: {why}"))
}
