//! The rows of the table: what a student is and what it sees.

use serde::Serialize;

use crate::run::Profile;

/// A student.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Neurons of each of its two hidden layers.
    pub(super) hidden: usize,
    /// Of the teacher's answers; `None` where it learns from the labels alone.
    pub(super) temperature: Option<f32>,
    /// Which classes the images are of that it sees; all where `None`.
    #[serde(skip)]
    pub(super) classes: Option<fn(u32) -> bool>,
    /// What those images are called.
    images: &'static str,
    /// The classes whose output biases are moved afterwards.
    pub(super) mended: Option<&'static [u32]>,
    /// Errors of 10,000 that Hinton et al. report: as trained, and with biases mended.
    pub(super) published: [Option<f64>; 2],
}

const fn student(hidden: usize, temperature: Option<f32>) -> Row {
    Row {
        hidden,
        temperature,
        classes: None,
        images: "all",
        mended: None,
        published: [None; 2],
    }
}

pub(super) static ROWS: &[Row] = &[
    Row {
        published: [Some(146.0), None],
        ..student(800, None)
    },
    student(800, Some(1.0)),
    student(800, Some(4.0)),
    student(800, Some(8.0)),
    Row {
        published: [Some(74.0), None],
        ..student(800, Some(20.0))
    },
    student(300, Some(2.5)),
    student(300, Some(8.0)),
    student(300, Some(20.0)),
    student(30, None),
    student(30, Some(1.0)),
    student(30, Some(2.5)),
    student(30, Some(4.0)),
    student(30, Some(8.0)),
    student(30, Some(20.0)),
    Row {
        classes: Some(|label| label != 3),
        images: "no 3s",
        mended: Some(&[3]),
        published: [Some(206.0), Some(109.0)],
        ..student(800, Some(20.0))
    },
    Row {
        classes: Some(|label| label == 7 || label == 8),
        images: "only 7s and 8s",
        mended: Some(&[7, 8]),
        published: [Some(4_730.0), Some(1_320.0)],
        ..student(800, Some(20.0))
    },
];

impl Row {
    /// What the student learns from.
    pub(super) fn source(&self) -> String {
        match self.temperature {
            None => "labels".into(),
            Some(temperature) => format!("teacher at T = {temperature}"),
        }
    }

    /// The images that it sees, in words.
    pub(super) fn images(&self) -> &'static str {
        self.images
    }

    /// The name of its runs, without the seed.
    pub(super) fn name(&self) -> String {
        let Row { hidden, images, .. } = self;
        format!("{hidden}-{hidden}, {}, {images} images", self.source())
    }

    /// Its width; small in quick runs.
    pub(super) fn width(&self, profile: Profile) -> usize {
        match profile {
            Profile::Full => self.hidden,
            Profile::Quick => (self.hidden / 20).max(5),
        }
    }
}
