//! What the tracks `density` and `dense` share: several models for each seed, measured together,
//! and one report of all.

use super::lab::Student;
use super::measure;
use super::results::{Measured, Results};
use super::settings::Track;
use super::setup::Setup;
use super::summary::{head, mean_error, settings, teachers};
use super::{file_name, is_file_name};
use crate::data::sha256;
use crate::experiments::decoded::{failed, layer_weights, pixel_use};
use crate::report::{Report, Stage};
use crate::run::RunError;

/// What was made in one way, a student for each seed.
pub(super) struct Variant {
    /// As in tables.
    pub(super) name: String,
    /// As in names of files.
    pub(super) file: String,
    pub(super) students: Vec<Student>,
}

/// All variants of a track, measured.
pub(super) struct Alone<'s, 'r> {
    setup: &'s Setup<'r>,
    track: Track,
    variants: Vec<Variant>,
    pub(super) results: Results,
}

impl<'s, 'r> Alone<'s, 'r> {
    /// Measures what the variants have for the seeds of `setup`.
    pub(super) fn measured(
        setup: &'s Setup<'r>,
        track: Track,
        test_limit: Option<usize>,
        variants: Vec<Variant>,
    ) -> Result<Self, RunError> {
        let files = variants.iter().flat_map(|variant| {
            let seeds = setup.seeds.iter().copied();
            seeds.zip(variant.students.iter().map(|s| &s.file[..]))
        });
        let (validation, teachers) = (&setup.validation, &setup.teachers);
        let results = measure::measure(setup.run, test_limit, validation, teachers, files)?;
        Ok(Alone {
            setup,
            track,
            variants,
            results,
        })
    }

    /// Each variant and its students.
    pub(super) fn variants(&self) -> impl Iterator<Item = (&Variant, &[Measured])> {
        let students = self.results.students.chunks(self.setup.seeds.len().max(1));
        self.variants.iter().zip(students)
    }

    /// Writes all files, the report, and a page that has `tables` in the middle.
    pub(super) fn write(
        &self,
        tables: &str,
        settings_rows: Vec<(String, String)>,
    ) -> Result<(), RunError> {
        let (run, results) = (self.setup.run, &self.results);
        let mut page = head(self.track, &self.headline(), &run.command());
        page += tables;
        teachers(&results.teachers, &mut page);
        settings(&settings_rows, &mut page);
        let report = self.report(settings_rows)?;
        let mut files: Vec<(String, &[u8])> = vec![("record.md".into(), page.as_bytes())];
        for (variant, students) in self.variants() {
            for student in students {
                let name = file_name(self.track, Some(&variant.file), student.seed);
                files.push((name, &student.file));
            }
        }
        run.remove(is_file_name)?;
        run.finish_with(&report, Some(&page), &files)
    }

    fn report(&self, mut settings: Vec<(String, String)>) -> Result<Report, RunError> {
        let (run, results) = (self.setup.run, &self.results);
        let students = &results.students;
        let last = students
            .last()
            .ok_or_else(|| failed("there are no seeds"))?;
        let all: Vec<u8> = students.iter().flat_map(|s| s.file.clone()).collect();
        let stages = self.stages();
        if let Some(stage) = stages.last() {
            settings.push(("shown in detail".into(), stage.stage.clone()));
        }
        let curves = self.variants.iter().filter_map(|variant| {
            let first = variant.students.first()?;
            // What was rounded has no curve.
            (!first.epochs.is_empty()).then_some((&variant.name[..], first))
        });
        Ok(Report {
            experiment: format!("{} {}", run.experiment, self.track.name()),
            profile: run.profile.name().to_owned(),
            data: run.data(),
            seed: run.seed,
            model_hash: sha256(&all),
            settings: run.described(settings),
            headline: Some(self.headline()),
            validation_samples: results.validation,
            test_samples: results.test,
            curves: measure::curves(&self.setup.teachers, curves),
            histograms: Vec::new(),
            densities: Vec::new(),
            tensors: last.decoded.stored.clone(),
            image_width: run.shape().width,
            pixel_use: pixel_use(&layer_weights(&last.decoded.network)?),
            // Thousands of weights in full precision are no picture.
            weights: Vec::new(),
            file_bytes: last.file.len(),
            frontier: stages
                .iter()
                .map(|row| measure::point(row, results.test))
                .collect(),
            command: run.command(),
            stages,
        })
    }

    fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        for (variant, students) in self.variants() {
            for student in students {
                let name = format!("{}, seed {}", variant.name, student.seed);
                stages.push(measure::row(
                    self.setup.run,
                    student,
                    name,
                    self.results.validation,
                ));
            }
        }
        stages
    }

    /// The mean error of each variant.
    fn headline(&self) -> String {
        let means = self.variants().map(|(variant, students)| {
            let (error, of) = mean_error(&self.results, students);
            (format!("{}: {error:.3}", variant.name), of)
        });
        let (means, of): (Vec<String>, Vec<&str>) = means.unzip();
        format!(
            "{} % {}, means of {} seeds",
            means.join("; "),
            of.first().unwrap_or(&""),
            self.setup.seeds.len()
        )
    }
}
