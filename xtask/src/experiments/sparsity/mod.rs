//! Density against error: the weights of LeNet-300-100 pruned to 10, 5, 2 and 1 % by several
//! criteria and schedules, from hard labels on plain images and, for one method, from a teacher. On
//! MNIST, beside what others published.
//!
//! All students of one seed begin with the same weights and see the same batches, so that what
//! differs is the method.

mod at_once;
mod methods;
mod page;
mod published;
mod settings;

use compress_core::train::{Loss, TrainHook};
use compress_distill::{SoftTargets, Teacher, teacher_logits};
use compress_nn::CrossEntropy;
use serde_json::json;

use crate::run::{RunError, as_json};
use crate::sweep::{
    self, About, Lab, Lesson, Measured, Outcome, Page, StageError, Sweep, SweepArgs,
};
use at_once::Kept;
use methods::{METHODS, Method};
use settings::Settings;

/// Runs it.
pub(super) fn run(args: &SweepArgs) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let about = About {
        name: "sparsity",
        recipe: 1,
        settings: json!({"all others": as_json(&settings)?, "pruning": methods::settings()}),
    };
    sweep::run(args, about, |lab| Ok(Sparsity { lab, settings }))
}

struct Sparsity {
    lab: Lab,
    settings: Settings,
}

/// What a run is made of.
enum Case {
    /// A wide network on augmented images.
    Teacher { seed: u64 },
    /// A student that is not pruned.
    Dense { taught: bool, seed: u64 },
    /// One that is, to the density of this number.
    Pruned {
        method: &'static Method,
        level: usize,
        seed: u64,
    },
    /// The dense student or the teacher, pruned at once.
    AtOnce {
        teacher: bool,
        kept: Kept,
        seed: u64,
    },
}

impl Sweep for Sparsity {
    type Case = Case;

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for taught in [false, true] {
            cases.extend(
                self.lab
                    .seeds
                    .iter()
                    .map(|&seed| Case::Dense { taught, seed }),
            );
        }
        for teacher in [false, true] {
            for kept in Kept::ALL {
                let of = |&seed: &u64| Case::AtOnce {
                    teacher,
                    kept,
                    seed,
                };
                cases.extend(self.lab.seeds.iter().map(of));
            }
        }
        for method in METHODS {
            for level in 0..self.settings.levels.len() {
                let of = |&seed: &u64| Case::Pruned {
                    method,
                    level,
                    seed,
                };
                cases.extend(self.lab.seeds.iter().map(of));
            }
        }
        cases
    }

    fn name(&self, case: &Case) -> String {
        match case {
            Case::Teacher { seed } => format!("teacher, seed {seed}"),
            Case::Dense { taught, seed } => {
                let how = if *taught { "from a teacher, " } else { "" };
                format!("dense, {how}seed {seed}")
            }
            Case::Pruned {
                method,
                level,
                seed,
            } => {
                let percent = self.settings.levels[*level].percent();
                format!("{}, {percent} percent, seed {seed}", method.name)
            }
            Case::AtOnce {
                teacher,
                kept,
                seed,
            } => {
                let whole = if *teacher { "teacher" } else { "dense" };
                format!("{whole} pruned at once, {}, seed {seed}", kept.name())
            }
        }
    }

    fn needs(&self, case: &Case) -> Option<Case> {
        let (taught, seed) = match *case {
            Case::Teacher { .. } => return None,
            Case::Dense { taught, seed } => (taught, seed),
            Case::Pruned { method, seed, .. } => (method.taught, seed),
            Case::AtOnce {
                teacher: false,
                seed,
                ..
            } => {
                return Some(Case::Dense {
                    taught: false,
                    seed,
                });
            }
            Case::AtOnce { seed, .. } => (true, seed),
        };
        taught.then_some(Case::Teacher { seed })
    }

    fn run(&self, case: &Case, needed: Option<Outcome>) -> Result<Outcome, StageError> {
        let name = self.name(case);
        let (method, level, seed) = match *case {
            Case::Teacher { seed } => {
                let teaching = &self.settings.teacher;
                return self.lab.teacher(&name, "sparsity.teacher", seed, teaching);
            }
            Case::Dense { seed, .. } => (None, 0, seed),
            Case::Pruned {
                method,
                level,
                seed,
            } => (Some(method), level, seed),
            Case::AtOnce { kept, .. } => {
                let whole = needed.ok_or("the whole network is missing")?.network()?;
                let images = self.lab.first_images(methods::SCORED_BY)?;
                return at_once::pruned(&whole, kept, &images, &self.lab.validation);
            }
        };
        let network = self
            .lab
            .untrained(&self.settings.student, "sparsity", seed)?;
        let mut lesson = self.lesson(&name, seed);
        let mut start = methods::Start::new(network);
        if let Some(method) = method {
            let level = &self.settings.levels[level];
            lesson.weight_decay = level.weight_decay;
            start = method.start(start.network, level.density, seed, &self.lab)?;
        }
        let images = &self.lab.training;
        let taught;
        let loss: &dyn Loss = match needed {
            None => &CrossEntropy,
            Some(teacher) => {
                let logits = teacher_logits(&teacher.network()?, images)?;
                taught = SoftTargets::new(Teacher::Cached(logits), self.settings.temperature)?;
                &taught
            }
        };
        let hook = start.hook.as_deref_mut();
        let mut hooks: Vec<&mut dyn TrainHook> = hook.into_iter().map(|h| h as _).collect();
        let (network, _) = self
            .lab
            .train(start.network, &lesson, images, loss, &mut hooks)?;
        Outcome::of(&network)
    }

    fn page(&self, results: &[(Case, Vec<Measured>)]) -> Result<Page, RunError> {
        page::page(self, results)
    }
}

impl Sparsity {
    fn lesson(&self, name: &str, seed: u64) -> Lesson {
        let settings = &self.settings;
        Lesson {
            batch: settings.batch,
            weight_decay: settings.levels[0].weight_decay,
            ..Lesson::plain("sparsity", name, seed, settings.epochs, settings.rate)
        }
    }
}
