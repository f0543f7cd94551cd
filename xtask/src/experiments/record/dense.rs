//! The track `dense`: no pruning. Dense students from the teachers' logits alone, then rounded
//! without training.

use compress_core::codec::Granularity;
use compress_core::network::Network;
use compress_format::artifact::Artifact;
use compress_quant::ptq::{Others, quantize_model};
use compress_quant::schemes::LinearSymmetric;

use super::alone::{Alone, Variant};
use super::alone_settings::{DENSE_GOAL, DenseSettings, Rounding};
use super::lab::{Plan, Student};
use super::results::Measured;
use super::setup::Setup;
use super::summary::{Column, cell, mean, push, push_row, seed_table};
use crate::experiments::network::of_file;
use crate::run::{Run, RunError};

/// Trains the teachers, then the students of all seeds, rounds them, then measures.
pub(super) fn run(run: &Run, settings: &DenseSettings) -> Result<(), RunError> {
    let common = &settings.common;
    let setup = Setup::new(run, common.lessons, common.seeds)?;
    let students = setup.stages(&setup.names("dense"), |lab, i| {
        let seed = setup.seeds[i];
        let plan = Plan {
            stage: "dense".into(),
            temperature: settings.temperature,
            passes: settings.passes,
            rate: settings.rate,
            weight_decay: settings.weight_decay,
            seed,
        };
        let network = lab.untrained(common.hidden, seed)?;
        let (network, epochs) = lab.train(network, &plan, &mut [])?;
        Student::of(&network, epochs)
    })?;
    let mut variants = Vec::new();
    for rounding in &settings.roundings {
        let students = students.iter().map(|student| rounded(student, rounding));
        variants.push(Variant {
            name: rounding.name.into(),
            file: format!("int{}", rounding.bits),
            students: students.collect::<Result<_, _>>()?,
        });
    }
    let float = Variant {
        name: "f32".into(),
        file: "f32".into(),
        students,
    };
    variants.insert(0, float);
    let alone = Alone::measured(&setup, common.track, common.test_limit, variants)?;
    let tables = tables(settings, &alone, &setup.seeds);
    alone.write(&tables, settings.describe())
}

/// The weights in few bits, the biases as they were.
fn rounded(student: &Student, rounding: &Rounding) -> compress_core::Result<Student> {
    let network = of_file(&student.file)?;
    let scheme = LinearSymmetric::new(rounding.bits, Granularity::Channel, rounding.range)?;
    let tensors = quantize_model(&network, &scheme, Others::Float)?;
    let artifact = Artifact::of_chain(network.architecture(), tensors)?;
    let (file, _) = artifact.to_bytes()?;
    Ok(Student {
        file,
        epochs: Vec::new(),
    })
}

fn tables(settings: &DenseSettings, alone: &Alone<'_, '_>, seeds: &[u64]) -> String {
    let counts = |name: &str, of: &dyn Fn(&Measured) -> Option<usize>| {
        let columns = alone.variants().map(|(variant, students)| {
            let values = students.iter().map(|s| of(s).map(|n| n as f64));
            let name = format!("{}{name}", variant.name);
            Column::of(name, 0, values.collect())
        });
        columns.collect::<Vec<Column>>()
    };
    let validation = counts(", validation errors", &|s| Some(s.validation_errors));
    let test = counts(", test errors", &|s| s.test_errors);
    let bytes = counts("", &|s| Some(s.file.len()));
    let mut out = format!(
        "## Errors\n\n{} from the teachers' logits alone, then rounded with a scale for each channel and not trained again. Means of the seeds.\n\n| | validation errors | more than f32 | test errors | more than f32 | goal |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        settings.common.student()
    );
    goals(settings, &validation, &test, &mut out);
    push(&mut out, "\n## Seeds\n\n");
    let errors: Vec<Column> = validation.into_iter().chain(test).collect();
    seed_table(seeds, &errors, &mut out);
    push(&mut out, "\n## Bytes of the file\n\n");
    seed_table(seeds, &bytes, &mut out);
    out
}

/// The mean errors and what they are to be.
fn goals(settings: &DenseSettings, validation: &[Column], test: &[Column], out: &mut String) {
    let names = settings.roundings.iter();
    let roundings = names.map(|r| (r.name, format!("within {} of f32", r.goal)));
    let float = ("f32", format!("at most {DENSE_GOAL}"));
    let means = |columns: &[Column]| -> Vec<Option<f64>> {
        columns.iter().map(|c| c.statistic(mean)).collect()
    };
    let (validation, test) = (means(validation), means(test));
    for (i, (name, goal)) in std::iter::once(float).chain(roundings).enumerate() {
        let more = |means: &[Option<f64>]| match i {
            0 => None,
            _ => means[i].zip(means[0]).map(|(mean, float)| mean - float),
        };
        let cells = [
            cell(validation[i], 1),
            cell(more(&validation), 1),
            cell(test[i], 1),
            cell(more(&test), 1),
            goal,
        ];
        push_row(out, name, cells.into_iter());
    }
}
