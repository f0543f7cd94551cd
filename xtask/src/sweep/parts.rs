//! Doing runs, all or a part of them, and finding them again for the report.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::measured::Measured;
use super::outcome::Outcome;
use super::{Shard, Sweep};
use crate::run::{Run, RunError};
use crate::store::{self, Earlier, Store};

/// Does all runs that are not finished.
pub(super) fn run_all<S: Sweep>(run: &Run, sweep: &S) -> Result<(), RunError> {
    do_runs(run, sweep, sweep.cases())
}

/// Does the runs of a part, and says what to do with them.
pub(super) fn run_shard<S: Sweep>(run: &Run, sweep: &S, shard: Shard) -> Result<(), RunError> {
    let cases = sweep.cases();
    check_unique(
        &cases
            .iter()
            .map(|case| sweep.name(case))
            .collect::<Vec<_>>(),
    )?;
    let cases = cases.into_iter().enumerate();
    let cases: Vec<_> = cases
        .filter(|(i, _)| shard.has(*i))
        .map(|(_, c)| c)
        .collect();
    let count = cases.len();
    do_runs(run, sweep, cases)?;
    let page = format!(
        "{count} runs of shard {shard} are finished in {}; when all shards are, make the report with --merge and their folders",
        run.folder().display()
    );
    run.finish_without_report(&page, &[])
}

/// Does these runs and those that they need.
fn do_runs<S: Sweep>(run: &Run, sweep: &S, cases: Vec<S::Case>) -> Result<(), RunError> {
    let mut known = HashMap::new();
    let mut all: Vec<(S::Case, Option<usize>)> = Vec::new();
    for case in cases {
        add(sweep, case, &mut known, &mut all);
    }
    let names: Vec<String> = all.iter().map(|(case, _)| sweep.name(case)).collect();
    let needed = |i: usize| all[i].1;
    let store = &run.store;
    run.run_missing(&names, needed, |i| {
        let outcome: Option<Outcome> = match needed(i) {
            None => None,
            Some(needed) => store.load(&names[needed])?,
        };
        sweep.run(&all[i].0, outcome)
    })
}

/// Fails where two runs have the same name.
fn check_unique(names: &[String]) -> Result<(), RunError> {
    let mut known = HashSet::new();
    match names
        .iter()
        .find(|name| !known.insert(store::file_name(name)))
    {
        None => Ok(()),
        Some(twice) => Err(RunError::measure(
            format!("two runs are named {twice:?}").into(),
        )),
    }
}

/// Adds a case behind the one that it needs, each once; returns its number.
fn add<S: Sweep>(
    sweep: &S,
    case: S::Case,
    known: &mut HashMap<String, usize>,
    all: &mut Vec<(S::Case, Option<usize>)>,
) -> usize {
    let name = sweep.name(&case);
    if let Some(&number) = known.get(&name) {
        return number;
    }
    let needed = sweep
        .needs(&case)
        .map(|needed| add(sweep, needed, known, all));
    known.insert(name, all.len());
    all.push((case, needed));
    all.len() - 1
}

/// The stores of finished runs in these folders, each of a run or of several shards.
pub(super) fn stores(run: &Run, folders: &[PathBuf]) -> Result<Vec<Store>, RunError> {
    let mut stores = Vec::new();
    for folder in folders {
        let before = stores.len();
        let read = |source| RunError::Read {
            path: folder.clone(),
            source,
        };
        let mut places = vec![folder.clone()];
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.is_dir() {
                places.push(path);
            }
        }
        places.sort();
        for place in places.iter().map(|place| place.join("stages")) {
            if !store::stages_in(&place)?.is_empty() {
                stores.push(Store::open(&place, run.settings(), Earlier::Resume, None)?);
            }
        }
        if stores.len() == before {
            return Err(RunError::NoRuns {
                path: folder.clone(),
            });
        }
    }
    Ok(stores)
}

/// Measures the models of all runs, which must be in one of the stores, and writes the report. This
/// is where the test set is opened.
pub(super) fn report<S: Sweep>(run: &Run, sweep: &S, stores: &[&Store]) -> Result<(), RunError> {
    let cases = sweep.cases();
    let names: Vec<String> = cases.iter().map(|case| sweep.name(case)).collect();
    check_unique(&names)?;
    let place = |name: &String| stores.iter().find(|store| store.holds(name));
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| place(name).is_none())
        .map(String::as_str)
        .collect();
    if let [first, ..] = missing[..] {
        return Err(RunError::Missing {
            count: missing.len(),
            of: names.len(),
            first: first.to_owned(),
        });
    }
    let (_, validation) = run.split_images()?;
    let test = run.test_images(run.profile.pick(None, Some(1_000)))?;
    if test.is_some() {
        let count = stores.iter().map(|store| store.opened()).max();
        run.progress.line(format_args!(
            "the test set is opened for these runs, time number {}",
            count.unwrap_or(1)
        ));
    }
    let bar = run.progress.bar("measuring", Some(names.len()));
    let (mut results, mut timed) = (Vec::new(), HashSet::new());
    for (case, name) in cases.into_iter().zip(&names) {
        let stored = place(name).map(|store| store.load::<Outcome>(name));
        let outcome = stored.transpose()?.flatten();
        let outcome = outcome.ok_or_else(|| RunError::Missing {
            count: 1,
            of: names.len(),
            first: name.clone(),
        })?;
        let models = outcome.models.into_iter();
        let measured = models.map(|model| {
            let mut measured = Measured::of(model, &validation, test.as_ref())?;
            if S::TIMED && timed.insert(measured.widths.clone()) {
                measured.time(&validation)?;
            }
            Ok::<_, RunError>(measured)
        });
        results.push((case, measured.collect::<Result<Vec<_>, _>>()?));
        bar.step();
    }
    drop(bar);
    sweep.page(&results)?.write(run, &names, &results)
}
