//! The settings of the tracks that show one technique alone, `density` and `dense`. As those of
//! the others they are chosen on validation images and seeds from 101 on.

use compress_quant::schemes::Range;
use serde::Serialize;

use super::Options;
use super::lab::Pruning;
use super::lessons::Lessons;
use super::settings::Track;
use super::teacher_settings::{TeacherSettings, TransferSettings};
use crate::data::Shape;
use crate::experiments::rate::Rate;
use crate::run::{Profile, RunError};

/// What both tracks have.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Common {
    pub(super) track: Track,
    shape: Shape,
    pub(super) seeds: usize,
    /// The first test images; all where `None`.
    pub(super) test_limit: Option<usize>,
    /// Widths of a dense student's hidden layers.
    pub(super) hidden: [usize; 2],
    pub(super) lessons: Lessons,
}

/// Of the track `density`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DensitySettings {
    pub(super) common: Common,
    /// All, the sparsest last, or the one that is asked for.
    pub(super) levels: Vec<Level>,
}

/// A share of the weights.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Level {
    /// Of all weights and biases of the dense student.
    pub(super) percent: usize,
    /// The mean test error to be reached, in percent.
    pub(super) goal: f64,
    /// What [`PUBLISHED_BY`] reached, in percent.
    pub(super) published: f64,
    /// Widths of the hidden layers before pruning: those of the dense student, or fewer. A
    /// network of fewer is one of all whose other weights are zero, and is the faster to prune.
    pub(super) hidden: [usize; 2],
    /// Of the soft labels.
    pub(super) temperature: f32,
    /// Passes over as many samples as there are training images, before the first weight goes
    /// and after it.
    pub(super) dense_passes: usize,
    pub(super) prune_passes: usize,
    /// The share of all passes after which the number of weights stays.
    pub(super) end: f64,
    /// Steps between two prunings.
    pub(super) interval: usize,
    pub(super) rate: Rate,
}

/// Of the track `dense`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DenseSettings {
    pub(super) common: Common,
    /// Of the soft labels.
    pub(super) temperature: f32,
    /// Passes over as many samples as there are training images.
    pub(super) passes: usize,
    pub(super) rate: Rate,
    pub(super) weight_decay: f32,
    /// What the student is rounded to afterwards.
    pub(super) roundings: [Rounding; 2],
}

/// Codes of so many bits, with a scale for each channel.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rounding {
    pub(super) name: &'static str,
    pub(super) bits: u8,
    #[serde(serialize_with = "as_its_name")]
    pub(super) range: Range,
    /// Within how many test errors of the student it is to stay, in the mean.
    pub(super) goal: usize,
}

fn as_its_name<S: serde::Serializer>(range: &Range, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{range:?}"))
}

/// Whom [`Level::published`] is of.
pub(super) const PUBLISHED_BY: &str = "Sparse Momentum (Dettmers and Zettlemoyer 2019, 1907.04840)";

/// The mean test errors that a dense student is to have at most.
pub(super) const DENSE_GOAL: usize = 75;

/// Of 784-300-100-10.
const HIDDEN: [usize; 2] = [300, 100];
const QUICK_HIDDEN: [usize; 2] = [30, 20];
/// Where a level has fewer of them before pruning.
const QUICK_FEWER: [usize; 2] = [20, 15];

const LEVELS: [Level; 3] = [
    LEVEL,
    Level {
        percent: 2,
        goal: 1.20,
        published: 1.80,
        ..LEVEL
    },
    Level {
        percent: 1,
        goal: 1.45,
        published: 2.36,
        hidden: [100, 40],
        temperature: 2.0,
        prune_passes: 600,
        end: 0.5,
        ..LEVEL
    },
];

const LEVEL: Level = Level {
    percent: 5,
    goal: 1.00,
    published: 1.47,
    hidden: HIDDEN,
    temperature: 1.0,
    dense_passes: 10,
    prune_passes: 400,
    end: 0.8,
    interval: 100,
    rate: Rate::new(4e-3, 0.02, 300),
};

const DENSE_TEMPERATURE: f32 = 3.0;
const DENSE_PASSES: usize = 200;
const DENSE_DECAY: f32 = 0.05;
const DENSE_RATE: Rate = Rate::new(3e-3, 0.01, 300);

const ROUNDINGS: [Rounding; 2] = [
    Rounding {
        name: "int8",
        bits: 8,
        range: Range::AbsMax,
        goal: 3,
    },
    Rounding {
        name: "4 bits",
        bits: 4,
        range: Range::LeastSquares,
        goal: 12,
    },
];

impl Common {
    fn of(track: Track, profile: Profile, options: &Options, shape: Shape) -> Self {
        let quick = profile == Profile::Quick;
        let seeds = if quick { 2 } else { 5 };
        Common {
            track,
            shape,
            seeds: options.seeds.map_or(seeds, usize::from),
            test_limit: quick.then_some(1_000),
            hidden: if quick { QUICK_HIDDEN } else { HIDDEN },
            lessons: Lessons {
                teachers: TeacherSettings::of(profile, shape),
                transfer: match track {
                    Track::Dense => TransferSettings::strong(profile),
                    _ => TransferSettings::of(profile),
                },
                batch: 256,
                front: track.front(shape),
            },
        }
    }

    /// The dense student, as in 784-300-100-10.
    pub(super) fn student(&self) -> String {
        let ([first, second], shape) = (self.hidden, self.shape);
        format!("{}-{first}-{second}-{}", shape.features(), shape.classes)
    }

    /// Its weights and biases.
    pub(super) fn parameters(&self) -> usize {
        let ([first, second], shape) = (self.hidden, self.shape);
        (shape.features() + 1) * first + (first + 1) * second + (second + 1) * shape.classes
    }

    fn describe(&self) -> Vec<(String, String)> {
        let Lessons {
            teachers,
            transfer,
            batch,
            ..
        } = &self.lessons;
        let rows = [
            ("track", self.track.name().to_owned()),
            ("teachers", teachers.describe()),
            ("transfer set: augmented copies", transfer.describe()),
            ("batch", batch.to_string()),
            ("student", self.student()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

impl DensitySettings {
    /// Those of a profile and a command line.
    pub(super) fn of(profile: Profile, options: &Options, shape: Shape) -> Result<Self, RunError> {
        let quick = |level: &Level| Level {
            hidden: match level.hidden {
                HIDDEN => QUICK_HIDDEN,
                _ => QUICK_FEWER,
            },
            dense_passes: 4,
            prune_passes: 16,
            interval: 10,
            rate: Rate::new(4e-3, 0.02, 20),
            ..*level
        };
        let asked = |level: &&Level| options.target_percent.is_none_or(|p| p == level.percent);
        let levels = LEVELS.iter().filter(asked);
        let levels: Vec<Level> = match profile {
            Profile::Full => levels.copied().collect(),
            Profile::Quick => levels.map(quick).collect(),
        };
        match options.target_percent {
            Some(percent) if levels.is_empty() => Err(RunError::NoLevel {
                percent,
                known: LEVELS.map(|level| level.percent.to_string()).join(", "),
            }),
            _ => Ok(DensitySettings {
                common: Common::of(Track::Density, profile, options, shape),
                levels,
            }),
        }
    }

    /// How a student is pruned to a level.
    pub(super) fn pruning(&self, level: &Level) -> Pruning {
        let parameters = self.common.parameters();
        Pruning {
            hidden: level.hidden,
            // To the nearest.
            weights: (parameters * level.percent + 50) / 100,
            temperature: level.temperature,
            dense_passes: level.dense_passes,
            prune_passes: level.prune_passes,
            end: level.end,
            interval: level.interval,
            rate: level.rate,
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let mut rows = self.common.describe();
        rows.extend(self.levels.iter().map(|level| {
            let Level {
                percent,
                hidden: [first, second],
                temperature,
                dense_passes,
                prune_passes,
                end,
                interval,
                rate,
                ..
            } = level;
            let (weights, rate) = (self.pruning(level).weights, rate.describe());
            let how = format!(
                "{weights} weights, from hidden layers of {first} and {second} neurons; temperature {temperature}; {dense_passes} passes dense, {prune_passes} pruning, which ends at {end} of all passes, every {interval} steps; learning rate {rate}"
            );
            (format!("{percent} %"), how)
        }));
        rows
    }
}

impl DenseSettings {
    /// Those of a profile and a command line.
    pub(super) fn of(profile: Profile, options: &Options, shape: Shape) -> Self {
        let (passes, rate) = match profile {
            Profile::Full => (DENSE_PASSES, DENSE_RATE),
            Profile::Quick => (8, Rate::new(4e-3, 0.01, 20)),
        };
        DenseSettings {
            common: Common::of(Track::Dense, profile, options, shape),
            temperature: DENSE_TEMPERATURE,
            passes,
            rate,
            weight_decay: DENSE_DECAY,
            roundings: ROUNDINGS,
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let mut rows = self.common.describe();
        rows.push(("temperature".into(), self.temperature.to_string()));
        rows.push(("passes".into(), self.passes.to_string()));
        rows.push(("learning rate".into(), self.rate.describe()));
        rows.push(("weight decay".into(), self.weight_decay.to_string()));
        rows.extend(self.roundings.iter().map(|rounding| {
            let range = match rounding.range {
                Range::LeastSquares => "clipped by least squares",
                _ => "nothing clipped",
            };
            let how = format!("{} bits per channel, {range}", rounding.bits);
            (rounding.name.to_owned(), how)
        }));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MNIST: Shape = Shape {
        height: 28,
        width: 28,
        classes: 10,
    };

    #[test]
    fn students_are_pruned_as_their_level_says() {
        let settings = DensitySettings::of(Profile::Full, &Options::default(), MNIST).unwrap();
        assert_eq!(settings.common.parameters(), 266_610);
        let levels = settings.levels.iter();
        let weights: Vec<usize> = levels.map(|l| settings.pruning(l).weights).collect();
        assert_eq!(weights, [13_331, 5_332, 2_666]);
        for level in &settings.levels {
            let pruning = settings.pruning(level);
            let (hidden, temperature) = match level.percent {
                1 => ([100, 40], 2.0),
                _ => ([300, 100], 1.0),
            };
            assert_eq!((pruning.hidden, pruning.temperature), (hidden, temperature));
        }
    }

    #[test]
    fn dense_students_alone_see_what_their_teachers_saw() {
        for profile in [Profile::Full, Profile::Quick] {
            let options = Options::default();
            let dense = DenseSettings::of(profile, &options, MNIST).common.lessons;
            let density = DensitySettings::of(profile, &options, MNIST).unwrap();
            let density = density.common.lessons;
            let [strongest, _] = dense.teachers.strengths;
            let seen = dense.teachers.augmentation.with_max_strength(strongest);
            assert_eq!(dense.transfer.augmentation, seen);
            assert!(density.transfer.augmentation.max_strength < strongest);
            assert_eq!(dense.transfer.copies, density.transfer.copies);
        }
    }

    #[test]
    fn one_level_alone_is_the_one_that_is_asked_for() {
        for profile in [Profile::Full, Profile::Quick] {
            let options = |target_percent| Options {
                target_percent,
                ..Options::default()
            };
            let settings =
                |percent| DensitySettings::of(profile, &options(percent), MNIST).unwrap();
            let all = settings(None).levels;
            for level in &all {
                let alone = settings(Some(level.percent)).levels;
                assert_eq!(format!("{alone:?}"), format!("[{level:?}]"));
            }
            assert_eq!(all.len(), 3);
        }
    }
}
