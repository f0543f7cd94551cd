//! The main job: a teacher, a student that learns from it, is pruned while it learns, loses what
//! is dead, learns again on the numbers that it will be stored with, and goes into a file that
//! is loaded again and measured. Beside it each technique alone on one dense student.

mod alone;
mod lab;
mod measure;
mod settings;
mod together;

use serde_json::json;

use crate::run::{Common, Input, Run, RunError, Spec, as_json};
use lab::{Lab, Outcome};
use settings::Settings;

/// Raise it where the same settings no longer give the same models, so that no stage that an
/// earlier version has left is used.
const RECIPE: u32 = 1;

/// Teacher, distilled student, pruned, quantized, in a .cmp file; and each technique alone
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
}

/// A finished stage: its label in the report, and what it left.
pub(in crate::experiments::pipeline) struct Finished {
    label: &'static str,
    outcome: Outcome,
}

/// Runs every stage, then opens the test set once, then writes the report.
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let input = Input::read(&args.common)?;
    let run = &Run::begin(
        &args.common,
        input,
        Spec {
            name: "pipeline",
            seed: 1,
            settings: json!({"recipe": RECIPE, "all others": as_json(&settings)?}),
            flags: String::new(),
            folder: None,
            writes: |name| name == "model.cmp",
            shut: false,
            part: None,
        },
    )?;
    let lab = Lab::new(run, settings)?;
    let mut stages = Vec::new();
    let stage = |label: &'static str,
                 stages: &mut Vec<Finished>,
                 work: &dyn Fn() -> Result<Outcome, lab::StageError>|
     -> Result<Outcome, RunError> {
        let outcome = run.stage(label, work)?;
        stages.push(Finished {
            label,
            outcome: outcome.clone(),
        });
        Ok(outcome)
    };

    let teacher = stage("teacher", &mut stages, &|| together::teacher(&lab))?;
    let dense = stage("dense", &mut stages, &|| alone::dense(&lab))?;
    for &(label, work) in alone::ALL {
        stage(label, &mut stages, &|| work(&lab, &dense))?;
    }
    let distilled = stage("distilled", &mut stages, &|| {
        together::distilled(&lab, &teacher)
    })?;
    let pruned = stage("distilled, pruned", &mut stages, &|| {
        together::pruned(&lab, &teacher, &distilled)
    })?;
    stage("all together", &mut stages, &|| {
        together::quantized(&lab, &teacher, &pruned)
    })?;

    measure::report(&lab, &stages)
}
