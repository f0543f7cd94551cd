//! Deep mutual learning: several students that learn together, from the labels and from each other.

use compress_core::train::{
    Batch, FitInSteps, FitReport, FitRun, Loss, NextBatch, Samples, TrainHook,
};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::error::check_temperature;
use crate::logits::check_features;
use crate::losses::check_labels;
use crate::{Error, HardLabels, Result, SoftTargets, Teacher};

/// A student among others, with the hooks of its training.
pub struct Peer<'a> {
    /// The student.
    pub student: &'a mut dyn FitInSteps,
    /// What prunes or quantizes it while it learns.
    pub hooks: Vec<&'a mut dyn TrainHook>,
}

impl<'a> Peer<'a> {
    /// A student without hooks.
    pub fn new(student: &'a mut dyn FitInSteps) -> Self {
        let hooks = Vec::new();
        Peer { student, hooks }
    }
}

/// How students learn from each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MutualOptions {
    /// The temperature of the divergence from the peers, which is multiplied by its square; positive.
    /// Default: 1, as in the paper.
    pub temperature: f32,
    /// What that divergence weighs beside the cross-entropy with the labels; not negative. Default: 1,
    /// as in the paper.
    pub peer_weight: f32,
}

impl Default for MutualOptions {
    fn default() -> Self {
        MutualOptions {
            temperature: 1.0,
            peer_weight: 1.0,
        }
    }
}

impl MutualOptions {
    /// Fails on a setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        let weight = self.peer_weight;
        if !(weight.is_finite() && weight >= 0.0) {
            let expected = "finite and not negative";
            return Err(CoreError::invalid("peer_weight", weight, expected).into());
        }
        Ok(())
    }
}

/// Deep mutual learning: trains all `peers` together. The loss of each is
///
/// ```text
/// cross-entropy + peer_weight / (K − 1) · Σ T² · KL(p_l ‖ p_k)    over the K − 1 others l
/// ```
///
/// The peers take their steps in turn, on the same batch: one that comes later hears what the earlier
/// ones say after their steps (algorithm 1). A peer says what it would say if it were shipped now:
/// without dropout, and pruned and quantized as its hooks leave it. The order of the samples is that of
/// the first peer. Peers may differ in all but features, outputs, epochs and batch size. Where
/// validation stops one early, the training of all ends. A run can be resumed where all peers are
/// resumed from checkpoints of the same epoch.
///
/// # Errors
/// Before anything is trained: where an option is out of range, there are fewer than two peers, they
/// have different outputs or do not read these samples, labels are missing or name no output, or the
/// peers' runs have different batches or numbers of steps. During training: where it or a hook fails.
///
/// # Examples
/// ```
/// use compress_distill::{MutualOptions, Peer, mutual_learning};
/// use compress_testing::{Chain, Sgd};
///
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let mut a = Sgd::new(Chain::random(&[4, 16, 3], 1));
/// let mut b = Sgd::new(Chain::random(&[4, 8, 3], 2));
/// let peers = vec![Peer::new(&mut a), Peer::new(&mut b)];
/// let reports = mutual_learning(peers, &data, &MutualOptions::default())?;
/// assert!(reports.iter().all(|r| r.epochs[9].training_loss < r.epochs[0].training_loss));
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Zhang, Xiang, Hospedales, Lu 2018, *Deep mutual learning* (1706.00384), algorithm 1, and
/// section 3.3 for more than two peers.
pub fn mutual_learning(
    mut peers: Vec<Peer<'_>>,
    data: &dyn Samples,
    options: &MutualOptions,
) -> Result<Vec<FitReport>> {
    options.validate()?;
    check(&peers, data)?;
    tracing::info!(?options, peers = peers.len(), "learning from each other");
    let mut runs = Vec::new();
    for peer in &mut peers {
        runs.push(peer.student.begin(data, &[], &mut peer.hooks)?);
    }
    check_runs(&runs)?;
    while let Some((epoch, indices)) = next(&runs) {
        step(&mut runs, data, epoch, &indices, options)?;
    }
    let reports = runs.into_iter().map(|run| run.finish());
    Ok(reports.collect::<CoreResult<_>>()?)
}

type Runs<'r> = [Box<dyn FitRun + 'r>];

fn check(peers: &[Peer<'_>], data: &dyn Samples) -> Result<()> {
    if peers.len() < 2 {
        let what = "the number of peers";
        return Err(CoreError::invalid(what, peers.len(), "at least 2").into());
    }
    let outputs = peers[0].student.network().outputs();
    for (number, peer) in (1..).zip(peers) {
        let network = peer.student.network();
        check_features("student", network, data)?;
        let what = format!("outputs of student {number}");
        CoreError::check_shape(&what, &[outputs], &[network.outputs()])?;
    }
    check_labels(data.labels(), &[], data.len(), outputs)
}

/// Fails unless all runs are at the same step and go on in the same batches.
fn check_runs(runs: &Runs<'_>) -> Result<()> {
    for (number, run) in (1..).zip(runs) {
        let of = |run: &dyn FitRun| {
            let rows = run.next_batch().map_or(0, |next| next.indices.len());
            [run.done(), run.total_steps(), rows]
        };
        let what = format!("steps done, steps in all and samples per step of student {number}");
        CoreError::check_shape(&what, &of(&*runs[0]), &of(&**run))?;
        let epoch = |run: &dyn FitRun| run.next_batch().map(|next| next.epoch);
        if let (Some(expected), Some(found)) = (epoch(&*runs[0]), epoch(&**run))
            && expected != found
        {
            let what = format!("the epoch in which student {number} begins");
            let expected = format!("{expected}, as that of student 1");
            return Err(CoreError::invalid(what, found, expected).into());
        }
    }
    Ok(())
}

/// Epoch and samples of the next step; `None` where a run is over, which validation may have ended.
fn next(runs: &Runs<'_>) -> Option<(u64, Vec<usize>)> {
    let next: Option<Vec<NextBatch<'_>>> = runs.iter().map(|run| run.next_batch()).collect();
    let first = *next?.first()?;
    Some((first.epoch, first.indices.to_vec()))
}

/// One step of each peer, in turn.
fn step(
    runs: &mut Runs<'_>,
    data: &dyn Samples,
    epoch: u64,
    indices: &[usize],
    options: &MutualOptions,
) -> Result<()> {
    let mut inputs = Array2::zeros((indices.len(), data.features()));
    data.fill(epoch, indices, inputs.view_mut())?;
    let say = |number: usize, run: &mut dyn FitRun| {
        let said = SoftTargets::new(
            Teacher::Cached(run.predict(inputs.view())?),
            options.temperature,
        );
        said.map_err(|error| of_peer(error, number + 1, indices))
    };
    // What the others say to the peer whose turn it is: first those whose turn comes later.
    let mut others = Vec::new();
    for (number, run) in runs.iter_mut().enumerate().skip(1) {
        others.push(say(number, run.as_mut())?);
    }
    for (number, run) in runs.iter_mut().enumerate() {
        let loss = PeersAndLabels {
            peers: &others,
            weight: options.peer_weight,
        };
        run.step(indices, &loss)?;
        if number < others.len() {
            others.remove(0);
            others.push(say(number, run.as_mut())?);
        }
    }
    Ok(())
}

/// Names peer and sample in an error of logits, which knows the row of a batch.
fn of_peer(error: Error, number: usize, indices: &[usize]) -> Error {
    match error {
        Error::TeacherLogit {
            sample,
            class,
            value,
            ..
        } => Error::TeacherLogit {
            teacher: number,
            sample: indices.get(sample).copied().unwrap_or(sample),
            class,
            value,
        },
        other => other,
    }
}

/// Cross-entropy with the labels, and the weighted mean divergence from what each peer says of this
/// batch.
struct PeersAndLabels<'a> {
    peers: &'a [SoftTargets<'a>],
    weight: f32,
}

impl Loss for PeersAndLabels<'_> {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        let mut loss = f64::from(HardLabels.evaluate(logits, batch, gradient.view_mut())?);
        let mut sum = gradient.mapv(f64::from);
        // What peers say is known row by row.
        let rows: Vec<usize> = (0..logits.nrows()).collect();
        let batch = Batch {
            indices: &rows,
            ..*batch
        };
        let weight = f64::from(self.weight) / self.peers.len() as f64;
        for peer in self.peers {
            loss += weight * f64::from(peer.evaluate(logits, &batch, gradient.view_mut())?);
            sum.zip_mut_with(&gradient, |sum, &g| *sum += weight * f64::from(g));
        }
        gradient.zip_mut_with(&sum, |g, &sum| *g = sum as f32);
        match loss as f32 {
            value if value.is_finite() => Ok(value),
            _ => Err(Error::Diverged { value: loss }.into()),
        }
    }
}
