//! A selection of the features that need not be said: those that some weight reads.

use crate::artifact::model::Artifact;
use compress_core::codec::{Codes, QuantizedTensor, Tensor};
use compress_core::network::Architecture;

/// The architecture without a selection.
pub(super) fn unselected(architecture: &Architecture) -> Architecture {
    let mut all = architecture.clone();
    if let (Some(_), Some(layer)) = (all.selected.take(), all.layers.first_mut()) {
        layer.inputs = architecture.selectable();
    }
    all
}

/// The model with all features, the first layer's weights of the others zero. `None` where the
/// selection is another one than of the features that some weight reads.
pub(super) fn all_features(artifact: &Artifact) -> Option<Artifact> {
    let selected = artifact.architecture.selected.as_ref()?;
    let features = artifact.architecture.selectable();
    let mut all = artifact.clone();
    all.architecture = unselected(&artifact.architecture);
    let layer = artifact.architecture.layers.first()?;
    let Some(Tensor::Quantized(weight)) = all.tensors.first_mut() else {
        return None;
    };
    let mut codes = vec![0; layer.outputs.checked_mul(features)?];
    if layer.inputs > 0 {
        let given = weight.codes.to_vec();
        let rows = given.chunks_exact(layer.inputs);
        for (row, wide) in rows.zip(codes.chunks_exact_mut(features)) {
            for (&code, &feature) in row.iter().zip(selected) {
                wide[feature as usize] = code;
            }
        }
    }
    weight.shape[1] = features;
    weight.codes = Codes::saturating(weight.grid.code_range(), codes);
    (read_features(weight, features) == *selected).then_some(all)
}

/// The model without the features that no weight reads.
pub(super) fn read_features_alone(mut all: Artifact) -> Option<Artifact> {
    let layer = all.architecture.layers.first_mut()?;
    let Some(Tensor::Quantized(weight)) = all.tensors.first_mut() else {
        return None;
    };
    let selected = read_features(weight, layer.inputs);
    let codes = weight.codes.to_vec();
    let rows = codes.chunks_exact(layer.inputs.max(1));
    let kept = rows.flat_map(|row| selected.iter().map(|&feature| row[feature as usize]));
    weight.codes = Codes::saturating(weight.grid.code_range(), kept);
    (layer.inputs, weight.shape[1]) = (selected.len(), selected.len());
    all.architecture.selected = Some(selected);
    Some(all)
}

/// The columns of a weight with a code other than zero.
fn read_features(weight: &QuantizedTensor, columns: usize) -> Vec<u32> {
    let mut read = vec![false; columns];
    for row in weight.codes.to_vec().chunks_exact(columns.max(1)) {
        for (read, &code) in read.iter_mut().zip(row) {
            *read |= code != 0;
        }
    }
    let read = read.iter().enumerate().filter(|(_, read)| **read);
    read.map(|(column, _)| column as u32).collect()
}
