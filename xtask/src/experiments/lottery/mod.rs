//! Lottery tickets (Frankle and Carbin 2019, 1803.03635, section 2): LeNet-300-100 is trained, a fifth
//! of each layer's weights is pruned by magnitude, those that stay are set back to their first values
//! (rewound), and so on for many rounds. Beside these winning tickets, networks of the same masks
//! that begin with other random weights.

mod page;
mod settings;

use compress_core::evidence::Known;
use compress_core::mask::{Mask, Structure, score};
use compress_core::network::Role;
use compress_core::parameters::Parameters;
use compress_core::train::{EpochReport, TrainHook};
use compress_nn::{CrossEntropy, Mlp};
use compress_prune::{Magnitude, MaskHook, PerLayer, Scores};

use crate::experiments::network::of_file;
use crate::run::{RunError, as_json};
use crate::sweep::{
    self, About, Lab, Lesson, Measured, Model, Outcome, Page, StageError, Sweep, SweepArgs,
};
use settings::Settings;

/// Runs it.
pub(super) fn run(args: &SweepArgs) -> Result<(), RunError> {
    let settings = Settings::of(args.common.profile());
    let about = About {
        name: "lottery",
        recipe: 1,
        settings: as_json(&settings)?,
    };
    sweep::run(args, about, |lab| Ok(Lottery { lab, settings }))
}

struct Lottery {
    lab: Lab,
    settings: Settings,
}

/// What the weights that stay are, as a round begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    /// Their first values.
    Winning,
    /// New random ones, under the masks of the winning tickets.
    Reinitialized,
    /// New random ones, under masks that keep as many weights of each layer at random.
    RandomMask,
}

impl Arm {
    const ALL: [Arm; 3] = [Arm::Winning, Arm::Reinitialized, Arm::RandomMask];

    fn name(self) -> &'static str {
        match self {
            Arm::Winning => "winning tickets",
            Arm::Reinitialized => "the same masks, other weights",
            Arm::RandomMask => "random masks, other weights",
        }
    }
}

/// What a run is made of.
struct Case {
    arm: Arm,
    seed: u64,
}

/// The number under which a model says after how many epochs its validation loss was lowest.
const FASTEST: &str = "epochs to the lowest validation loss";

impl Sweep for Lottery {
    type Case = Case;

    fn cases(&self) -> Vec<Case> {
        let of = |arm| self.lab.seeds.iter().map(move |&seed| Case { arm, seed });
        Arm::ALL.into_iter().flat_map(of).collect()
    }

    fn name(&self, case: &Case) -> String {
        format!("{}, seed {}", case.arm.name(), case.seed)
    }

    fn needs(&self, case: &Case) -> Option<Case> {
        let Case { arm, seed } = *case;
        (arm != Arm::Winning).then_some(Case {
            arm: Arm::Winning,
            seed,
        })
    }

    fn run(&self, case: &Case, needed: Option<Outcome>) -> Result<Outcome, StageError> {
        let masks = match (case.arm, needed) {
            (Arm::Winning, _) => return self.winning(case),
            (_, None) => return Err("the winning tickets are missing".into()),
            (_, Some(tickets)) => tickets.models,
        };
        let mut models = Vec::new();
        for (round, ticket) in masks.iter().enumerate() {
            let mut mask = Mask::of_nonzeros(&of_file(&ticket.file)?)?;
            if case.arm == Arm::RandomMask {
                mask = self.scattered(&mask, round, case.seed)?;
            }
            let network = self.untrained(&format!("lottery.round{round}"), case.seed)?;
            models.push(self.trained(case, round, network, mask)?);
        }
        Ok(Outcome { models })
    }

    fn page(&self, results: &[(Case, Vec<Measured>)]) -> Result<Page, RunError> {
        page::page(self, results)
    }
}

impl Lottery {
    /// All rounds of iterative magnitude pruning with rewinding.
    fn winning(&self, case: &Case) -> Result<Outcome, StageError> {
        let first = self.untrained("lottery", case.seed)?;
        let mut mask = Mask::of_nonzeros(&first)?;
        let mut models = Vec::new();
        for round in 0..self.settings.rounds {
            let model = self.trained(case, round, first.clone(), mask)?;
            mask = self.pruned(&of_file(&model.file)?, round + 1)?;
            models.push(model);
        }
        Ok(Outcome { models })
    }

    fn untrained(&self, stream: &str, seed: u64) -> Result<Mlp, StageError> {
        self.lab.untrained(&self.settings.hidden, stream, seed)
    }

    /// A training with this mask held.
    fn trained(
        &self,
        case: &Case,
        round: usize,
        mut network: Mlp,
        mask: Mask,
    ) -> Result<Model, StageError> {
        let settings = &self.settings;
        mask.apply(&mut network)?;
        let lesson = Lesson {
            batch: settings.batch,
            ..Lesson::plain(
                "lottery",
                &format!("{}, round {round}", self.name(case)),
                case.seed,
                settings.epochs,
                settings.rate,
            )
        };
        let mut hook = MaskHook::new(mask);
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut hook];
        let images = &self.lab.training;
        let (network, epochs) = self
            .lab
            .train(network, &lesson, images, &CrossEntropy, hooks)?;
        let fastest = fastest(&epochs);
        Ok(Model::of(&format!("round {round}"), &network)?.with(FASTEST, fastest))
    }

    /// The mask after so many rounds: of each layer the largest weights of a trained network.
    fn pruned(&self, network: &Mlp, rounds: usize) -> Result<Mask, StageError> {
        let scores = score(network, &Magnitude, &Known::nothing())?;
        let last = scores.tensors.len().saturating_sub(1);
        let mut mask = Mask::default();
        for (layer, tensor) in scores.tensors.into_iter().enumerate() {
            let share = self.settings.kept(layer == last, rounds);
            let one = Scores {
                tensors: vec![tensor],
            };
            mask.tensors.extend(PerLayer.mask(&one, share)?.tensors);
        }
        Ok(mask)
    }

    /// A mask that keeps as many weights of each layer as `mask`, at random.
    fn scattered(&self, mask: &Mask, round: usize, seed: u64) -> Result<Mask, StageError> {
        let mut scattered = mask.clone();
        for tensor in &mut scattered.tensors {
            let stream = format!("lottery.mask.{}", tensor.name);
            let mut stream = compress_core::rng::indexed(seed, &stream, round as u64);
            compress_core::rng::shuffle(&mut stream, &mut tensor.keep);
        }
        Ok(scattered)
    }

    /// All weights of the network, without biases.
    fn weights(&self) -> Result<usize, RunError> {
        let network = self.untrained("lottery", 0).map_err(RunError::measure)?;
        let mut count = 0;
        network.visit(&mut |tensor| {
            if tensor.role == Role::Weight {
                count += tensor.values.len();
            }
            Ok(())
        })?;
        Ok(count)
    }
}

/// After how many epochs the validation loss was lowest.
fn fastest(epochs: &[EpochReport]) -> f64 {
    let looked = epochs
        .iter()
        .filter_map(|e| Some((e.validation_loss?, e.epoch + 1)));
    let lowest = looked.min_by(|a, b| a.0.total_cmp(&b.0));
    lowest.map_or(0.0, |(_, epoch)| epoch as f64)
}
