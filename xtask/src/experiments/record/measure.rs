//! Measures every student's decoded file, the test set last, and makes the report of it.

use std::collections::BTreeSet;

use compress_core::network::Network;
use compress_core::train::Samples;
use compress_distill::{average_logits, teacher_logits};
use compress_nn::data::ImageSet;
use compress_report::plots::FrontierPoint;
use ndarray::Array2;

use super::lab::Student;
use super::settings::{Settings, Track};
use super::summary::Summary;
use super::teachers::Teacher;
use super::{Finished, REPORTED, file_name, is_file_name, picture_name};
use crate::data::sha256;
use crate::evaluate::count_errors;
use crate::experiments::decoded::{
    Decoded, failed, layer_weights, nonzero, nonzero_weights, percent, pixel_use, published,
};
use crate::report::{Curve, Report, Stage, weights_picture};
use crate::run::{Profile, Run, RunError};

/// Hidden neurons of LeNet-300-100, whose f32 values all students are compared with.
const ORIGINAL: [usize; 2] = [300, 100];

/// The most weights, with a front multiplied in, of which there is a picture: each takes about 20
/// bytes of it.
const DRAWN: usize = 30_000;

/// One student as its file says it is.
pub(super) struct Measured {
    pub(super) seed: u64,
    pub(super) file: Vec<u8>,
    pub(super) decoded: Decoded,
    /// Weights that are not zero.
    pub(super) weights: usize,
    /// Non-zeros of the first layer as a plain one on the pixels, and of all others.
    pub(super) plain_weights: usize,
    pub(super) validation_errors: usize,
    pub(super) test_errors: Option<usize>,
}

/// The errors of each teacher, then of their mean logits.
pub(super) struct TeacherErrors {
    pub(super) validation: Vec<usize>,
    pub(super) test: Option<Vec<usize>>,
}

/// What was measured.
pub(super) struct Results {
    /// In the order of their files.
    pub(super) students: Vec<Measured>,
    pub(super) teachers: TeacherErrors,
    /// How many images errors are counted on; `None` where the test set stayed shut.
    pub(super) validation: usize,
    pub(super) test: Option<usize>,
}

/// Decodes and measures files, each with its seed, and the teachers.
pub(super) fn measure<'f>(
    run: &Run,
    test_limit: Option<usize>,
    validation: &ImageSet,
    teachers: &[Teacher],
    files: impl IntoIterator<Item = (u64, &'f [u8])>,
) -> Result<Results, RunError> {
    run.progress.during("measuring", || {
        measured(run, test_limit, validation, teachers, files)
    })
}

fn measured<'f>(
    run: &Run,
    test_limit: Option<usize>,
    validation: &ImageSet,
    teachers: &[Teacher],
    files: impl IntoIterator<Item = (u64, &'f [u8])>,
) -> Result<Results, RunError> {
    let mut students = Vec::new();
    for (seed, file) in files {
        students.push(decode(seed, file, validation)?);
    }
    let mut of_teachers = TeacherErrors {
        validation: teacher_errors(teachers, validation)?,
        test: None,
    };
    // The test set is opened here, when every stage is finished, and not before.
    let seeds: BTreeSet<u64> = students.iter().map(|s| s.seed).collect();
    let opens = match run.profile {
        Profile::Full => seeds.into_iter().eq(REPORTED),
        Profile::Quick => seeds.iter().all(|seed| REPORTED.contains(seed)),
    };
    let test = match opens {
        true => run.test_images(test_limit)?,
        false => None,
    };
    if let Some(test) = &test {
        for student in &mut students {
            student.test_errors = Some(count_errors(&student.decoded.runtime, test)?);
        }
        of_teachers.test = Some(teacher_errors(teachers, test)?);
    }
    Ok(Results {
        students,
        teachers: of_teachers,
        validation: validation.len(),
        test: test.map(|images| images.len()),
    })
}

/// Decodes and measures all files, then writes them and the report.
pub(super) fn report(
    run: &Run,
    settings: &Settings,
    validation: &ImageSet,
    teachers: &[Teacher],
    finished: &[Finished],
) -> Result<(), RunError> {
    let files = finished.iter().map(|f| (f.seed, &f.quantized.file[..]));
    let results = measure(run, settings.test_limit, validation, teachers, files)?;
    let Results { students, test, .. } = &results;
    let rows = students.iter();
    let stages: Vec<Stage> = rows
        .map(|s| row(run, s, format!("seed {}", s.seed), results.validation))
        .collect();
    let all: Vec<u8> = students.iter().flat_map(|s| s.file.clone()).collect();
    let Some(first) = students.first() else {
        return Err(failed("there are no seeds"));
    };
    let weights = layer_weights(&first.decoded.network)?;
    let pixel_use = pixel_use(&weights);
    let drawn = first.plain_weights <= DRAWN;
    let mut described = settings.describe();
    described.push(("shown in detail".into(), format!("seed {}", first.seed)));
    let summary = Summary {
        settings,
        results: &results,
        compared: run.is_mnist() && settings.track == Track::Pixels,
        command: run.command(),
        picture: drawn.then(|| picture_name(settings.track, first.seed)),
    };
    let text = summary.render();
    let of_first = finished.iter().take(1);
    let of_first = of_first.flat_map(|f| [("pruned", &f.pruned), ("quantized", &f.quantized)]);
    let report = Report {
        headline: Some(summary.headline()),
        experiment: format!("{} {}", run.experiment, settings.track.name()),
        profile: run.profile.name().to_owned(),
        data: run.data(),
        seed: run.seed,
        model_hash: sha256(&all),
        settings: run.described(described),
        frontier: frontier(run, settings, &stages, *test),
        validation_samples: results.validation,
        test_samples: *test,
        curves: curves(teachers, of_first),
        histograms: Vec::new(),
        densities: Vec::new(),
        file_bytes: first.file.len(),
        tensors: first.decoded.stored.clone(),
        image_width: settings.shape.width,
        pixel_use,
        weights: if drawn { weights } else { Vec::new() },
        command: run.command(),
        stages,
    };
    let picture = summary.picture.clone().zip(weights_picture(&report));
    let picture = picture
        .iter()
        .map(|(name, svg)| (name.clone(), svg.as_bytes()));
    let mut files: Vec<(String, &[u8])> = vec![("record.md".into(), text.as_bytes())];
    files.extend(picture);
    for (student, finished) in students.iter().zip(finished) {
        let name = file_name(settings.track, None, finished.seed);
        files.push((name, &student.file));
    }
    run.remove(is_file_name)?;
    run.finish_with(&report, Some(&text), &files)
}

fn decode(seed: u64, file: &[u8], validation: &ImageSet) -> Result<Measured, RunError> {
    let decoded = Decoded::of(file)?;
    let network = &decoded.network;
    let weights = nonzero_weights(network);
    let parameters = network.parameters();
    let first = parameters
        .first()
        .ok_or_else(|| failed("there are no layers"))?;
    let plain = network.architecture().plain_first_weight(first.matrix())?;
    let plain = plain.iter().filter(|w| **w != 0.0).count();
    Ok(Measured {
        seed,
        file: file.to_vec(),
        weights,
        plain_weights: weights - nonzero(first) + plain,
        validation_errors: count_errors(&decoded.runtime, validation)?,
        test_errors: None,
        decoded,
    })
}

/// Errors of each teacher, then of all together.
fn teacher_errors(teachers: &[Teacher], images: &ImageSet) -> Result<Vec<usize>, RunError> {
    let failed = |error: compress_distill::Error| RunError::measure(error.into());
    let mut logits = Vec::new();
    for teacher in teachers {
        logits.push(teacher_logits(&teacher.network, images).map_err(failed)?);
    }
    let together = average_logits(&logits).map_err(failed)?;
    let errors = logits.iter().chain([&together]);
    Ok(errors
        .map(|logits| wrong(logits, images.labels()))
        .collect())
}

/// Rows whose first largest logit is not their label's.
fn wrong(logits: &Array2<f32>, labels: &[u32]) -> usize {
    let rows = logits.rows().into_iter().zip(labels);
    let wrong = rows.filter(|(row, label)| {
        let best = (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best });
        best != **label as usize
    });
    wrong.count()
}

/// A student's line in the report, of errors on so many validation images.
pub(super) fn row(run: &Run, student: &Measured, stage: String, validation: usize) -> Stage {
    let bytes = student.file.len();
    let ([first, second], shape) = (ORIGINAL, run.shape());
    let original =
        (shape.features() + 1) * first + (first + 1) * second + (second + 1) * shape.classes;
    Stage {
        stage,
        parameters: student.decoded.network.architecture().parameter_count(),
        nonzero: student.weights,
        bytes,
        ratio: (4 * original) as f64 / bytes as f64,
        validation_error_percent: percent(student.validation_errors, validation),
        test_errors: student.test_errors,
    }
}

/// The students, and on the track `pixels` what others published.
fn frontier(
    run: &Run,
    settings: &Settings,
    rows: &[Stage],
    test: Option<usize>,
) -> Vec<FrontierPoint> {
    let comparable = run.is_mnist() && settings.track == Track::Pixels;
    let beside = published().filter(|_| comparable);
    rows.iter()
        .map(|row| point(row, test))
        .chain(beside)
        .collect()
}

/// A row as a point, by its error on so many test images where they are open.
pub(super) fn point(row: &Stage, test: Option<usize>) -> FrontierPoint {
    FrontierPoint {
        label: row.stage.clone(),
        bytes: row.bytes,
        error_percent: match (row.test_errors, test) {
            (Some(errors), Some(images)) => percent(errors, images),
            _ => row.validation_error_percent,
        },
        published: false,
    }
}

/// How training went: of the teachers, and of these students, each by its stage.
pub(super) fn curves<'s>(
    teachers: &[Teacher],
    students: impl IntoIterator<Item = (&'s str, &'s Student)>,
) -> Vec<Curve> {
    let of_teachers = (1..).zip(teachers);
    let of_teachers = of_teachers.map(|(i, teacher)| (format!("teacher {i}"), &teacher.epochs));
    let of_students = students.into_iter();
    let of_students = of_students.map(|(stage, student)| (stage.to_owned(), &student.epochs));
    let all = of_teachers.chain(of_students);
    all.map(|(stage, epochs)| Curve {
        stage,
        epochs: epochs.clone(),
    })
    .collect()
}
