//! What every track begins with: the images, the teachers, the seeds; and the samples, which are
//! made only where a stage is missing.

use std::cell::OnceCell;

use compress_nn::data::ImageSet;
use serde::{Serialize, de::DeserializeOwned};

use super::lab::{Lab, StageError};
use super::lessons::Lessons;
use super::teachers::{self, Teacher};
use crate::run::{Run, RunError};
use crate::store::Store;

/// The beginning of a track.
pub(super) struct Setup<'a> {
    pub(super) run: &'a Run,
    pub(super) validation: ImageSet,
    pub(super) teachers: Vec<Teacher>,
    pub(super) seeds: Vec<u64>,
    lessons: Lessons,
    training: ImageSet,
    lab: OnceCell<Lab<'a>>,
}

impl<'a> Setup<'a> {
    /// Reads the training files and trains the teachers, for students of so many seeds.
    pub(super) fn new(run: &'a Run, lessons: Lessons, seeds: usize) -> Result<Self, RunError> {
        let of_teachers = &lessons.teachers;
        let (training, validation) =
            run.training_images(of_teachers.limit, of_teachers.validation)?;
        let teachers = teachers::teachers(run, of_teachers, &training, &validation)?;
        let seeds = (0..seeds as u64).map(|i| run.seed.wrapping_add(i));
        Ok(Setup {
            run,
            validation,
            teachers,
            seeds: seeds.collect(),
            lessons,
            training,
            lab: OnceCell::new(),
        })
    }

    /// The name of a stage for each seed.
    pub(super) fn names(&self, stage: &str) -> Vec<String> {
        let named = self
            .seeds
            .iter()
            .map(|seed| format!("{stage}, seed {seed}"));
        named.collect()
    }

    /// [`Run::stages_from`], with the samples for those that are missing.
    pub(super) fn stages_from<T>(
        &self,
        kept: &Store,
        names: &[Vec<String>; 2],
        from: impl Fn(usize) -> usize + Sync,
        first: impl Fn(&Lab<'_>, usize) -> Result<T, StageError> + Sync,
        second: impl Fn(&Lab<'_>, usize, T) -> Result<T, StageError> + Sync,
    ) -> Result<[Vec<T>; 2], RunError>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let finished = kept.holds_all(&names[0]) && self.run.finished(&names[1]);
        let lab = self.lab(finished)?;
        self.run.stages_from(
            kept,
            names,
            from,
            |i| first(lab?, i),
            |i, value| second(lab?, i, value),
        )
    }

    /// [`Run::stages`], with the samples for those that are missing.
    pub(super) fn stages<T>(
        &self,
        names: &[String],
        work: impl Fn(&Lab<'_>, usize) -> Result<T, StageError> + Sync,
    ) -> Result<Vec<T>, RunError>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        let lab = self.lab(self.run.finished(names))?;
        self.run.stages(names, |i| work(lab?, i))
    }

    /// The samples; none where every stage was finished before this run began.
    fn lab(&self, finished: bool) -> Result<Result<&Lab<'a>, &'static str>, RunError> {
        if self.lab.get().is_none() && !finished {
            let (training, validation) = (&self.training, &self.validation);
            let lab = Lab::new(
                self.run,
                &self.lessons,
                training,
                validation,
                &self.teachers,
            )?;
            let _ = self.lab.set(lab);
        }
        Ok(self.lab.get().ok_or("the samples are missing"))
    }
}
