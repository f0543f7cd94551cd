//! Which part of the runs to do.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// The I-th of N parts, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Whether the run of this number, from 0, is a part of it.
    pub(super) fn has(self, run: usize) -> bool {
        run % self.count == self.index - 1
    }

    /// The folder of its runs within that of all.
    pub(super) fn folder(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give the part and the number of parts, as in 2/5".to_owned();
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let index: usize = index.parse().map_err(|_| wrong())?;
        let count: usize = count.parse().map_err(|_| wrong())?;
        match (1..=count).contains(&index) {
            true => Ok(Shard { index, count }),
            false => Err(format!("parts are numbered from 1 to {count}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_runs_without_overlap() {
        for count in 1..7 {
            let shards: Vec<Shard> = (1..=count)
                .map(|i| format!("{i}/{count}").parse().unwrap())
                .collect();
            for run in 0..20 {
                assert_eq!(shards.iter().filter(|shard| shard.has(run)).count(), 1);
            }
        }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "3", "0/5", "6/5", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        let shard: Shard = "2/5".parse().unwrap();
        assert_eq!(
            (shard.to_string(), shard.folder()),
            ("2/5".into(), "shard-2-of-5".into())
        );
    }
}
