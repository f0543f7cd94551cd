//! The settings of the pipeline, full and quick. They were chosen with `--validation-only`.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;

/// The learning rates of all trainings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rates {
    pub(super) teacher: Rate,
    pub(super) teacher_last: Rate,
    pub(super) dense: Rate,
    /// Fine-tuning one technique alone.
    pub(super) tune: Rate,
    /// Fine-tuning on two bits.
    pub(super) two_bits: Rate,
    pub(super) distill: Rate,
    pub(super) prune: Rate,
    pub(super) quantize: Rate,
}

const RATES: Rates = Rates {
    teacher: Rate::new(1.2e-3, 0.1, 300),
    teacher_last: Rate::new(1.2e-4, 0.05, 0),
    dense: Rate::new(1e-3, 0.05, 100),
    tune: Rate::new(1e-3, 0.05, 50),
    two_bits: Rate::new(5e-4, 0.05, 50),
    distill: Rate::new(3e-3, 0.05, 200),
    prune: Rate::new(2e-3, 0.05, 200),
    quantize: Rate::new(1e-3, 0.05, 200),
};

/// The strengths of augmentation: for the teacher, for its last epochs, for the transfer set.
/// What a strength of 1 does is [`compress_nn::data::Augmentation`]'s default.
const STRENGTHS: [f32; 3] = [1.3, 0.7, 1.0];

/// Everything that the pipeline can be set to, beside the seed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    /// Training images used, validation included; all of them where `None`.
    pub(super) limit: Option<usize>,
    /// The last so many training images are for validation.
    pub(super) validation: usize,
    /// Test images used; all of them where `None`.
    pub(super) test_limit: Option<usize>,
    /// Widths of the teacher's hidden layers.
    pub(super) teacher: [usize; 2],
    /// Widths of the student's hidden layers.
    pub(super) student: [usize; 2],
    /// Epochs of the teacher with the full strength of augmentation.
    pub(super) teacher_epochs: usize,
    /// Further epochs of the teacher with little augmentation.
    pub(super) teacher_last_epochs: usize,
    /// The share of the teacher's hidden neurons that a batch drops.
    pub(super) teacher_dropout: f32,
    /// Strengths of augmentation: teacher, its last epochs, transfer set.
    pub(super) strengths: [f32; 3],
    /// Learning rates.
    pub(super) rates: Rates,
    /// Images of a batch, for the teacher and for the students.
    pub(super) teacher_batch: usize,
    pub(super) batch: usize,
    /// Augmented copies of each training image in the transfer set.
    pub(super) copies: usize,
    /// Temperature of the soft targets.
    pub(super) temperature: f32,
    /// Weight of the soft against the hard labels where a student repairs itself.
    pub(super) soft_weight: f32,
    /// Steps between two prunings.
    pub(super) prune_interval: usize,
    /// Epochs over the plain training images for the dense student and its fine-tuning.
    pub(super) dense_epochs: usize,
    pub(super) tune_epochs: usize,
    /// Passes over the transfer set: distilling, pruning, quantizing.
    pub(super) distill_passes: usize,
    pub(super) prune_passes: usize,
    pub(super) quantize_passes: usize,
    /// Fraction of the weights that is left where weights alone are pruned.
    pub(super) alone_density: f64,
    /// Fraction of the hidden neurons that is left where neurons alone are pruned.
    pub(super) alone_neurons: f64,
    /// Fraction of the weights that is left in the end.
    pub(super) density: f64,
    /// Bits of a weight and of a bias in the end.
    pub(super) weight_bits: u8,
    pub(super) bias_bits: u8,
}

impl Settings {
    /// The settings of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        match profile {
            Profile::Full => FULL,
            Profile::Quick => QUICK,
        }
    }

    /// Name and value of each setting, for the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let widths = |widths: &[usize]| {
            widths
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join("-")
        };
        let percent = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
        let rows = [
            ("teacher: hidden neurons", widths(&self.teacher)),
            ("student: hidden neurons", widths(&self.student)),
            (
                "batch of the teacher, of students",
                format!("{}, {}", self.teacher_batch, self.batch),
            ),
            (
                "teacher: epochs, then with less augmentation",
                format!("{}, {}", self.teacher_epochs, self.teacher_last_epochs),
            ),
            (
                "dense student and fine-tuning alone: epochs",
                format!("{}, {}", self.dense_epochs, self.tune_epochs),
            ),
            (
                "teacher: dropout by batches",
                self.teacher_dropout.to_string(),
            ),
            (
                "augmentation of the teacher, of its last epochs, of the transfer set",
                self.strengths.map(|s| s.to_string()).join(", "),
            ),
            (
                "learning rate of the teacher",
                self.rates.teacher.describe(),
            ),
            ("of its last epochs", self.rates.teacher_last.describe()),
            ("of the dense student", self.rates.dense.describe()),
            ("of fine-tuning alone", self.rates.tune.describe()),
            ("of fine-tuning on two bits", self.rates.two_bits.describe()),
            ("of distilling", self.rates.distill.describe()),
            ("of pruning", self.rates.prune.describe()),
            ("of quantizing", self.rates.quantize.describe()),
            ("steps between prunings", self.prune_interval.to_string()),
            ("soft weight of a repair", self.soft_weight.to_string()),
            ("transfer set: augmented copies", self.copies.to_string()),
            ("temperature", self.temperature.to_string()),
            (
                "passes over the transfer set: distil, prune, quantize",
                format!(
                    "{}, {}, {}",
                    self.distill_passes, self.prune_passes, self.quantize_passes
                ),
            ),
            ("weights left, pruned alone", percent(self.alone_density)),
            ("neurons left, pruned alone", percent(self.alone_neurons)),
            ("weights left, all together", percent(self.density)),
            (
                "bits of a weight, of a bias",
                format!("{}, {}", self.weight_bits, self.bias_bits),
            ),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

const FULL: Settings = Settings {
    limit: None,
    validation: 5_000,
    test_limit: None,
    teacher: [1000, 600],
    student: [300, 100],
    teacher_epochs: 15,
    teacher_last_epochs: 2,
    teacher_dropout: 0.25,
    strengths: STRENGTHS,
    rates: RATES,
    soft_weight: 0.7,
    prune_interval: 50,
    teacher_batch: 256,
    batch: 128,
    copies: 4,
    temperature: 2.0,
    dense_epochs: 6,
    tune_epochs: 4,
    distill_passes: 5,
    prune_passes: 5,
    quantize_passes: 3,
    alone_density: 0.05,
    alone_neurons: 0.4,
    density: 0.0230,
    weight_bits: 4,
    bias_bits: 8,
};

const QUICK: Settings = Settings {
    limit: Some(5_500),
    validation: 500,
    test_limit: Some(1_000),
    teacher: [100, 60],
    student: [40, 20],
    teacher_epochs: 8,
    teacher_last_epochs: 2,
    teacher_dropout: 0.3,
    strengths: STRENGTHS,
    rates: RATES,
    soft_weight: 0.7,
    prune_interval: 50,
    teacher_batch: 64,
    batch: 64,
    copies: 1,
    temperature: 2.0,
    dense_epochs: 6,
    tune_epochs: 3,
    distill_passes: 6,
    prune_passes: 6,
    quantize_passes: 4,
    alone_density: 0.1,
    alone_neurons: 0.5,
    density: 0.06,
    weight_bits: 4,
    bias_bits: 8,
};
