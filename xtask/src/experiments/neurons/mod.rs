//! Neurons and layers removed for good: how much smaller the file is, how much faster a prediction,
//! and what the errors are as they are left, repaired without training, and after fine-tuning.
//!
//! A share of the neurons of each hidden layer is masked, by several criteria. The masked network is
//! repaired by its biases or by least squares on calibration images, and then compacted.

mod page;
mod settings;

use compress_core::differentiate;
use compress_core::linalg::Damping;
use compress_core::network::Edit;
use compress_core::observe::{OnSamples, WithSamples};
use compress_core::train::predict;
use compress_nn::data::ImageSet;
use compress_nn::{CrossEntropy, Mlp};
use compress_prune::{
    Criterion, CriterionSettings, Known, LayerLoss, Neurons, Structure, compact, correct_biases,
    criterion, prune_layer, reconstruct, score,
};
use ndarray::Array2;
use serde_json::json;

use crate::run::{RunError, as_json};
use crate::sweep::{
    self, About, Lab, Lesson, Measured, Model, Outcome, Page, StageError, Sweep, SweepArgs,
};
use settings::{NETWORKS, Network, Settings};

/// Runs it.
pub(super) fn run(args: &SweepArgs) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let about = About {
        name: "neurons",
        recipe: 1,
        settings: json!({
            "all others": as_json(&settings)?,
            "networks": as_json(&NETWORKS)?,
            "criteria": CRITERIA,
        }),
    };
    sweep::run(args, about, |lab| Ok(NeuronsGone { lab, settings }))
}

struct NeuronsGone {
    lab: Lab,
    settings: Settings,
}

/// The criteria of neurons, by their names in the registry and in the report.
const CRITERIA: [(&str, &str); 6] = [
    ("random", "random"),
    ("neuron_l1", "L1 norm"),
    ("neuron_norm", "L2 norm"),
    ("neuron_taylor", "Taylor"),
    ("activation_rate", "activation rate (APoZ)"),
    ("geometric_median", "geometric median"),
];

/// What is done with a network.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// Nothing.
    Whole,
    /// This share of the neurons of each hidden layer stays, by the criterion of this number.
    Neurons { criterion: usize, share: f64 },
    /// The hidden layer goes that is missed least.
    Layer,
}

/// What a run is made of.
struct Case {
    network: &'static Network,
    cut: Cut,
    seed: u64,
}

/// Labels of the models of a run, and names of numbers.
const REMOVED: &str = "as it is left";
const BIASES: &str = "biases corrected";
const SOLVED: &str = "least squares";
const TUNED: &str = "fine-tuned";
const OUTPUT_ERROR: &str = "relative output error";
const DIFFERING: &str = "outputs that differ from the masked network's";

impl Sweep for NeuronsGone {
    type Case = Case;

    const TIMED: bool = true;

    fn cases(&self) -> Vec<Case> {
        let shares = self.settings.shares.iter();
        let cuts = shares.flat_map(|&share| {
            (0..CRITERIA.len()).map(move |criterion| Cut::Neurons { criterion, share })
        });
        let cuts: Vec<Cut> = [Cut::Whole, Cut::Layer].into_iter().chain(cuts).collect();
        let mut cases = Vec::new();
        for network in NETWORKS {
            for &cut in &cuts {
                let of = |&seed: &u64| Case { network, cut, seed };
                cases.extend(self.lab.seeds.iter().map(of));
            }
        }
        cases
    }

    fn name(&self, case: &Case) -> String {
        let what = match case.cut {
            Cut::Whole => "whole".into(),
            Cut::Layer => "a layer removed".into(),
            Cut::Neurons { criterion, share } => {
                format!("{} of the neurons by {}", share, CRITERIA[criterion].1)
            }
        };
        format!("{}, {what}, seed {}", case.network.name, case.seed)
    }

    fn needs(&self, case: &Case) -> Option<Case> {
        let Case { network, cut, seed } = *case;
        (cut != Cut::Whole).then_some(Case {
            network,
            cut: Cut::Whole,
            seed,
        })
    }

    fn run(&self, case: &Case, needed: Option<Outcome>) -> Result<Outcome, StageError> {
        let Some(needed) = needed else {
            return self.whole(case);
        };
        let mut whole = needed.network()?;
        match case.cut {
            Cut::Neurons { criterion, share } => {
                self.without_neurons(case, &mut whole, criterion, share)
            }
            _ => self.without_layer(case, whole),
        }
    }

    fn page(&self, results: &[(Case, Vec<Measured>)]) -> Result<Page, RunError> {
        page::page(self, results)
    }
}

impl NeuronsGone {
    /// Trains a network of all its neurons.
    fn whole(&self, case: &Case) -> Result<Outcome, StageError> {
        let (settings, network) = (&self.settings, case.network);
        let (name, stream, seed) = (self.name(case), network.stream, case.seed);
        if let Some(teaching) = network.teaching(settings, self.lab.profile) {
            return self.lab.teacher(&name, stream, seed, &teaching);
        }
        let hidden = network.hidden(self.lab.profile);
        let untrained = self.lab.untrained(&hidden, stream, seed)?;
        let lesson = Lesson {
            batch: settings.batch,
            ..Lesson::plain(stream, &name, seed, settings.epochs, settings.rate)
        };
        let images = &self.lab.training;
        let trained = self
            .lab
            .train(untrained, &lesson, images, &CrossEntropy, &mut [])?;
        Outcome::of(&trained.0)
    }

    /// Removes neurons and repairs what is left in several ways.
    fn without_neurons(
        &self,
        case: &Case,
        whole: &mut Mlp,
        by: usize,
        share: f64,
    ) -> Result<Outcome, StageError> {
        let images = self.lab.first_images(self.settings.calibration)?;
        let settings = CriterionSettings {
            seed: case.seed,
            ..CriterionSettings::default()
        };
        let by = criterion(CRITERIA[by].0, &settings)?;
        let known = known(whole, &*by, &images)?;
        let scores = score(whole, &*by, &known)?;
        let mut masked = whole.clone();
        Neurons::of(&whole.graph())
            .mask(&scores, share)?
            .apply(&mut masked)?;

        let (mut by_bias, mut by_weights) = (masked.clone(), masked.clone());
        let original = WithSamples::new(whole, &images);
        correct_biases(&original, &mut WithSamples::new(&mut by_bias, &images))?;
        let mut solved = WithSamples::new(&mut by_weights, &images);
        reconstruct(&original, &mut solved, &Damping::default())?;

        let wanted = predict(whole, &self.lab.validation, 0)?;
        let mut models = Vec::new();
        let mut removed = masked.clone();
        for (label, mut network) in [(REMOVED, masked), (BIASES, by_bias), (SOLVED, by_weights)] {
            let before = predict(&network, &self.lab.validation, 0)?;
            compact(&mut network)?;
            let after = predict(&network, &self.lab.validation, 0)?;
            let model = Model::of(label, &network)?
                .with(OUTPUT_ERROR, relative_error(&wanted, &after))
                .with(DIFFERING, differing(&before, &after));
            models.push(model);
            if label == REMOVED {
                removed = network;
            }
        }
        models.push(self.tuned(case, removed)?);
        Ok(Outcome { models })
    }

    /// Removes the layer that is missed least.
    fn without_layer(&self, case: &Case, whole: Mlp) -> Result<Outcome, StageError> {
        let wanted = predict(&whole, &self.lab.validation, 0)?;
        let mut network = whole;
        prune_layer(
            &mut network,
            &LayerLoss,
            &self.lab.first_images(self.settings.calibration)?,
        )?;
        let found = predict(&network, &self.lab.validation, 0)?;
        let error = relative_error(&wanted, &found);
        let removed = Model::of(REMOVED, &network)?.with(OUTPUT_ERROR, error);
        let tuned = self.tuned(case, network)?;
        Ok(Outcome {
            models: vec![removed, tuned],
        })
    }

    fn tuned(&self, case: &Case, network: Mlp) -> Result<Model, StageError> {
        let settings = &self.settings;
        let lesson = Lesson {
            batch: settings.batch,
            ..Lesson::plain(
                "neurons.tune",
                &self.name(case),
                case.seed,
                settings.tune_epochs,
                settings.tune_rate,
            )
        };
        let images = &self.lab.training;
        let trained = self
            .lab
            .train(network, &lesson, images, &CrossEntropy, &mut [])?;
        Model::of(TUNED, &trained.0)
    }
}

/// What the criterion needs to know of the network.
fn known(network: &mut Mlp, by: &dyn Criterion, images: &ImageSet) -> Result<Known, StageError> {
    let needs = by.needs();
    let mut known = differentiate::evidence(network, images, &CrossEntropy, needs)?;
    if needs.activity {
        let graph = network.graph();
        known.find_activity(&OnSamples::new(network, images), &graph)?;
    }
    Ok(known)
}

/// ‖found − wanted‖² / ‖wanted‖².
fn relative_error(wanted: &Array2<f32>, found: &Array2<f32>) -> f64 {
    let pairs = wanted.iter().zip(found);
    let error: f64 = pairs
        .map(|(w, f)| (f64::from(*f) - f64::from(*w)).powi(2))
        .sum();
    let size: f64 = wanted.iter().map(|w| f64::from(*w).powi(2)).sum();
    error / size
}

/// How many outputs have other bits; zeros of either sign count as equal.
fn differing(before: &Array2<f32>, after: &Array2<f32>) -> f64 {
    before.iter().zip(after).filter(|(a, b)| a != b).count() as f64
}
