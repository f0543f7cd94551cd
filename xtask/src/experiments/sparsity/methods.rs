//! The methods: what decides which weights go, and when.

use compress_core::differentiate;
use compress_core::train::TrainHook;
use compress_nn::{CrossEntropy, Mlp};
use compress_prune::{
    Criterion, CriterionSettings, DynamicOptions, DynamicSparse, Erk, Global, GradualOptions,
    GradualPruning, Growth, Known, Mask, MaskHook, Random, Structure, criterion, prune_in_rounds,
    schedule, score,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::sweep::{Lab, StageError};

/// How weights are chosen while a network learns.
#[derive(Debug, Serialize)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) taught: bool,
    /// Whether the plot shows it.
    pub(super) drawn: bool,
    how: How,
}

#[derive(Debug, Serialize)]
enum How {
    /// While learning, by a criterion, on a schedule that begins at this share of the run.
    Gradual {
        criterion: &'static str,
        schedule: &'static str,
        begin: f64,
    },
    /// Before learning, by a criterion, in so many rounds.
    AtStart {
        criterion: &'static str,
        rounds: usize,
    },
    /// At one density from the start, with weights that move; RigL where `by_gradient`, else SET.
    Dynamic { by_gradient: bool },
}

const fn method(name: &'static str, how: How) -> Method {
    Method {
        name,
        taught: false,
        drawn: false,
        how,
    }
}

const fn gradual(name: &'static str, criterion: &'static str, schedule: &'static str) -> Method {
    let begin = 0.2;
    method(
        name,
        How::Gradual {
            criterion,
            schedule,
            begin,
        },
    )
}

const fn at_start(name: &'static str, criterion: &'static str, rounds: usize) -> Method {
    method(name, How::AtStart { criterion, rounds })
}

const fn drawn(method: Method) -> Method {
    Method {
        drawn: true,
        ..method
    }
}

pub(super) static METHODS: &[Method] = &[
    drawn(gradual("random, cubic", "random", "cubic")),
    drawn(gradual("magnitude, cubic", "magnitude", "cubic")),
    gradual("LAMP, cubic", "lamp", "cubic"),
    gradual("Taylor, cubic", "taylor", "cubic"),
    drawn(gradual("movement, cubic", "movement", "cubic")),
    drawn(gradual("second moments, cubic", "second_moments", "cubic")),
    drawn(Method {
        taught: true,
        ..gradual(
            "second moments, cubic, from a teacher",
            "second_moments",
            "cubic",
        )
    }),
    gradual("second moments, linear", "second_moments", "linear"),
    gradual(
        "second moments, exponential",
        "second_moments",
        "exponential",
    ),
    gradual("second moments, iterative", "second_moments", "iterative"),
    method(
        "second moments, one-shot at half",
        How::Gradual {
            criterion: "second_moments",
            schedule: "one_shot",
            begin: 0.5,
        },
    ),
    drawn(at_start("SNIP, at the start", "snip", 1)),
    at_start("GraSP, at the start", "grasp", 1),
    at_start("SynFlow, at the start", "syn_flow", 100),
    drawn(method("RigL, ERK", How::Dynamic { by_gradient: true })),
    method("SET, ERK", How::Dynamic { by_gradient: false }),
];

/// The share of each layer's weights that stays whatever their scores, so that none loses all.
const FLOOR: f64 = 0.002;

/// The share of the run after which gradual pruning ends and weights no longer move; steps between
/// two changes.
const END: f64 = 0.75;
const INTERVAL: usize = 100;

/// Training images by which weights are scored before learning.
pub(super) const SCORED_BY: usize = 5_000;

/// All that the methods are set to.
pub(super) fn settings() -> Value {
    json!({
        "methods": METHODS,
        "floor": FLOOR,
        "end": END,
        "interval": INTERVAL,
        "scored by": SCORED_BY,
    })
}

/// A network as its training begins, and what takes part in it.
pub(super) struct Start {
    pub(super) network: Mlp,
    pub(super) hook: Option<Box<dyn TrainHook>>,
}

impl Start {
    pub(super) fn new(network: Mlp) -> Self {
        Start {
            network,
            hook: None,
        }
    }
}

impl Method {
    /// The start of a training that ends at `density`.
    pub(super) fn start(
        &self,
        mut network: Mlp,
        density: f64,
        seed: u64,
        lab: &Lab,
    ) -> Result<Start, StageError> {
        let named = |name| {
            let settings = CriterionSettings {
                seed,
                ..CriterionSettings::default()
            };
            criterion(name, &settings)
        };
        let hook: Box<dyn TrainHook> = match self.how {
            How::Gradual {
                criterion,
                schedule: when,
                begin,
            } => {
                let options = GradualOptions {
                    target: density,
                    begin,
                    end: END,
                    interval: INTERVAL,
                    ..GradualOptions::default()
                };
                let (by, when) = (named(criterion)?, schedule(when, &Default::default())?);
                Box::new(GradualPruning::new(
                    by,
                    Box::new(Global { floor: FLOOR }),
                    when,
                    options,
                )?)
            }
            How::AtStart { criterion, rounds } => {
                let by = named(criterion)?;
                let mask = at_start_mask(&mut network, &*by, density, rounds, lab)?;
                Box::new(MaskHook::new(mask))
            }
            How::Dynamic { by_gradient } => {
                let scores = score(&network, &Random { seed }, &Known::nothing())?;
                let growth = match by_gradient {
                    true => Growth::Rigl,
                    false => Growth::Set { seed },
                };
                let options = DynamicOptions {
                    growth,
                    end: END,
                    interval: INTERVAL,
                    ..DynamicOptions::default()
                };
                Box::new(DynamicSparse::new(Erk.mask(&scores, density)?, options)?)
            }
        };
        let hook = Some(hook);
        Ok(Start { network, hook })
    }
}

/// The mask that a criterion gives on the first training images, before anything is learned.
fn at_start_mask(
    network: &mut Mlp,
    by: &dyn Criterion,
    density: f64,
    rounds: usize,
    lab: &Lab,
) -> Result<Mask, StageError> {
    let images = lab.first_images(SCORED_BY)?;
    let (needs, structure) = (by.needs(), Global { floor: FLOOR });
    Ok(prune_in_rounds(
        network,
        by,
        &structure,
        density,
        rounds,
        &mut |network| differentiate::evidence(network, &images, &CrossEntropy, needs),
    )?)
}
