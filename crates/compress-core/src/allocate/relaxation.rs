//! The allocation problem where parts of a choice may be taken: a lower bound, and a first
//! allocation.

use super::frontier::{Offer, total};

/// A step along the lower convex hull of an item's offers.
#[derive(Clone, Copy, Debug)]
struct Edge {
    item: usize,
    /// The positions of its ends among the item's offers.
    from: usize,
    to: usize,
    /// How much more the end takes, and how much less it costs.
    demand: f64,
    saving: f64,
    /// Saving for each unit of demand.
    rate: f64,
}

/// The lower convex hulls of all items.
pub(super) struct Relaxation {
    /// All edges, the highest rate first. Those of one item are in their order.
    edges: Vec<Edge>,
    /// For each item the demand of its first offer, and the cost of its last.
    ends: Vec<(f64, f64)>,
}

impl Relaxation {
    pub(super) fn of(frontiers: &[Vec<Offer>]) -> Self {
        let hulls = frontiers.iter().enumerate();
        let mut edges: Vec<Edge> = hulls.flat_map(|(i, offers)| hull(i, offers)).collect();
        edges.sort_by(|a, b| b.rate.total_cmp(&a.rate));
        let ends = |offers: &Vec<Offer>| (offers[0].demand, offers[offers.len() - 1].cost);
        Relaxation {
            edges,
            ends: frontiers.iter().map(ends).collect(),
        }
    }

    /// What the items from number `first` on cost at least, by what they may take.
    pub(super) fn curve(&self, first: usize) -> Curve {
        let edges = || self.edges.iter().filter(|edge| edge.item >= first);
        let ends = &self.ends[first..];
        let mut demands = vec![ends.iter().map(|end| end.0).sum()];
        let mut costs: Vec<f64> = vec![ends.iter().map(|end| end.1).sum()];
        for edge in edges() {
            demands.push(demands[demands.len() - 1] + edge.demand);
        }
        // From the cheap end: the sums of savings are then as exact as the small costs.
        for edge in edges().rev() {
            costs.push(costs[costs.len() - 1] + edge.saving);
        }
        costs.reverse();
        Curve { demands, costs }
    }

    /// An allocation within the budget near the solution of the relaxation, as positions of offers:
    /// the edges in their order, while they fit, and then what still fits.
    pub(super) fn round(&self, frontiers: &[Vec<Offer>], budget: f64) -> Vec<usize> {
        let least = vec![0; frontiers.len()];
        let (mut positions, mut taken) = (least.clone(), total(frontiers, &least).1);
        for edge in &self.edges {
            if positions[edge.item] == edge.from && taken + edge.demand <= budget {
                positions[edge.item] = edge.to;
                taken += edge.demand;
            }
        }
        for (position, offers) in positions.iter_mut().zip(frontiers) {
            let others = taken - offers[*position].demand;
            let fits = offers.iter().rposition(|o| others + o.demand <= budget);
            *position = fits.map_or(*position, |fits| fits.max(*position));
            taken = others + offers[*position].demand;
        }
        // The sums above may round in another way than those of the result.
        match total(frontiers, &positions).1 <= budget {
            true => positions,
            false => least,
        }
    }
}

/// The edges of the lower convex hull of an item's offers, in order.
fn hull(item: usize, offers: &[Offer]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for to in 1..offers.len() {
        let mut from = to - 1;
        loop {
            let demand = offers[to].demand - offers[from].demand;
            let saving = offers[from].cost - offers[to].cost;
            let rate = saving / demand;
            match edges.last() {
                Some(last) if last.rate <= rate => {
                    from = last.from;
                    edges.pop();
                }
                _ => {
                    edges.push(Edge {
                        item,
                        from,
                        to,
                        demand,
                        saving,
                        rate,
                    });
                    break;
                }
            }
        }
    }
    edges
}

/// The least cost of some items by what they may take: straight lines between points.
pub(super) struct Curve {
    /// Not falling.
    demands: Vec<f64>,
    /// Not rising.
    costs: Vec<f64>,
}

impl Curve {
    /// What the items cost at least if they may take `budget`; nothing where they need more.
    pub(super) fn least_cost(&self, budget: f64) -> Option<f64> {
        let after = self.demands.partition_point(|&demand| demand <= budget);
        let before = after.checked_sub(1)?;
        let Some(&end) = self.demands.get(after) else {
            return Some(self.costs[before]);
        };
        let left = (end - budget) / (end - self.demands[before]);
        let (most, least) = (self.costs[before], self.costs[after]);
        Some(least + left * (most - least))
    }
}
