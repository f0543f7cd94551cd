//! Fronts: fixed linear functions of the features, before the first layer of a chain.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use crate::isa::Isa;
use crate::kernels::memory::row_major;
use crate::{Error, Result};

/// Rows that one task reads.
const ROWS: usize = 16;

/// A front: a fixed linear function of a sample's features, whose output the first layer reads. It
/// has no parameters, so a file only states which front it is.
pub trait Front: fmt::Debug + Any + Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// How many features it reads; positive.
    fn inputs(&self) -> usize;

    /// How many values it gives.
    fn outputs(&self) -> usize;

    /// The factor by which the largest magnitude of its output can exceed that of the features.
    fn gain(&self) -> f32;

    /// Applies it at a level to samples `[samples, inputs]`, row-major, and writes into `out`
    /// `[samples, outputs]`. Allocates nothing, and gives the same bits at each level.
    ///
    /// # Errors
    /// Where the lengths are not those of as many samples.
    fn apply_at(&self, isa: Isa, samples: &[f32], out: &mut [f32]) -> Result<()>;

    /// [`Front::apply_at`] the level in use.
    ///
    /// # Errors
    /// As [`Front::apply_at`].
    fn apply(&self, samples: &[f32], out: &mut [f32]) -> Result<()> {
        self.apply_at(Isa::active()?, samples, out)
    }
}

/// A front that copies of an architecture share. Two are equal where their descriptions
/// ([`fmt::Debug`]) are.
#[derive(Clone)]
pub struct SharedFront(Arc<dyn Front>);

impl SharedFront {
    /// # Errors
    /// Where it reads nothing.
    pub fn new(front: impl Front) -> Result<Self> {
        match front.inputs() {
            0 => Err(Error::invalid(
                "the front",
                format!("{front:?}"),
                "positive",
            )),
            _ => Ok(SharedFront(Arc::new(front))),
        }
    }

    /// The front itself, where it is of this type.
    pub fn downcast_ref<T: Front>(&self) -> Option<&T> {
        let front: &dyn Any = &*self.0;
        front.downcast_ref()
    }

    /// [`Front::apply_at`] to rows, shared among threads. `out` must be contiguous and row-major.
    ///
    /// # Errors
    /// Where a shape or layout is another.
    pub fn apply_rows(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        let isa = Isa::active()?;
        let (reads, gives) = (ROWS * self.inputs(), ROWS * self.outputs());
        let inputs = row_major("what the front reads", inputs)?;
        let (Some(inputs), Some(out)) = (inputs.as_slice(), out.as_slice_mut()) else {
            let (what, expected) = ("what the first layer reads", "contiguous and row-major");
            return Err(Error::invalid(what, "strided", expected));
        };
        let tasks = inputs.par_chunks(reads).zip(out.par_chunks_mut(gives));
        tasks.try_for_each(|(inputs, out)| self.0.apply_at(isa, inputs, out))
    }
}

impl Deref for SharedFront {
    type Target = dyn Front;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for SharedFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for SharedFront {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for SharedFront {}
