//! The losses that are compared.

use compress_core::train::{Loss, Samples};
use compress_distill::features::{
    FeatureDistillation, FeatureSettings, FeatureTeacher, Regressor, RegressorOptions,
    feature_loss, teacher_features,
};
use compress_distill::{HardLabels, LossSettings, Teacher, WeightedSum, loss, teacher_logits};
use compress_nn::Mlp;
use compress_nn::data::ImageSet;
use ndarray::Array2;

use serde::Serialize;

use super::settings::Settings;
use crate::sweep::StageError;

/// A loss.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) taught: bool,
    /// Its weight; the labels have one of `labels`.
    pub(super) weight: f32,
    pub(super) labels: f32,
    how: How,
}

/// What it compares.
#[derive(Debug, Serialize)]
enum How {
    /// Labels alone, by the loss of this name.
    Labels(&'static str),
    /// Logits, by the loss of this name, at a temperature or that of the loss.
    Logits(&'static str, Option<f32>),
    /// What a layer of student and teacher gives, by the loss of this name.
    Layers(&'static str, [&'static str; 2]),
}

const fn labels(name: &'static str, of: &'static str, source: &'static str) -> Row {
    Row {
        name,
        source,
        taught: false,
        weight: 1.0,
        labels: 0.0,
        how: How::Labels(of),
    }
}

const fn logits(
    name: &'static str,
    source: &'static str,
    of: &'static str,
    temperature: Option<f32>,
    weight: f32,
) -> Row {
    Row {
        name,
        source,
        taught: true,
        weight,
        labels: 1.0,
        how: How::Logits(of, temperature),
    }
}

const fn layers(
    name: &'static str,
    source: &'static str,
    of: &'static str,
    weight: f32,
    layers: [&'static str; 2],
) -> Row {
    Row {
        name,
        source,
        taught: true,
        weight,
        labels: 1.0,
        how: How::Layers(of, layers),
    }
}

/// The last hidden layers of student and teacher.
const LAST: [&str; 2] = ["layers.1", "layers.1"];
/// The layers of equal width.
const EQUAL: [&str; 2] = ["layers.0", "layers.1"];

/// The weights were chosen on validation images and seed 101, among six with factors of 3 and 10
/// between them.
pub(super) static ROWS: &[Row] = &[
    labels("hard labels", "hard_labels", "the baseline"),
    labels("label smoothing", "label_smoothing", "1512.00567"),
    Row {
        labels: 0.0,
        ..logits(
            "soft targets alone, T = 4",
            "1503.02531",
            "soft_targets",
            Some(4.0),
            1.0,
        )
    },
    logits(
        "soft targets, T = 4",
        "1503.02531",
        "soft_targets",
        Some(4.0),
        1.0,
    ),
    logits("logit MSE", "1312.6184", "logit_mse", None, 0.3),
    logits(
        "reverse KL, T = 4",
        "2306.08543",
        "reverse_kl",
        Some(4.0),
        1.0,
    ),
    logits(
        "Jensen–Shannon, T = 4",
        "2306.13649",
        "jensen_shannon",
        Some(4.0),
        4.0,
    ),
    logits("DKD, α = 1, β = 8, T = 4", "2203.08679", "dkd", None, 3.0),
    logits("DIST, T = 1", "2205.10536", "dist", None, 2.0),
    logits(
        "standardized logits",
        "2403.01427",
        "standardized_logits",
        None,
        10.0,
    ),
    layers("hint (FitNets)", "1412.6550", "hint", 0.03, LAST),
    layers(
        "attention transfer",
        "1612.03928",
        "attention_transfer",
        0.01,
        EQUAL,
    ),
    layers("similarity (SP)", "1907.09682", "similarity", 1_000.0, LAST),
    layers("RKD, distance", "1904.05068", "rkd_distance", 10.0, LAST),
    layers("RKD, angle", "1904.05068", "rkd_angle", 20.0, LAST),
];

/// What losses are made of: the teacher and the images.
pub(super) struct Lecture<'a> {
    teacher: Option<Mlp>,
    images: &'a ImageSet,
    settings: &'a Settings,
    seed: u64,
}

impl<'a> Lecture<'a> {
    pub(super) fn new(
        teacher: Option<Mlp>,
        images: &'a ImageSet,
        settings: &'a Settings,
        seed: u64,
    ) -> Self {
        Lecture {
            teacher,
            images,
            settings,
            seed,
        }
    }

    fn teacher(&self) -> Result<&Mlp, StageError> {
        Ok(self.teacher.as_ref().ok_or("the teacher is missing")?)
    }

    fn logits(&self) -> Result<Array2<f32>, StageError> {
        Ok(teacher_logits(self.teacher()?, self.images)?)
    }
}

type Made = (Box<dyn Loss>, Option<Regressor>);

impl Row {
    /// The loss, and what is learned along with the student.
    pub(super) fn loss(&self, lecture: &Lecture<'_>) -> Result<Made, StageError> {
        let (own, regressor): (Box<dyn Loss>, _) = match self.how {
            How::Labels(name) => {
                // Neither looks at a teacher.
                let teacher = Teacher::Cached(Array2::zeros((1, lecture.classes())));
                (loss(name, LossSettings::new(teacher))?, None)
            }
            How::Logits(name, temperature) => {
                let teacher = Teacher::Cached(lecture.logits()?);
                let settings = LossSettings {
                    temperature: temperature.map(Into::into),
                    ..LossSettings::new(teacher)
                };
                (loss(name, settings)?, None)
            }
            How::Layers(name, [student, teacher]) => {
                let given = teacher_features(lecture.teacher()?, teacher, lecture.images)?;
                let regressor = match name {
                    "hint" => Some(Regressor::new(
                        lecture.settings.width(student)?,
                        given.ncols(),
                        RegressorOptions {
                            seed: lecture.seed,
                            ..RegressorOptions::default()
                        },
                    )?),
                    _ => None,
                };
                let settings = FeatureSettings {
                    regressor: regressor.clone(),
                    ..FeatureSettings::default()
                };
                let of = feature_loss(name, settings)?;
                let given = FeatureTeacher::Cached(given);
                (
                    Box::new(FeatureDistillation::new(of, student, given)),
                    regressor,
                )
            }
        };
        if self.labels == 0.0 {
            return Ok((own, regressor));
        }
        let parts: Vec<(f32, Box<dyn Loss>)> =
            vec![(self.labels, Box::new(HardLabels)), (self.weight, own)];
        Ok((Box::new(WeightedSum::new(parts)?), regressor))
    }

    /// What the loss is, in words.
    pub(super) fn describe(&self) -> String {
        let what = match self.how {
            How::Labels(_) => return "labels alone".into(),
            How::Logits(..) => "logits".to_owned(),
            How::Layers(_, [student, teacher]) if student == teacher => {
                format!("what {student} gives")
            }
            How::Layers(_, [student, teacher]) => {
                format!("the student's {student}, the teacher's {teacher}")
            }
        };
        match self.labels {
            0.0 => format!("{what}, without labels"),
            _ => format!("{what}, times {}, and labels", self.weight),
        }
    }
}

impl Lecture<'_> {
    fn classes(&self) -> usize {
        self.images
            .labels()
            .iter()
            .max()
            .map_or(1, |&label| label as usize + 1)
    }
}
