//! Section 3 of Hinton, Vinyals, Dean 2015 (1503.02531), row by row: a large teacher with dropout,
//! max-norm and images shifted by up to two pixels; students on plain images, from the labels or from
//! the teacher at several temperatures; transfer sets without any 3, or of 7s and 8s alone, with the
//! output biases mended on validation images afterwards.

mod page;
mod rows;
mod settings;

use compress_core::train::{Loss, predict};
use compress_distill::{Joint, Teacher, teacher_logits};
use compress_nn::data::{Augmentation, Augmented, ImageSet};
use compress_nn::{CrossEntropy, Mlp};
use ndarray::Array2;
use serde_json::json;

use crate::run::{RunError, as_json};
use crate::sweep::{
    self, About, Lab, Lesson, Measured, Model, Outcome, Page, StageError, Sweep, SweepArgs,
};
use rows::{ROWS, Row};
use settings::Settings;

/// Runs it.
pub(super) fn run(args: &SweepArgs) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let about = About {
        name: "hinton",
        recipe: 1,
        settings: json!({"all others": as_json(&settings)?, "rows": as_json(&ROWS)?}),
    };
    sweep::run(args, about, |lab| {
        if lab.shape.classes < 10 {
            let what = "hinton leaves out digits, so the data must have ten classes";
            return Err(RunError::measure(what.into()));
        }
        Ok(Hinton { lab, settings })
    })
}

struct Hinton {
    lab: Lab,
    settings: Settings,
}

/// What a run is made of.
enum Case {
    Teacher { seed: u64 },
    Student { row: &'static Row, seed: u64 },
}

/// The number under which a mended student says how far its biases were moved.
const SHIFT: &str = "shift of the biases";

impl Sweep for Hinton {
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
            Case::Student { row, seed } => format!("{}, seed {seed}", row.name()),
        }
    }

    fn needs(&self, case: &Case) -> Option<Case> {
        match *case {
            Case::Student { row, seed } if row.temperature.is_some() => {
                Some(Case::Teacher { seed })
            }
            _ => None,
        }
    }

    fn run(&self, case: &Case, needed: Option<Outcome>) -> Result<Outcome, StageError> {
        let name = self.name(case);
        match *case {
            Case::Teacher { seed } => self.teacher(&name, seed),
            Case::Student { row, seed } => self.student(&name, row, seed, needed),
        }
    }

    fn page(&self, results: &[(Case, Vec<Measured>)]) -> Result<Page, RunError> {
        page::page(self, results)
    }
}

impl Hinton {
    fn teacher(&self, name: &str, seed: u64) -> Result<Outcome, StageError> {
        let settings = &self.settings;
        let network = self
            .lab
            .untrained(&settings.teacher, "hinton.teacher", seed)?;
        let lesson = Lesson {
            batch: settings.teacher_batch,
            dropout: settings.dropout,
            batchwise: true,
            max_norm: Some(settings.max_norm),
            ..Lesson::plain(
                "hinton.teacher",
                name,
                seed,
                settings.teacher_epochs,
                settings.teacher_rate,
            )
        };
        let jitter = Augmentation {
            min_strength: 1.0,
            max_strength: 1.0,
            rotation: 0.0,
            log_scale: 0.0,
            shear: 0.0,
            shift: settings.jitter,
            elastic: 0.0,
        };
        let images = Augmented::new(&self.lab.training, jitter, seed, "hinton.teacher.jitter")?;
        let trained = self
            .lab
            .train(network, &lesson, &images, &CrossEntropy, &mut [])?;
        let (network, _) = trained;
        Outcome::of(&network)
    }

    fn student(
        &self,
        name: &str,
        row: &Row,
        seed: u64,
        teacher: Option<Outcome>,
    ) -> Result<Outcome, StageError> {
        let settings = &self.settings;
        let hidden = row.width(self.lab.profile);
        let network = self.lab.untrained(&[hidden; 2], "hinton.student", seed)?;
        let lesson = Lesson {
            batch: settings.batch,
            ..Lesson::plain("hinton.student", name, seed, settings.epochs, settings.rate)
        };
        let images = self.transfer(row)?;
        let taught;
        let loss: &dyn Loss = match (teacher, row.temperature) {
            (Some(teacher), Some(temperature)) => {
                let logits = teacher_logits(&teacher.network()?, &images)?;
                let teacher = Teacher::Cached(logits);
                taught = Joint::new(teacher, temperature, settings.soft_weight)?;
                &taught
            }
            _ => &CrossEntropy,
        };
        let (network, _) = self.lab.train(network, &lesson, &images, loss, &mut [])?;
        let mut models = vec![Model::of("", &network)?];
        if let Some(classes) = row.mended {
            let (mended, shift) = self.mended(&network, classes)?;
            models.push(Model::of("mended", &mended)?.with(SHIFT, shift.into()));
        }
        Ok(Outcome { models })
    }

    /// The images that a row's student sees.
    fn transfer(&self, row: &Row) -> Result<ImageSet, StageError> {
        use compress_core::train::Samples;
        let labels = self.lab.training.labels();
        let seen = |label: u32| row.classes.is_none_or(|has| has(label));
        let indices = labels.iter().enumerate().filter(|(_, l)| seen(**l));
        Ok(self
            .lab
            .training
            .select(&indices.map(|(i, _)| i).collect::<Vec<_>>())?)
    }

    /// The network with the output biases of some classes moved by the same amount, the one of many
    /// with the fewest errors on the validation images; of equals the least move.
    fn mended(&self, network: &Mlp, classes: &[u32]) -> Result<(Mlp, f32), StageError> {
        /// Steps of a tenth, to both sides.
        const STEPS: i32 = 200;
        use compress_core::train::Samples;
        let logits = predict(network, &self.lab.validation, 0)?;
        let labels = self.lab.validation.labels();
        let mut best = (wrong(&logits, labels, classes, 0.0), 0.0);
        for step in (1..=STEPS).flat_map(|step| [step, -step]) {
            let shift = step as f32 / 10.0;
            let errors = wrong(&logits, labels, classes, shift);
            if errors < best.0 {
                best = (errors, shift);
            }
        }
        let mut mended = network.clone();
        if let Some(bias) = mended.parameters_mut().pop() {
            let (values, _) = bias.values_and_gradient_mut();
            classes
                .iter()
                .for_each(|&class| values[class as usize] += best.1);
        }
        Ok((mended, best.1))
    }
}

/// Wrong predictions where the logits of some classes are moved by `shift`.
fn wrong(logits: &Array2<f32>, labels: &[u32], classes: &[u32], shift: f32) -> usize {
    let rows = logits.rows().into_iter().zip(labels);
    let is_wrong = |(row, &label): (ndarray::ArrayView1<'_, f32>, &u32)| {
        let moved = (0..)
            .zip(row)
            .map(|(class, &logit)| match classes.contains(&class) {
                true => (class, logit + shift),
                false => (class, logit),
            });
        let first = |best: (u32, f32), next: (u32, f32)| if next.1 > best.1 { next } else { best };
        moved.reduce(first).is_none_or(|(class, _)| class != label)
    };
    rows.filter(|pair| is_wrong((pair.0, pair.1))).count()
}
