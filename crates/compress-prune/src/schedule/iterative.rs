//! Iterative pruning: rounds that each prune the same fraction of what is left.

use compress_core::ops::power::power;

use super::contract::{Schedule, check_positive};
use crate::{Error, Result};

/// Prunes in rounds, and trains before each and after the last: the pruning period is cut into
/// `rounds` equal parts, and each ends with a pruning. Every round prunes the same fraction of what is
/// left: after round k of n, with densities dᵢ at the start and d_f at the end, the density is
/// dᵢ · (d_f / dᵢ)^(k/n). One round prunes once, at the end of the period.
///
/// The rounds of lottery tickets, with a rewinding after each, are planned by
/// [`Iterative::densities`] (see [`crate::Snapshot`]).
///
/// # Errors
/// In [`Schedule::check`]: without rounds, and where the final density is 0.
///
/// # Examples
/// ```
/// use compress_prune::{Iterative, Schedule};
///
/// let halving = Iterative { rounds: 2 };
/// assert_eq!([0.0, 0.4, 0.6, 1.0].map(|t| halving.density(1.0, 0.25, t)), [1.0, 1.0, 0.5, 0.25]);
/// ```
///
/// # References
/// Han, Pool, Tran, Dally 2015 (1506.02626), section 3, figure 2: train, prune, train, and again;
/// Frankle and Carbin 2019 (1803.03635), section 1, "iterative pruning": each of n rounds prunes
/// p^(1/n) % of the weights that survive the round before.
#[derive(Clone, Copy, Debug)]
pub struct Iterative {
    /// How often it prunes.
    pub rounds: usize,
}

impl Default for Iterative {
    /// Ten rounds: to a tenth of the weights, each prunes 21 % of what is left.
    fn default() -> Self {
        Iterative { rounds: 10 }
    }
}

impl Iterative {
    /// The density after each round.
    ///
    /// # Errors
    /// As [`Schedule::check`]; and where the densities are not from 0 to 1, or `target` is above
    /// `initial`.
    ///
    /// # Examples
    /// ```
    /// let plan = compress_prune::Iterative { rounds: 3 }.densities(1.0, 0.125)?;
    /// let expected = [0.5, 0.25, 0.125];
    /// assert!(plan.iter().zip(expected).all(|(d, e)| (d - e).abs() < 1e-12));
    /// # Ok::<(), compress_prune::Error>(())
    /// ```
    pub fn densities(&self, initial: f64, target: f64) -> Result<Vec<f64>> {
        crate::error::check_densities(initial, target)?;
        self.check(initial, target)?;
        let rounds = 1..=self.rounds;
        Ok(rounds.map(|k| self.after(k, initial, target)).collect())
    }

    /// The density after `round` rounds.
    fn after(&self, round: usize, initial: f64, target: f64) -> f64 {
        if round >= self.rounds {
            return target;
        }
        initial * power(target / initial, round as f64 / self.rounds as f64)
    }
}

impl Schedule for Iterative {
    fn name(&self) -> &'static str {
        "iterative"
    }

    fn check(&self, _: f64, target: f64) -> Result<()> {
        if self.rounds == 0 {
            let error = compress_core::Error::invalid("rounds of pruning", 0, "at least 1");
            return Err(Error::Core(error));
        }
        check_positive(self.name(), target)
    }

    fn density(&self, initial: f64, target: f64, elapsed: f64) -> f64 {
        // A quotient of steps can be rounded to just below a whole number of rounds.
        const ROUNDING: f64 = 1e-9;
        let round = (elapsed * self.rounds as f64 + ROUNDING).floor();
        self.after(round as usize, initial, target)
    }
}
