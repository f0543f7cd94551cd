//! The tracks, and the settings of each target of `pixels` and `pooled`. They come from runs on
//! validation images and seeds from 101 on (`docs/results/openings.md`). The penalties are estimates
//! from those and from the bytes of openings, and were lowered where one had missed in errors.

use compress_format::Pooling;
use compress_format::coding::matrix::geometry::Images;
use serde::{Deserialize, Serialize};

use super::Options;
use super::lab::Pruning;
use super::lessons::Lessons;
use super::teacher_settings::{TeacherSettings, TransferSettings};
use crate::data::Shape;
use crate::experiments::rate::Rate;
use crate::run::{Profile, RunError};

/// What is to be shown, and what a student may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub(crate) enum Track {
    /// The smallest file that reads the pixels as they are.
    Pixels,
    /// The smallest behind a fixed linear pooling of them to a half and a quarter of the rows and
    /// columns, a part of the decoder.
    Pooled,
    /// Pruning alone: few weights in full precision.
    Density,
    /// No pruning: a dense student, then rounded without training.
    Dense,
}

impl Track {
    /// That of the command line.
    pub(crate) fn of(options: &Options) -> Self {
        options.track.unwrap_or(Track::Pixels)
    }

    /// All of them.
    pub(super) fn all() -> &'static [Self] {
        <Self as clap::ValueEnum>::value_variants()
    }

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Track::Pixels => "pixels",
            Track::Pooled => "pooled",
            Track::Density => "density",
            Track::Dense => "dense",
        }
    }

    /// What the first layer reads of such images.
    pub(super) fn images(self, shape: Shape) -> Images {
        let whole = Images::one(shape.height, shape.width);
        self.front(shape).map_or(whole, |front| front.images())
    }

    /// What stands before the first layer.
    pub(super) fn front(self, shape: Shape) -> Option<Pooling> {
        (self == Track::Pooled).then_some(Pooling::TentPyramid {
            height: shape.height as u32,
            width: shape.width as u32,
        })
    }
}

/// How a student is made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Target {
    /// The mean size of a file that it was chosen for, in bytes.
    pub(super) bytes: usize,
    /// Widths of the hidden layers before pruning.
    pub(super) hidden: [usize; 2],
    /// Weights that stay.
    pub(super) weights: usize,
    /// Passes over as many samples as there are training images: dense, then pruned while
    /// learning, then quantized, and once more after codes were refined.
    pub(super) dense_passes: usize,
    pub(super) prune_passes: usize,
    pub(super) quantize_passes: usize,
    pub(super) repair_passes: usize,
    /// The share of the dense and the pruning passes after which the number of weights stays.
    pub(super) prune_end: f64,
    pub(super) prune_rate: Rate,
    pub(super) quantize_rate: Rate,
    pub(super) repair_rate: Rate,
    /// Width of a weight's code in bits.
    pub(super) bits: u8,
    /// Samples of the transfer set by which codes are refined. Spread over all copies: fitted to
    /// the training images as they are, codes end with fewer errors on them than on others.
    pub(super) refine_samples: usize,
    /// What a bit costs in the loss: of magnitude where steps are learned, of all that a code
    /// costs where codes are refined.
    pub(super) penalty: f32,
    /// How far a neuron may be moved for a shorter file, in places. The time grows with it and
    /// with the file, so that the larger files of `pixels` have less.
    pub(super) order_window: usize,
    /// The grid that biases are on in the end, as a share of the root mean square of what their
    /// layer gives.
    pub(super) bias_grid: f32,
}

/// All of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) track: Track,
    pub(super) shape: Shape,
    pub(super) seeds: usize,
    /// The first test images; all where `None`.
    pub(super) test_limit: Option<usize>,
    pub(super) teachers: TeacherSettings,
    pub(super) transfer: TransferSettings,
    pub(super) temperature: f32,
    pub(super) batch: usize,
    pub(super) prune_interval: usize,
    /// How often each code is looked at when codes are refined.
    pub(super) refine_sweeps: usize,
    /// Training images by which the grid of the biases is found again.
    pub(super) rounding_samples: usize,
    pub(super) target: Target,
}

impl Settings {
    /// Those of a profile and a command line, for such images.
    pub(super) fn of(profile: Profile, options: &Options, shape: Shape) -> Result<Self, RunError> {
        let track = Track::of(options);
        let targets = match (profile, track) {
            (Profile::Full, Track::Pixels) => PIXELS,
            (Profile::Full, Track::Pooled) => POOLED,
            (Profile::Quick, Track::Pixels | Track::Pooled) => QUICK,
            (_, Track::Density | Track::Dense) => &[],
        };
        let target = match options.target_bytes {
            None => targets.first(),
            Some(bytes) => targets.iter().find(|target| target.bytes == bytes),
        };
        let quick = profile == Profile::Quick;
        let default_seeds = if quick || options.sweep { 2 } else { 5 };
        Ok(Settings {
            track,
            shape,
            seeds: options.seeds.map_or(default_seeds, usize::from),
            test_limit: quick.then_some(1_000),
            teachers: TeacherSettings::of(profile, shape),
            transfer: TransferSettings::of(profile),
            temperature: 1.0,
            batch: 256,
            prune_interval: if quick { 10 } else { 100 },
            refine_sweeps: if quick { 1 } else { 2 },
            rounding_samples: if quick { 500 } else { 2_000 },
            target: *target.ok_or_else(|| RunError::NoTarget {
                track: track.name(),
                bytes: options.target_bytes.unwrap_or(0),
                known: targets
                    .iter()
                    .map(|t| t.bytes.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?,
        })
    }

    /// What students learn from.
    pub(super) fn lessons(&self) -> Lessons {
        Lessons {
            teachers: self.teachers,
            transfer: self.transfer,
            batch: self.batch,
            front: self.track.front(self.shape),
        }
    }

    /// How they are pruned.
    pub(super) fn pruning(&self) -> Pruning {
        Pruning {
            hidden: self.target.hidden,
            weights: self.target.weights,
            temperature: self.temperature,
            dense_passes: self.target.dense_passes,
            prune_passes: self.target.prune_passes,
            end: self.target.prune_end,
            interval: self.prune_interval,
            rate: self.target.prune_rate,
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let target = &self.target;
        let rows = [
            ("track", self.track.name().to_owned()),
            ("teachers", self.teachers.describe()),
            ("transfer set: augmented copies", self.transfer.describe()),
            ("temperature", self.temperature.to_string()),
            ("batch", self.batch.to_string()),
            (
                "hidden neurons before pruning",
                format!("{:?}", target.hidden),
            ),
            ("weights that stay", target.weights.to_string()),
            (
                "passes: dense, pruning, quantized, repaired",
                format!(
                    "{}, {}, {}, {}",
                    target.dense_passes,
                    target.prune_passes,
                    target.quantize_passes,
                    target.repair_passes
                ),
            ),
            ("pruned by", format!("{} of those passes", target.prune_end)),
            ("learning rate of pruning", target.prune_rate.describe()),
            (
                "learning rate of quantizing",
                target.quantize_rate.describe(),
            ),
            ("learning rate of repair", target.repair_rate.describe()),
            ("steps between prunings", self.prune_interval.to_string()),
            ("bits of a weight's code", target.bits.to_string()),
            ("cost of a bit in the loss", format!("{:e}", target.penalty)),
            (
                "refined: sweeps, samples",
                format!("{}, {}", self.refine_sweeps, target.refine_samples),
            ),
            ("places a neuron may move", target.order_window.to_string()),
            (
                "grid of biases",
                format!("{} of the RMS of what their layer gives", target.bias_grid),
            ),
            (
                "training images by which it is found again",
                self.rounding_samples.to_string(),
            ),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

const FIRST: Target = Target {
    bytes: 2_400,
    hidden: [100, 40],
    weights: 2_900,
    dense_passes: 10,
    prune_passes: 600,
    quantize_passes: 400,
    repair_passes: 150,
    prune_end: 0.5,
    prune_rate: Rate::new(4e-3, 0.1, 300),
    quantize_rate: Rate::new(6e-3, 0.02, 300),
    repair_rate: Rate::new(2e-3, 0.02, 100),
    bits: 5,
    refine_samples: 110_000,
    penalty: 4.7e-6,
    order_window: 2,
    bias_grid: 0.2,
};

/// Of the track `pixels`, the first being the one that runs when none is asked for.
const PIXELS: &[Target] = &[
    FIRST,
    Target {
        bytes: 2_100,
        penalty: 7.8e-6,
        ..FIRST
    },
];

const FIRST_POOLED: Target = Target {
    bytes: 1_250,
    hidden: [70, 32],
    weights: 1_450,
    prune_passes: 450,
    quantize_passes: 300,
    prune_end: 0.8,
    prune_rate: Rate::new(6e-3, 0.1, 300),
    refine_samples: 330_000,
    penalty: 1.55e-5,
    order_window: 16,
    ..FIRST
};

/// Of the track `pooled`.
const POOLED: &[Target] = &[
    FIRST_POOLED,
    Target {
        bytes: 1_100,
        penalty: 2.4e-5,
        ..FIRST_POOLED
    },
    Target {
        bytes: 1_024,
        penalty: 3e-5,
        ..FIRST_POOLED
    },
];

/// Of a run that takes seconds.
const QUICK: &[Target] = &[Target {
    bytes: 1_000,
    hidden: [30, 20],
    weights: 700,
    dense_passes: 4,
    prune_passes: 16,
    quantize_passes: 8,
    repair_passes: 4,
    prune_end: 0.8,
    prune_rate: Rate::new(4e-3, 0.1, 20),
    quantize_rate: Rate::new(6e-3, 0.02, 20),
    repair_rate: Rate::new(2e-3, 0.02, 10),
    refine_samples: 2_000,
    order_window: 1,
    ..FIRST
}];
