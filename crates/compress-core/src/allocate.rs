//! Allocation: one choice for each item, at the least total cost within a budget.
//!
//! Pruning chooses a density for each tensor, quantization a number of bits. Both know what each
//! choice costs (an error) and what it takes of a budget (weights, bytes).

use std::cmp::Ordering;

use self::frontier::{Offer, frontier, total};
use self::relaxation::Relaxation;
use crate::{Error, Result};

mod frontier;
mod relaxation;
#[cfg(test)]
mod tests;

pub use self::frontier::Choice;

/// Up to this many partial allocations all are kept, and the result is exact.
const EXACT: usize = 1 << 13;

/// Beyond that, the cost may be above the least one by this share of the lower bound.
const TOLERANCE: f64 = 0.005;

/// About the most partial allocations that are kept in any case.
const MOST: usize = 1 << 16;

/// A choice for each item.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// The position of each item's choice in its list.
    pub choices: Vec<usize>,
    /// The sum of their costs, added in the order of the items.
    pub cost: f64,
    /// The sum of their demands, added in the order of the items; at most the budget.
    pub demand: f64,
    /// No allocation within the budget costs less than this. Equals `cost` where the allocation is
    /// known to be the best.
    pub bound: f64,
}

/// Chooses one of the choices of each item, so that the sum of demands is at most `budget` and the
/// sum of costs is the least (the multiple-choice knapsack problem).
///
/// The result is exact, up to the rounding of sums, while at most 8,192 partial allocations remain
/// that may lead to a better one. That holds for all small problems and for most large ones. Beyond
/// that, the cost is within 0.5 % of the least, unless that would take more than 65,536 of them.
/// [`Allocation::bound`] says how near it is.
///
/// Of choices with the same cost and demand the first is taken. The same input gives the same
/// allocation everywhere.
///
/// # Method
/// Dynamic programming on lists of partial allocations of which none costs less and takes less
/// than another. The relaxation of the items that are left (parts of a choice may be taken, which
/// the lower convex hulls solve) says what each can cost at least. Those that cannot cost less than
/// the best allocation known are dropped.
///
/// # Errors
/// Where a cost or demand is negative, an item has no choice that is finite, the sums leave f64, the
/// budget is NaN, or not even the least demands are within it.
///
/// # Examples
/// Two tensors of 100 and 400 values at 2, 4 or 8 bits each: the least error within 200 bytes.
///
/// ```
/// use compress_core::allocate::{Choice, allocate};
///
/// let tensor = |values: f64, errors: [f64; 3]| -> Vec<Choice> {
///     let bytes = [2.0, 4.0, 8.0].map(|bits| bits * values / 8.0);
///     let choices = errors.into_iter().zip(bytes);
///     choices.map(|(cost, demand)| Choice { cost, demand }).collect()
/// };
/// let items = [tensor(100.0, [0.9, 0.4, 0.1]), tensor(400.0, [0.5, 0.4, 0.3])];
/// let found = allocate(&items, 200.0)?;
/// assert_eq!(found.choices, [2, 0]);
/// assert_eq!(found.demand, 200.0);
/// assert_eq!(found.bound, found.cost);
/// assert!(allocate(&items, 100.0).is_err());
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Nemhauser and Ullmann 1969, *Discrete dynamic programming and capital allocation*: the lists.
/// Sinha and Zoltners 1979, *The multiple-choice knapsack problem*: the relaxation.
/// Shoham and Gersho 1988, *Efficient bit allocation for an arbitrary set of quantizers*: the same
/// hulls for bits.
pub fn allocate(items: &[Vec<Choice>], budget: f64) -> Result<Allocation> {
    let frontiers = items.iter().enumerate().map(|(i, item)| frontier(i, item));
    let frontiers: Vec<Vec<Offer>> = frontiers.collect::<Result<_>>()?;
    let budget = check(&frontiers, budget)?;
    let relaxation = Relaxation::of(&frontiers);
    let greedy = relaxation.round(&frontiers, budget);
    let (cost, demand) = total(&frontiers, &greedy);
    let known = Allocation {
        choices: greedy,
        cost,
        demand,
        bound: relaxation.curve(0).least_cost(budget).unwrap_or(0.0),
    };
    let mut best = improve(&frontiers, &relaxation, budget, known);
    for (choice, frontier) in best.choices.iter_mut().zip(&frontiers) {
        *choice = frontier[*choice].choice;
    }
    Ok(best)
}

/// Fails where no allocation is within the budget, or sums are not finite; returns the budget, or
/// all that can be taken, if that is less.
fn check(frontiers: &[Vec<Offer>], budget: f64) -> Result<f64> {
    // An offer that takes more costs less.
    let first = vec![0; frontiers.len()];
    let last: Vec<usize> = frontiers.iter().map(|f| f.len() - 1).collect();
    let (most_cost, least) = total(frontiers, &first);
    let (_, most) = total(frontiers, &last);
    for (what, sum) in [("costs", most_cost), ("demands", most)] {
        if !sum.is_finite() {
            let what = format!("the sum of the {what} of all items");
            return Err(Error::invalid(what, sum, "finite"));
        }
    }
    if budget >= least {
        return Ok(budget.min(most));
    }
    let expected = format!("at least {least}, the sum of the least demands");
    Err(Error::invalid("the budget", budget, expected))
}

/// An allocation of the first items.
#[derive(Clone, Copy)]
struct Partial {
    cost: f64,
    demand: f64,
    /// Its allocation of all but the last of those items, in the list before.
    before: usize,
    /// The position of the last item's offer.
    offer: usize,
}

/// The best allocation there is, or `known` where none is better. `known.bound` is the lower bound of
/// the relaxation.
fn improve(
    frontiers: &[Vec<Offer>],
    relaxation: &Relaxation,
    budget: f64,
    known: Allocation,
) -> Allocation {
    // Rounding of sums must not exclude what is just within the budget.
    let slack = 1e-12 * budget;
    let share = 0.5 * TOLERANCE * known.bound;
    // What is lost at most, and what is worth keeping.
    let (mut lost, mut ceiling) = (0.0, known.cost);
    let mut partials = vec![Partial {
        cost: 0.0,
        demand: 0.0,
        before: 0,
        offer: 0,
    }];
    let mut history: Vec<Vec<(usize, usize)>> = Vec::with_capacity(frontiers.len());
    for (item, frontier) in frontiers.iter().enumerate() {
        let rest = relaxation.curve(item + 1);
        let mut next = Vec::new();
        for (before, partial) in partials.iter().enumerate() {
            for (position, offer) in frontier.iter().enumerate() {
                let (cost, demand) = (partial.cost + offer.cost, partial.demand + offer.demand);
                // Later offers take more.
                let Some(least) = rest.least_cost(budget - demand + slack) else {
                    break;
                };
                if cost + least < ceiling {
                    next.push(Partial {
                        cost,
                        demand,
                        before,
                        offer: position,
                    });
                }
            }
        }
        keep_undominated(&mut next);
        if next.len() > EXACT {
            if lost == 0.0 {
                (lost, ceiling) = (share, known.cost - share);
            }
            lost += thin(&mut next, share / frontiers.len() as f64);
        }
        history.push(next.iter().map(|p| (p.before, p.offer)).collect());
        partials = next;
    }
    // They are sorted: the last within the budget costs the least.
    let within = partials.iter().rposition(|p| p.demand <= budget);
    let best = match within {
        Some(at) if partials[at].cost < known.cost => Allocation {
            choices: trace(&history, at),
            cost: partials[at].cost,
            demand: partials[at].demand,
            ..known
        },
        _ => known,
    };
    Allocation {
        bound: best.bound.max(best.cost - lost).min(best.cost),
        ..best
    }
}

/// Sorts by demand, and drops all that cost no less than one that takes no more.
fn keep_undominated(partials: &mut Vec<Partial>) {
    let order = |a: &Partial, b: &Partial| -> Ordering {
        let by_size = a
            .demand
            .total_cmp(&b.demand)
            .then(a.cost.total_cmp(&b.cost));
        by_size.then((a.before, a.offer).cmp(&(b.before, b.offer)))
    };
    partials.sort_unstable_by(order);
    let mut least = f64::INFINITY;
    partials.retain(|partial| {
        let better = partial.cost < least;
        least = least.min(partial.cost);
        better
    });
}

/// Keeps of those whose costs are within `step` the one that takes the least. Makes the step so wide
/// that about [`MOST`] remain, and returns it.
fn thin(partials: &mut Vec<Partial>, step: f64) -> f64 {
    let (Some(first), Some(last)) = (partials.first(), partials.last()) else {
        return 0.0;
    };
    // Costs fall from the first to the last.
    let (most, least) = (first.cost, last.cost);
    let step = step.max((most - least) / MOST as f64);
    let mut cell = f64::INFINITY;
    partials.retain(|partial| {
        let own = ((partial.cost - least) / step).floor();
        let new = own < cell;
        cell = own;
        new
    });
    step
}

/// The positions that led to entry `at` of the last list.
fn trace(history: &[Vec<(usize, usize)>], mut at: usize) -> Vec<usize> {
    let mut positions = Vec::with_capacity(history.len());
    for list in history.iter().rev() {
        let (before, offer) = list[at];
        positions.push(offer);
        at = before;
    }
    positions.reverse();
    positions
}
