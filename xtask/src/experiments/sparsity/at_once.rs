//! Whole networks pruned at once, without training: by magnitude, by Wanda and by SparseGPT, half of
//! the weights or 2 of each 4; with the error that each makes in the outputs of each layer.

use compress_core::calibrate::InputGram;
use compress_core::evidence::Evidence;
use compress_core::linalg::subtract_product;
use compress_core::network::Parameter;
use compress_core::observe::OnSamples;
use compress_core::tensor::Role;
use compress_nn::Mlp;
use compress_nn::data::ImageSet;
use compress_prune::{
    Known, Magnitude, Mask, NOfM, Needs, Pattern, PerLayer, PerRow, SparseGpt, Structure, Wanda,
    score,
};
use ndarray::Array2;
use serde::Serialize;

use crate::sweep::{Model, Outcome, StageError};

/// Which weights stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Kept {
    Half,
    TwoOfFour,
}

impl Kept {
    pub(super) const ALL: [Kept; 2] = [Kept::Half, Kept::TwoOfFour];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kept::Half => "50 percent",
            Kept::TwoOfFour => "2 of 4",
        }
    }

    /// Pruned by scores: by `half`, or 2 of 4.
    fn mask(
        self,
        scores: &compress_prune::Scores,
        half: &dyn Structure,
    ) -> compress_core::Result<Mask> {
        match self {
            Kept::Half => half.mask(scores, 0.5),
            Kept::TwoOfFour => NOfM::default().mask(scores, 0.5),
        }
    }

    fn pattern(self) -> Pattern {
        match self {
            Kept::Half => Pattern::Density(0.5),
            Kept::TwoOfFour => Pattern::NOfM { n: 2, m: 4 },
        }
    }
}

/// The methods, as labels of models.
pub(super) const METHODS: [&str; 3] = ["magnitude", "Wanda", "SparseGPT"];

/// The number under which a model says what error it makes in the outputs of a layer.
pub(super) fn error_of(layer: &str) -> String {
    format!("output error of {layer}")
}

/// The network pruned by each method, on calibration images; errors are measured on others.
pub(super) fn pruned(
    whole: &Mlp,
    kept: Kept,
    calibration: &ImageSet,
    validation: &ImageSet,
) -> Result<Outcome, StageError> {
    let needs = Needs {
        inputs: true,
        gram: true,
        ..Needs::default()
    };
    let known = Known::by_observing(&OnSamples::new(whole, calibration), needs)?;
    let measured = Known::by_observing(&OnSamples::new(whole, validation), needs)?;
    let [mut by_magnitude, mut by_wanda, mut by_obs] = [whole; 3].map(Mlp::clone);
    let scores = score(whole, &Magnitude, &Known::nothing())?;
    kept.mask(&scores, &PerLayer)?.apply(&mut by_magnitude)?;
    kept.mask(&score(whole, &Wanda, &known)?, &PerRow)?
        .apply(&mut by_wanda)?;
    for weight in by_obs
        .parameters_mut()
        .into_iter()
        .filter(|p| p.role() == Role::Weight)
    {
        let pruned = {
            let tensor = weight.tensor();
            let gram = gram_of(&known, tensor.name, weight.shape()[1])?;
            SparseGpt::new(kept.pattern()).prune_weight(tensor, gram)?
        };
        let (values, _) = weight.values_and_gradient_mut();
        values.copy_from_slice(&pruned.values);
    }
    let mut models = Vec::new();
    for (label, network) in METHODS.into_iter().zip([by_magnitude, by_wanda, by_obs]) {
        let mut model = Model::of(label, &network)?;
        let pairs = whole.parameters().into_iter().zip(network.parameters());
        for (before, after) in pairs.filter(|(before, _)| before.role() == Role::Weight) {
            let gram = gram_of(&measured, before.name(), before.shape()[1])?;
            let error = output_error(before, after, gram)?;
            model = model.with(&error_of(before.name()), error);
        }
        models.push(model);
    }
    Ok(Outcome { models })
}

fn gram_of<'a>(
    known: &'a Known,
    weight: &str,
    columns: usize,
) -> Result<&'a InputGram, StageError> {
    let evidence: Evidence<'a> = known.of(weight);
    Ok(evidence.gram("this experiment", weight, columns)?)
}

/// ‖X·(W′ − W)ᵀ‖² / ‖X·Wᵀ‖², from XᵀX.
fn output_error(
    before: &Parameter,
    after: &Parameter,
    gram: &InputGram,
) -> compress_core::Result<f64> {
    let gram = gram.matrix.mapv(f64::from);
    let whole = before.matrix().mapv(f64::from);
    let change = after.matrix().mapv(f64::from) - &whole;
    Ok(energy(&change, &gram)? / energy(&whole, &gram)?)
}

/// The trace of W·G·Wᵀ.
fn energy(weight: &Array2<f64>, gram: &Array2<f64>) -> compress_core::Result<f64> {
    let mut less = Array2::zeros(weight.dim());
    subtract_product(less.view_mut(), weight.view(), gram.view())?;
    Ok(-less.iter().zip(weight).map(|(g, w)| g * w).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_energy_is_that_of_the_outputs() {
        let x = array![[1.0_f32, 2.0], [3.0, -1.0], [0.5, 0.0]];
        let w = array![[2.0, -1.0], [0.0, 3.0]];
        let gram = array![[10.25, -1.0], [-1.0, 5.0]];
        let outputs = |w: &ndarray::ArrayView1<'_, f64>, x: &ndarray::ArrayView1<'_, f32>| {
            w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum::<f64>()
        };
        let mut expected = 0.0;
        for row in w.rows() {
            expected += x
                .rows()
                .into_iter()
                .map(|x| outputs(&row, &x).powi(2))
                .sum::<f64>();
        }
        assert!((energy(&w, &gram).unwrap() - expected).abs() < 1e-9);
    }
}
