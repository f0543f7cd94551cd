//! The track `density`: pruning alone. Students in full precision, with a few percent of the
//! weights of 784-300-100-10.

use compress_prune::SecondMoments;

use super::alone::{Alone, Variant};
use super::alone_settings::{DensitySettings, Level, PUBLISHED_BY};
use super::results::Measured;
use super::setup::Setup;
use super::summary::{Column, cell, errors, mean, push, push_row, seed_table};
use crate::experiments::decoded::nonzero;
use crate::run::{Run, RunError};

/// Trains the teachers, then for each level the students of all seeds, then measures.
pub(super) fn run(run: &Run, settings: &DensitySettings) -> Result<(), RunError> {
    let common = &settings.common;
    let setup = Setup::new(run, common.lessons, common.seeds)?;
    let levels = settings.levels.iter();
    let jobs: Vec<(&Level, u64)> = levels
        .flat_map(|level| setup.seeds.iter().map(move |&seed| (level, seed)))
        .collect();
    let stage = |level: &Level| format!("pruned to {} %", level.percent);
    let names = settings.levels.iter().flat_map(|l| setup.names(&stage(l)));
    let names: Vec<String> = names.collect();
    let students = setup.stages(&names, |lab, i| {
        let (level, seed) = jobs[i];
        let pruning = settings.pruning(level);
        lab.pruned(&stage(level), seed, &pruning, Box::new(SecondMoments))
    })?;
    let mut students = students.into_iter();
    let variants = settings.levels.iter().map(|level| Variant {
        name: format!("{} %", level.percent),
        file: format!("{}-percent", level.percent),
        students: students.by_ref().take(setup.seeds.len()).collect(),
    });
    let variants = variants.collect();
    let alone = Alone::measured(&setup, common.track, common.test_limit, variants)?;
    let mut tables = String::new();
    goals(settings, &alone, &mut tables);
    for (variant, students) in alone.variants() {
        push(&mut tables, &format!("\n## {}\n\n", variant.name));
        by_seed(&alone, students, &mut tables);
    }
    alone.write(&tables, settings.describe())
}

/// The mean errors beside what is to be reached.
fn goals(settings: &DensitySettings, alone: &Alone<'_, '_>, out: &mut String) {
    let common = &settings.common;
    push(
        out,
        &format!(
            "## Density and error\n\nIn full precision, on the pixels. Students pruned, each from the hidden neurons that the settings name, to a share of the {} weights and biases of {}; biases are not pruned, and those that are left are counted in a column of their own. What is dead is removed, so that fewer weights may be left. Errors in percent, means of the seeds; published by {PUBLISHED_BY}.\n\n| share | weights at most | validation error | test error | goal | published |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n",
            common.parameters(),
            common.student(),
        ),
    );
    for (level, (variant, students)) in settings.levels.iter().zip(alone.variants()) {
        let columns = errors(&alone.results, students);
        let [_, validation, _, test] = columns.map(|column| column.statistic(mean));
        let cells = [
            settings.pruning(level).weights.to_string(),
            cell(validation, 3),
            cell(test, 3),
            cell(Some(level.goal), 2),
            cell(Some(level.published), 2),
        ];
        push_row(out, &variant.name, cells.into_iter());
    }
}

fn by_seed(alone: &Alone<'_, '_>, students: &[Measured], out: &mut String) {
    let of = |value: &dyn Fn(&Measured) -> usize| {
        students.iter().map(|s| Some(value(s) as f64)).collect()
    };
    let mut columns = vec![
        Column::of("bytes", 0, of(&|s| s.file.len())),
        Column::of("weights", 0, of(&|s| s.weights)),
        Column::of("with biases", 0, of(&with_biases)),
    ];
    columns.extend(errors(&alone.results, students));
    let seeds: Vec<u64> = students.iter().map(|s| s.seed).collect();
    seed_table(&seeds, &columns, out);
}

/// All numbers of the file's network that are not zero.
fn with_biases(student: &Measured) -> usize {
    let parameters = student.decoded.network.parameters();
    parameters.into_iter().map(nonzero).sum()
}
