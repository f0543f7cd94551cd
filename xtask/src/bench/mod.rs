//! `cargo xtask bench`: how fast each kernel is, beside what the machine can do.
//!
//! The ceilings are measured first, in the same run ([`ceilings`]); then each row, whose value
//! stands beside the limit that its floor sets: the bytes that must be moved over the bandwidth,
//! or the operations over the peak, whichever takes longer. A row is a function and a line in its
//! family's registry ([`rows`]).

mod ceilings;
mod floor;
mod output;
mod row;
mod rows;
mod timing;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use compress_core::isa::Isa;

use self::ceilings::Ceilings;
use self::row::{Bench, Row};
use self::timing::Patience;
use crate::output::{OutputError, say};
use crate::progress::Progress;

/// Measure the ceilings of the machine, and each kernel beside its own
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The row of this name, or else those whose name contains it [default: all]
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// List the rows and stop
    #[arg(long)]
    list: bool,
    /// Threads of the rows whose name does not say how many [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Write the ceilings and the rows to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Few repetitions: shows that all of it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Leave the ceilings out, and with them the limits: for a comparison with others
    #[arg(long)]
    no_ceilings: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("no row is called or contains {filter:?}; the rows are\n  {}", known.join("\n  "))]
    UnknownFilter {
        /// What was asked for.
        filter: String,
        /// The names that there are.
        known: Vec<String>,
    },
    #[error("a pool of {threads} threads")]
    Pool {
        /// How many were asked for.
        threads: usize,
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    #[error(transparent)]
    Network(#[from] compress_nn::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the results as JSON")]
    Json(#[from] serde_json::Error),
}

/// Measures the ceilings and the chosen rows, prints them and writes them.
///
/// # Errors
/// Where no row is chosen, `COMPRESS_ISA` asks for what the machine lacks, a row fails or the
/// file cannot be written.
pub(crate) fn run(args: BenchArgs) -> Result<(), BenchError> {
    let rows = chosen(rows::all(), args.filter.as_deref())?;
    if args.list {
        for row in &rows {
            say!("{}", row.name())?;
        }
        return Ok(());
    }
    // Asked before anything is done: what cannot work is an error of the call.
    let isa = Isa::active()?;
    if let Some(path) = &args.json {
        output::check_folder(path)?;
    }
    let all = args
        .threads
        .map_or_else(rayon::current_num_threads, usize::from);
    let patience = if args.quick {
        Patience::quick()
    } else {
        Patience::full()
    };
    let progress = Progress::new();
    let mut thread_counts: Vec<usize> = rows.iter().map(|row| row.threads(all)).collect();
    thread_counts.extend([1, all]);
    thread_counts.sort_unstable();
    thread_counts.dedup();
    let mut ceilings = Vec::new();
    if !args.no_ceilings {
        for threads in thread_counts {
            let begin = Instant::now();
            ceilings.push(Ceilings::measure(threads, &patience)?);
            let stage = format!("ceilings, {threads} thread(s)");
            progress.finished(&stage, begin.elapsed().as_secs_f64(), false);
        }
        output::print_ceilings(isa, &ceilings)?;
    }
    let measured = measure(&rows, all, &patience, &progress)?;
    let results = rows.iter().zip(&measured).map(|(row, measured)| {
        let threads = row.threads(all);
        let ceilings = ceilings.iter().find(|c| c.threads == threads);
        output::Result::new(row, measured, ceilings.map(|c| (c, isa)))
    });
    let results: Vec<_> = results.collect();
    output::print_rows(&results)?;
    match args.json {
        Some(path) => output::write_json(&path, isa, &ceilings, &results),
        None => Ok(()),
    }
}

/// The row that is called `filter`, or else those that contain it.
fn chosen(mut rows: Vec<Row>, filter: Option<&str>) -> Result<Vec<Row>, BenchError> {
    let Some(filter) = filter else {
        return Ok(rows);
    };
    let known = rows.iter().map(|row| row.name().to_owned()).collect();
    if rows.iter().any(|row| row.name() == filter) {
        rows.retain(|row| row.name() == filter);
    } else {
        rows.retain(|row| row.name().contains(filter));
    }
    if rows.is_empty() {
        let filter = filter.to_owned();
        return Err(BenchError::UnknownFilter { filter, known });
    }
    Ok(rows)
}

/// Measures each row in a pool of as many threads as its name says, or else `all`.
fn measure(
    rows: &[Row],
    all: usize,
    patience: &Patience,
    progress: &Progress,
) -> Result<Vec<row::Measured>, BenchError> {
    let bar = progress.bar("rows", Some(rows.len()));
    let mut measured = Vec::new();
    for row in rows {
        bar.say(row.name());
        let begin = Instant::now();
        let pool = ceilings::pool(row.threads(all))?;
        let found = pool.install(|| row.measure(&Bench::new(*patience)))?;
        let times = found.repetitions;
        let stage = format!("{} ({times} times)", row.name());
        progress.finished(&stage, begin.elapsed().as_secs_f64(), false);
        bar.step();
        measured.push(found);
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_is_that_row_and_a_part_all_that_contain_it() {
        let one = "infer/784-300-100-10/f32/bs1";
        let rows = chosen(rows::all(), Some(one)).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].name(), one);
        assert!(
            chosen(rows::all(), Some("infer/784-300-100-10/f32"))
                .unwrap()
                .len()
                >= 3
        );
        assert_eq!(chosen(rows::all(), None).unwrap().len(), rows::all().len());
    }

    #[test]
    fn an_unknown_filter_lists_what_there_is() {
        let error = chosen(rows::all(), Some("nothing"))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("\"nothing\""), "{error}");
        for row in rows::all() {
            assert!(error.contains(row.name()), "{error}");
        }
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = rows::all().iter().map(|r| r.name().to_owned()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
