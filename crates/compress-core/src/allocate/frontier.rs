//! The choices of an item, and those of them that can be of use.

use crate::{Error, Result};

/// One way to treat an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// What it costs, such as an error; not negative. A choice whose cost or demand is infinite or
    /// NaN is never chosen.
    pub cost: f64,
    /// What it takes of the budget, such as bytes; not negative.
    pub demand: f64,
}

/// A choice that no other of its item beats in both cost and demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// Its position in the caller's list.
    pub(super) choice: usize,
    pub(super) cost: f64,
    pub(super) demand: f64,
}

/// The choices of item number `item` that none of its other choices beats, by rising demand and
/// falling cost.
pub(super) fn frontier(item: usize, choices: &[Choice]) -> Result<Vec<Offer>> {
    let mut offers = Vec::with_capacity(choices.len());
    for (choice, &Choice { cost, demand }) in choices.iter().enumerate() {
        for (what, value) in [("cost", cost), ("demand", demand)] {
            if value < 0.0 {
                let what = format!("the {what} of choice {choice} of item {item}");
                return Err(Error::invalid(what, value, "not negative"));
            }
        }
        if cost.is_finite() && demand.is_finite() {
            // Adding zero turns -0 into 0, so that equal numbers are equal in order.
            let (cost, demand) = (cost + 0.0, demand + 0.0);
            offers.push(Offer {
                choice,
                cost,
                demand,
            });
        }
    }
    // Stable: of equals the first stays first.
    offers.sort_by(|a, b| {
        a.demand
            .total_cmp(&b.demand)
            .then(a.cost.total_cmp(&b.cost))
    });
    let mut least = f64::INFINITY;
    offers.retain(|offer| {
        let better = offer.cost < least;
        least = least.min(offer.cost);
        better
    });
    match offers.is_empty() {
        true => Err(Error::Empty {
            what: format!("the list of finite choices of item {item}"),
        }),
        false => Ok(offers),
    }
}

/// The sums of costs and demands of the offers at these positions.
pub(super) fn total(frontiers: &[Vec<Offer>], positions: &[usize]) -> (f64, f64) {
    let offers = frontiers.iter().zip(positions).map(|(f, &at)| f[at]);
    offers.fold((0.0, 0.0), |(cost, demand), offer| {
        (cost + offer.cost, demand + offer.demand)
    })
}
