//! The losses of distillation at an equal budget: students of one shape, each from the labels and one
//! more loss against the same teacher, on plain images, with the same first weights and batches.

mod page;
mod rows;
mod settings;

use compress_core::train::TrainHook;
use serde_json::json;

use crate::run::{RunError, as_json};
use crate::sweep::{
    self, About, Lab, Lesson, Measured, Outcome, Page, StageError, Sweep, SweepArgs,
};
use rows::{Lecture, ROWS, Row};
use settings::Settings;

/// Runs it.
pub(super) fn run(args: &SweepArgs) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let about = About {
        name: "losses",
        recipe: 1,
        settings: json!({"all others": as_json(&settings)?, "losses": as_json(&ROWS)?}),
    };
    sweep::run(args, about, |lab| Ok(Losses { lab, settings }))
}

struct Losses {
    lab: Lab,
    settings: Settings,
}

/// What a run is made of.
enum Case {
    Teacher { seed: u64 },
    Student { row: &'static Row, seed: u64 },
}

impl Sweep for Losses {
    type Case = Case;

    fn cases(&self) -> Vec<Case> {
        let teachers = self.lab.seeds.iter().map(|&seed| Case::Teacher { seed });
        let students = ROWS.iter().flat_map(|row| {
            let seeds = self.lab.seeds.iter();
            seeds.map(move |&seed| Case::Student { row, seed })
        });
        teachers.chain(students).collect()
    }

    fn name(&self, case: &Case) -> String {
        match case {
            Case::Teacher { seed } => format!("teacher, seed {seed}"),
            Case::Student { row, seed } => format!("{}, seed {seed}", row.name),
        }
    }

    fn needs(&self, case: &Case) -> Option<Case> {
        match *case {
            Case::Student { row, seed } if row.taught => Some(Case::Teacher { seed }),
            _ => None,
        }
    }

    fn run(&self, case: &Case, needed: Option<Outcome>) -> Result<Outcome, StageError> {
        let (row, seed) = match *case {
            Case::Teacher { seed } => {
                let (name, teaching) = (self.name(case), &self.settings.teacher);
                return self.lab.teacher(&name, "losses.teacher", seed, teaching);
            }
            Case::Student { row, seed } => (row, seed),
        };
        let settings = &self.settings;
        let network = self.lab.untrained(&settings.student, "losses", seed)?;
        let lesson = Lesson {
            batch: settings.batch,
            ..Lesson::plain(
                "losses",
                &self.name(case),
                seed,
                settings.epochs,
                settings.rate,
            )
        };
        let teacher = needed.map(|teacher| teacher.network()).transpose()?;
        let lecture = Lecture::new(teacher, &self.lab.training, settings, seed);
        let (loss, mut regressor) = row.loss(&lecture)?;
        let hook = regressor.as_mut().map(|hook| hook as &mut dyn TrainHook);
        let mut hooks: Vec<&mut dyn TrainHook> = hook.into_iter().collect();
        let images = &self.lab.training;
        let (network, _) = self
            .lab
            .train(network, &lesson, images, &*loss, &mut hooks)?;
        Outcome::of(&network)
    }

    fn page(&self, results: &[(Case, Vec<Measured>)]) -> Result<Page, RunError> {
        page::page(self, results)
    }
}
