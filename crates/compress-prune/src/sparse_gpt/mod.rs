//! SparseGPT: pruning that moves the weights which stay, so that they make up for those that go.
//!
//! `matrix.rs` prunes one weight, with `select.rs` for the choice; here is what a model needs.

mod matrix;
mod select;

use compress_core::calibrate::{Gram, InputGram};
use compress_core::evidence::Evidence;
use compress_core::linalg::Damping;
use compress_core::mask::{Mask, TensorMask};
use compress_core::observe::{Observe, Place, Tap, observe};
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::{Role, TensorRef, matrix_shape};
use compress_core::{Error, Result};
use ndarray::ArrayView2;

pub use self::matrix::PrunedWeight;
pub use self::select::Pattern;

/// Prunes weights one column after the other. What a pruned weight `w` in column `j` contributed to
/// its output is spread over the columns behind it: they change by `−w / [H⁻¹]ⱼⱼ · [H⁻¹]ⱼ`. So the
/// outputs stay closer to what they were than under a mask alone. Which weights go is decided when
/// their turn comes, by the error `w² / [H⁻¹]ⱼⱼ` that this makes. Here H is `XᵀX` of what the weight
/// reads, with the damping on its diagonal, restricted to the columns from j on: those before j are
/// settled.
///
/// In f64 inside. The work for a weight `[out, in]` is about `in³/2 + out·in²/2` multiply-adds. A
/// column of inputs that was zero throughout is dead: its weights read nothing, so they become zero.
/// They are among the weights that go, so as many stay as the pattern says, as long as live columns
/// have so many. Unlike the paper, blocks do not all keep the same share ([`Pattern::Density`]).
///
/// # Examples
/// ```
/// use compress_core::observe::WithSamples;
/// use compress_prune::{Pattern, SparseGpt};
///
/// // Any `Parameters` that is `Observe`: here a chain and samples.
/// let mut network = compress_testing::Chain::random(&[8, 16, 4], 1);
/// let samples = compress_testing::blobs(64, 8, 4, 2);
/// let mut model = WithSamples::new(&mut network, &samples);
/// let mask = SparseGpt::new(Pattern::NOfM { n: 2, m: 4 }).prune(&mut model)?;
/// assert_eq!(mask.density(), 0.5);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Frantar, Alistarh 2023, *SparseGPT* (2301.00774), algorithm 1, section 3.2 (adaptive mask
/// selection) and section 3.3 (semi-structured sparsity). The update is that of Hassibi, Stork 1993,
/// *Second order derivatives for network pruning: Optimal Brain Surgeon*, for the squared error of a
/// layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseGpt {
    /// Which weights go.
    pub pattern: Pattern,
    /// Columns whose mask is chosen together, and after which the columns behind are brought up to
    /// date; at least 1. For N:M it is rounded up to whole groups.
    pub block: usize,
    /// What is added to the diagonal of H.
    pub damping: Damping,
}

impl SparseGpt {
    /// The paper's settings: blocks of 128 columns, damping by 0.01 of the mean diagonal, ten times
    /// as much where that is too little.
    pub fn new(pattern: Pattern) -> Self {
        SparseGpt {
            pattern,
            block: 128,
            damping: Damping::default(),
        }
    }

    /// Prunes one weight, given the Gram matrix of what it reads.
    ///
    /// # Errors
    /// Where a setting is out of range, the Gram matrix is of no rows, has another shape than the
    /// weight's columns or is not positive definite even with the most damping, a value is not finite,
    /// before or after, or weights are to stay but all inputs are zero.
    pub fn prune_weight(&self, weight: TensorRef<'_>, gram: &InputGram) -> Result<PrunedWeight> {
        weight.check_finite()?;
        let (rows, columns) = matrix_shape(weight.shape);
        let evidence = Evidence::none().with_gram(gram);
        let gram = evidence.gram("sparse_gpt", weight.name, columns)?;
        self.pattern.check(weight.name, weight.values.len())?;
        if self.block == 0 {
            let what = "columns of a block of SparseGPT";
            return Err(Error::invalid(what, self.block, "at least 1"));
        }
        if rows == 0 || columns == 0 {
            return Ok(PrunedWeight {
                values: Vec::new(),
                keep: Vec::new(),
            });
        }
        let (pattern, damping) = (self.pattern, &self.damping);
        matrix::prune(weight, gram.matrix.view(), pattern, self.block, damping)
    }

    /// Prunes every weight of `model`, in its order, each given what it reads from the ones that are
    /// already pruned. Runs the calibration data once for each weight; one weight and its Gram matrix
    /// are held at a time.
    ///
    /// # Errors
    /// Where there is no weight or no data, or the model does not show what a weight reads; as
    /// [`SparseGpt::prune_weight`]; those of the model. Weights before the one at fault are pruned
    /// then.
    pub fn prune(&self, model: &mut (impl Parameters + Observe)) -> Result<Mask> {
        let mut names = Vec::new();
        model.visit(&mut |tensor| {
            if tensor.role == Role::Weight {
                names.push(tensor.name.to_owned());
            }
            Ok(())
        })?;
        if names.is_empty() {
            let what = "the list of weights to prune".into();
            return Err(Error::Empty { what });
        }
        let mut mask = Mask::default();
        for name in names {
            let gram = gram_of(model, &name)?;
            let (shape, keep) = parameters::with_mut(model, &name, |weight| {
                let pruned = self.prune_weight(weight.as_ref(), &gram)?;
                weight.values.copy_from_slice(&pruned.values);
                Ok((weight.shape.to_vec(), pruned.keep))
            })?;
            tracing::debug!(weight = name, "pruned by SparseGPT");
            mask.tensors.push(TensorMask { name, shape, keep });
        }
        Ok(mask)
    }
}

/// The Gram matrix of what one weight reads.
fn gram_of(model: &dyn Observe, weight: &str) -> Result<InputGram> {
    let place = Place::InputOf(weight);
    let mut tap = Only {
        place,
        gram: Gram::default(),
    };
    observe(model, &mut tap)?;
    tap.gram.places.get(place).cloned().ok_or_else(|| {
        let place = place.to_string();
        Error::Unseen { place }
    })
}

/// The Gram matrix of one place.
struct Only<'a> {
    place: Place<'a>,
    gram: Gram,
}

impl Tap for Only<'_> {
    fn wants(&self, place: Place<'_>) -> bool {
        place == self.place
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        match self.wants(place) {
            true => self.gram.observe(place, rows),
            false => Ok(()),
        }
    }
}
