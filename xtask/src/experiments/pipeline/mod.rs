//! The main job: a teacher, a student that learns from it, is pruned while it learns, loses what
//! is dead, learns again on the numbers that it will be stored with, and goes into a file that
//! is loaded again and measured. Beside it each technique alone on one dense student.

mod alone;
mod lab;
mod measure;
mod settings;
mod together;

use crate::run::{Options, Profile, Run, RunError};
use lab::{Lab, Outcome};

/// A finished stage: its label in the report, and what it left.
pub(in crate::experiments::pipeline) struct Finished {
    label: &'static str,
    outcome: Outcome,
}

/// The settings of a profile in full.
pub(super) fn settings(profile: Profile, options: &Options) -> Result<String, RunError> {
    if *options != Options::default() {
        return Err(RunError::NoOptions { name: "pipeline" });
    }
    Ok(format!("{:?}", settings::Settings::of(profile)))
}

/// Runs every stage, then opens the test set once, then writes the report.
pub(super) fn run(run: &Run) -> Result<(), RunError> {
    let lab = Lab::new(run)?;
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
