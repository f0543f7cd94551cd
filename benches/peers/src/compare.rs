//! Rounds, medians and ratios.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ours::Ours;
use crate::server::Server;
use crate::timing::median;
use crate::{Cli, Finding, PeersError};

/// All that was measured of one row, round after round.
#[derive(Default)]
struct Measurements {
    ours: Vec<f64>,
    unit: String,
    peers: BTreeMap<String, Vec<f64>>,
}

/// Measures all rows and prints them.
pub(crate) fn run(cli: &Cli) -> Result<(), PeersError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cli.threads.map_or(cores, usize::from);
    warn_of_plain_build();
    let ours = Ours::build(threads)?;
    let mut servers = Servers::default();
    let mut rows = Vec::new();
    for name in ours.names(cli.filter.as_deref())? {
        let servers = servers.on(threads_of(&name, threads), cli.python.as_deref())?;
        let row = measure(&name, cli.rounds.into(), &ours, servers)?;
        rows.push((name, row));
    }
    println!(
        "{:<44} | {:>9} | {:>9} | {:<7} | {:<28} | {:>6}",
        "name", "ours", "best peer", "unit", "its name", "ratio"
    );
    for (name, row) in &rows {
        println!("{}", line(name, row));
    }
    Ok(())
}

fn measure(
    name: &str,
    rounds: usize,
    ours: &Ours,
    servers: &mut [Server],
) -> Result<Measurements, PeersError> {
    let mut row = Measurements::default();
    for round in 1..=rounds {
        let found = ours.measure(name)?;
        eprintln!("{name} {round}: {:.3} {} ours", found.value, found.unit);
        row.ours.push(found.value);
        row.unit = found.unit;
        for server in &mut *servers {
            for Finding {
                peer, value, unit, ..
            } in server.ask(name)?
            {
                if unit != row.unit {
                    let ours = &row.unit;
                    let fault = format!("{name}: {peer} counts in {unit}, and ours in {ours}");
                    return Err(PeersError::Failed(fault));
                }
                eprintln!("{name} {round}: {value:.3} {unit} {peer}");
                row.peers.entry(peer).or_default().push(value);
            }
        }
    }
    Ok(row)
}

fn line(name: &str, row: &Measurements) -> String {
    let ours = median(&row.ours);
    let medians = row
        .peers
        .iter()
        .map(|(peer, values)| (peer, median(values)));
    let best = medians.reduce(|a, b| {
        if ratio(&row.unit, a.1, b.1) >= 1.0 {
            a
        } else {
            b
        }
    });
    let unit = &row.unit;
    match best {
        Some((peer, value)) => {
            let ratio = ratio(unit, ours, value);
            format!(
                "{name:<44} | {ours:>9.3} | {value:>9.3} | {unit:<7} | {peer:<28} | {ratio:>6.2}"
            )
        }
        None => format!(
            "{name:<44} | {ours:>9.3} | {:>9} | {unit:<7} | {:<28} | {:>6}",
            "-", "none", "-"
        ),
    }
}

/// How many times as fast `a` is as `b`.
fn ratio(unit: &str, a: f64, b: f64) -> f64 {
    if unit.ends_with("/s") { a / b } else { b / a }
}

/// The end of a row's name says on how many threads it runs; or else it is `all`.
fn threads_of(name: &str, all: usize) -> usize {
    let (_, last) = name.rsplit_once('/').unwrap_or_default();
    let said = last.strip_prefix('t').and_then(|n| n.parse().ok());
    said.filter(|&threads| threads > 0).unwrap_or(all)
}

/// The peers' processes, by their number of threads.
#[derive(Default)]
struct Servers {
    started: BTreeMap<usize, Vec<Server>>,
}

impl Servers {
    /// Those on so many threads; started where they are not.
    fn on(&mut self, threads: usize, python: Option<&Path>) -> Result<&mut [Server], PeersError> {
        let mut started = match self.started.remove(&threads) {
            Some(started) => started,
            None => vec![Server::rust(threads)?],
        };
        if let (1, Some(python)) = (started.len(), python) {
            started.push(Server::python(python, threads)?);
        }
        Ok(self.started.entry(threads).or_insert(started))
    }
}

/// Some peers have slow loops where the compiler was not told of the processor.
fn warn_of_plain_build() {
    if cfg!(all(target_arch = "x86_64", not(target_feature = "avx2"))) {
        eprintln!(
            "warning: the Rust peers were built without `-C target-cpu=native`, so they are \
             slower than they could be; `cargo peers` from the root builds them with it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_means_that_the_first_is_faster() {
        assert_eq!(ratio("GFLOP/s", 3.0, 1.0), 3.0);
        assert_eq!(ratio("µs", 3.0, 1.0), 1.0 / 3.0);
    }

    #[test]
    fn the_best_peer_is_the_fastest_in_either_kind_of_unit() {
        let row = |unit: &str| Measurements {
            ours: vec![4.0],
            unit: unit.into(),
            peers: BTreeMap::from([("low".into(), vec![1.0]), ("high".into(), vec![2.0])]),
        };
        let rate = line("a", &row("GOP/s"));
        assert!(rate.contains("high") && rate.ends_with("2.00"), "{rate}");
        let time = line("a", &row("ms"));
        assert!(time.contains("low") && time.ends_with("0.25"), "{time}");
    }

    #[test]
    fn the_name_says_the_threads() {
        assert_eq!(threads_of("gemm_f32/1x1x1/t1", 2), 1);
        assert_eq!(threads_of("prune/threshold/4096x4096", 2), 2);
    }
}
