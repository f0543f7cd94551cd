//! Removes whole hidden layers, the least important first (structured pruning).

use compress_core::Error as CoreError;
use compress_core::network::{LayerRemoval, Network};
use compress_core::samples::Samples;

use crate::layer_criterion::LayerCriterion;
use crate::{Error, Result};

/// The score of one way to remove one hidden layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerScore {
    /// The layer's name.
    pub layer: String,
    /// The way it is removed.
    pub how: LayerRemoval,
    /// The criterion's score of the network without it (under [`crate::LayerLoss`] the validation
    /// loss), or why it cannot be removed this way.
    pub loss: std::result::Result<f32, String>,
}

/// Scores the removal of every hidden layer of `network`, in two ways: by a bypass, and by a fold
/// into the next layer. There are two entries for each hidden layer, first layer first, the bypass
/// before the fold. The network is not changed; one copy of it is held at a time.
///
/// # Errors
/// Where the validation samples do not fit the network. A removal that the shapes or the network
/// forbid is no error: its entry says why.
///
/// # Examples
/// ```
/// use compress_prune::{LayerLoss, score_layers};
///
/// // Any `Network`: here hidden layers of 8 and 8 neurons. Any `Samples` with labels.
/// let network = compress_testing::Chain::random(&[4, 8, 8, 3], 1);
/// let validation = compress_testing::blobs(64, 4, 3, 2);
/// let scores = score_layers(&network, &LayerLoss, &validation)?;
/// // The first layer has 4 inputs and 8 outputs: no bypass.
/// assert!(scores[0].loss.as_ref().is_err_and(|reason| reason.contains("as many")));
/// // The second one has 8 and 8.
/// assert!(scores[2].loss.is_ok());
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn score_layers(
    network: &dyn Network,
    criterion: &dyn LayerCriterion,
    validation: &dyn Samples,
) -> Result<Vec<LayerScore>> {
    let architecture = network.architecture();
    architecture.validate()?;
    let hidden = &architecture.layers[..architecture.layers.len() - 1];
    let mut scores = Vec::with_capacity(2 * hidden.len());
    for layer in hidden {
        for how in [LayerRemoval::Bypass, LayerRemoval::Fold] {
            scores.push(LayerScore {
                layer: layer.name.clone(),
                how,
                loss: score(network, &layer.name, how, criterion, validation)?,
            });
        }
    }
    Ok(scores)
}

/// Removes the hidden layer whose removal has the lowest [`score_layers`] score (the first of
/// equals), and returns its entry. Afterwards the network usually needs repair: by fine-tuning, or
/// by distillation from the network before.
///
/// # Errors
/// Where no hidden layer can be taken out; the error says why for each. And as [`score_layers`].
///
/// # Examples
/// ```
/// use compress_core::network::{LayerRemoval, Network};
/// use compress_prune::{LayerLoss, prune_layer};
///
/// let mut network = compress_testing::Chain::random(&[4, 8, 8, 3], 1);
/// let validation = compress_testing::blobs(64, 4, 3, 2);
/// let removed = prune_layer(&mut network, &LayerLoss, &validation)?;
/// println!("took out {}, validation loss {:?}", removed.layer, removed.loss);
/// assert_eq!(network.architecture().layers.len(), 2);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn prune_layer(
    network: &mut dyn Network,
    criterion: &dyn LayerCriterion,
    validation: &dyn Samples,
) -> Result<LayerScore> {
    let scores = score_layers(network, criterion, validation)?;
    let possible = scores.iter().filter_map(|score| {
        let loss = *score.loss.as_ref().ok()?;
        Some((score, loss))
    });
    let lower = |best: (_, f32), next: (_, f32)| if next.1 < best.1 { next } else { best };
    let Some((best, loss)) = possible.reduce(lower) else {
        return Err(Error::NoRemovableLayer {
            reasons: reasons(&scores),
        });
    };
    network.remove_layer(&best.layer, best.how)?;
    tracing::info!(layer = best.layer, how = ?best.how, loss, "removed a layer");
    Ok(best.clone())
}

fn score(
    network: &dyn Network,
    layer: &str,
    how: LayerRemoval,
    criterion: &dyn LayerCriterion,
    validation: &dyn Samples,
) -> Result<std::result::Result<f32, String>> {
    let mut candidate = network.boxed_clone();
    match candidate.remove_layer(layer, how) {
        Ok(()) => {}
        Err(CoreError::Refused { reason, .. }) => return Ok(Err(reason)),
        Err(error) => return Err(error.into()),
    }
    let score = criterion.score(&*candidate, validation)?;
    Ok(score.filter(|s| !s.is_nan()).ok_or_else(|| {
        format!(
            "{} of the network without it is not a number",
            criterion.name()
        )
    }))
}

fn reasons(scores: &[LayerScore]) -> String {
    if scores.is_empty() {
        return "there is no hidden layer".into();
    }
    let reason = |s: &LayerScore| match &s.loss {
        Err(reason) => Some(format!("{} by {:?}: {reason}", s.layer, s.how)),
        Ok(_) => None,
    };
    scores
        .iter()
        .filter_map(reason)
        .collect::<Vec<_>>()
        .join("; ")
}
