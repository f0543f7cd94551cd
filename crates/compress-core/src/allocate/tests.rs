//! The allocation against all allocations, and against a table over whole demands.

use proptest::prelude::*;

use super::*;
use crate::rng;

fn choice(cost: f64, demand: f64) -> Choice {
    Choice { cost, demand }
}

/// The least cost of all allocations within the budget.
fn brute(items: &[Vec<Choice>], budget: f64) -> Option<f64> {
    fn walk(items: &[Vec<Choice>], budget: f64, cost: f64, demand: f64, best: &mut Option<f64>) {
        let Some((item, rest)) = items.split_first() else {
            if demand <= budget && best.is_none_or(|best| cost < best) {
                *best = Some(cost);
            }
            return;
        };
        for choice in item.iter().filter(|c| (c.cost + c.demand).is_finite()) {
            walk(
                rest,
                budget,
                cost + choice.cost,
                demand + choice.demand,
                best,
            );
        }
    }
    let mut best = None;
    walk(items, budget, 0.0, 0.0, &mut best);
    best
}

/// The least cost by dynamic programming over all whole demands up to the budget.
fn by_table(items: &[Vec<Choice>], budget: usize) -> f64 {
    let mut table = vec![0.0; budget + 1];
    for item in items {
        let least = |room: usize| {
            let fits = item.iter().filter(|c| c.demand as usize <= room);
            let costs = fits.map(|c| c.cost + table[room - c.demand as usize]);
            costs.fold(f64::INFINITY, f64::min)
        };
        table = (0..=budget).map(least).collect();
    }
    table[budget]
}

/// Checks what holds of every result.
fn check_sums(items: &[Vec<Choice>], budget: f64, found: &Allocation) {
    let chosen = || items.iter().zip(&found.choices).map(|(item, &c)| item[c]);
    let cost = chosen().fold(0.0, |sum, c| sum + c.cost);
    let demand = chosen().fold(0.0, |sum, c| sum + c.demand);
    assert_eq!((cost, demand), (found.cost, found.demand));
    assert!(demand <= budget && found.bound <= found.cost);
}

/// Few distinct numbers, so that there are many ties; some of any size; some not allowed.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0_u8..6).prop_map(f64::from),
        6 => 0.0..10.0_f64,
        1 => 0.0..1e9_f64,
        1 => Just(1e-9),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NAN),
    ]
}

fn problem() -> impl Strategy<Value = Vec<Vec<Choice>>> {
    let choice = (number(), number()).prop_map(|(cost, demand)| choice(cost, demand));
    prop::collection::vec(prop::collection::vec(choice, 1..6), 0..7)
}

proptest! {
    #[test]
    fn it_is_the_best_of_all(items in problem(), share in -0.1..1.2_f64) {
        let finite = |item: &Vec<Choice>| item.iter().any(|c| (c.cost + c.demand).is_finite());
        let most = |item: &Vec<Choice>| {
            item.iter().map(|c| c.demand).filter(|d| d.is_finite()).fold(0.0, f64::max)
        };
        let budget = share * items.iter().map(most).sum::<f64>();
        let found = allocate(&items, budget);
        if !items.iter().all(finite) {
            prop_assert!(found.unwrap_err().to_string().contains("finite choices of item"));
            return Ok(());
        }
        let Some(best) = brute(&items, budget) else {
            prop_assert!(found.unwrap_err().to_string().contains("the budget"));
            return Ok(());
        };
        let found = found.unwrap();
        check_sums(&items, budget, &found);
        prop_assert!((found.cost - best).abs() <= 1e-12 * best, "{} {}", found.cost, best);
        prop_assert_eq!(found.bound, found.cost);
    }
}

/// Many items with whole demands below 200. `cost` makes a cost of a demand and of a random number
/// from 0 to 1.
fn large(items: usize, seed: u64, cost: impl Fn(f64, f64) -> f64) -> Vec<Vec<Choice>> {
    let mut stream = rng::stream(seed, "tests.allocate");
    let mut draw = || f64::from(rng::uniform(&mut stream));
    let mut item = || -> Vec<Choice> {
        let demands = (0..8).map(|_| ((200.0 * draw()).floor(), draw()));
        let choices = demands.collect::<Vec<_>>().into_iter();
        choices
            .map(|(d, random)| choice(cost(d, random), d))
            .collect()
    };
    (0..items).map(|_| item()).collect()
}

#[test]
fn large_problems_are_within_half_a_percent() {
    for (items, seed) in [(30, 1), (100, 2)] {
        let problems = [
            // Unrelated; convex with noise; all on one line, where no relaxation decides.
            large(items, seed, |_, random| random),
            large(items, seed, |d, random| (1.0 + 0.1 * random) / (1.0 + d)),
            large(items, seed, |d, _| 200.0 - d),
            large(items, seed, |d, random| 200.0 - d + (3.0 * random).floor()),
        ];
        for (kind, items) in problems.iter().enumerate() {
            for share in [0.2, 0.5, 0.8] {
                let budget = (share * 200.0 * items.len() as f64).floor();
                let best = by_table(items, budget as usize);
                let found = allocate(items, budget).unwrap();
                check_sums(items, budget, &found);
                let allowed = best * (1.0 + TOLERANCE) + 1e-9;
                assert!(
                    found.cost <= allowed,
                    "{kind} {share} {} {best}",
                    found.cost
                );
                assert!(found.bound <= best * (1.0 + 1e-12), "{kind} {share}");
            }
        }
    }
}

#[test]
fn what_is_just_within_the_budget_is_found() {
    // 0.1 ten times is less than 1 in f64, three times more than 0.3.
    let item = vec![choice(1.0, 0.0), choice(0.0, 0.1)];
    let found = allocate(&vec![item.clone(); 10], 1.0).unwrap();
    assert_eq!((found.cost, found.choices), (0.0, vec![1; 10]));
    let found = allocate(&vec![item; 3], 0.3).unwrap();
    assert_eq!(found.cost, 1.0);
}

#[test]
fn small_costs_beside_huge_ones_are_told_apart() {
    let item = |small: f64| {
        vec![
            choice(1e30, 0.0),
            choice(2.0 * small, 1.0),
            choice(small, 2.0),
        ]
    };
    let items = [item(1e-3), item(2e-3), item(3e-3)];
    let found = allocate(&items, 4.0).unwrap();
    assert_eq!(found.choices, [1, 1, 2]);
    assert_eq!(Some(found.cost), brute(&items, 4.0));
}

#[test]
fn no_items_cost_nothing() {
    let found = allocate(&[], 0.0).unwrap();
    assert_eq!(
        (found.choices.len(), found.cost, found.demand),
        (0, 0.0, 0.0)
    );
    assert!(allocate(&[], -1.0).is_err());
}

#[test]
fn what_has_no_answer_is_an_error() {
    let one = vec![choice(1.0, 2.0)];
    for (items, budget, message) in [
        (
            vec![one.clone()],
            f64::NAN,
            "the budget is NaN, but must be at least 2",
        ),
        (
            vec![one.clone()],
            1.9,
            "the budget is 1.9, but must be at least 2",
        ),
        (
            vec![one.clone(), vec![]],
            9.0,
            "finite choices of item 1 is empty",
        ),
        (
            vec![vec![choice(-1.0, 0.0)]],
            9.0,
            "the cost of choice 0 of item 0 is -1",
        ),
        (
            vec![vec![choice(0.0, -2.0)]],
            9.0,
            "the demand of choice 0 of item 0 is -2",
        ),
        (
            vec![vec![choice(f64::MAX, 0.0)]; 2],
            9.0,
            "the sum of the costs",
        ),
        (
            vec![vec![choice(0.0, f64::MAX)]; 2],
            f64::INFINITY,
            "the sum of the demands",
        ),
    ] {
        let error = allocate(&items, budget).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(allocate(&[one], f64::INFINITY).unwrap().demand, 2.0);
}
