//! The weights that stay, fitted to the outputs of the original layer.

use std::collections::BTreeMap;

use compress_core::linalg::{Cholesky, Damping, subtract_product};
use compress_core::observe::{Observe, Place, compare};
use compress_core::parameters::Parameters;
use compress_core::{Error, Result};
use ndarray::{Array2, Axis, Zip};

use super::bias::correct_bias;
use super::layer::{LayerView, RepairedLayer, check_pair};
use super::model::{Pair, pairs};
use super::products::InputProducts;

/// The weight and bias of a pruned layer with which its outputs are closest to those of the original
/// one in squared error, over the rows that `products` has seen:
///
/// ```text
/// min ‖X·Wᵀ + b − X̂·Ŵᵀ − b̂‖² + λ·‖Ŵ − Ŵ₀‖²    Ŵ₀: the pruned weight as it is
/// ```
///
/// Zeros of the pruned weight stay zero: each row is solved for its other columns, rows with the same
/// zeros together. λ is `damping` times the mean diagonal of their Gram matrix. It pulls to the weight
/// as it is, so what the rows do not tell does not change, such as a weight whose input is always
/// zero, and the squared error does not grow, but by the rounding of a bias. A row keeps its values
/// where in f32 nothing is won. An output of which nothing but zeros is left is gone, and stays so.
///
/// The work is that of one Cholesky factorization for each set of zeros: where zeros are scattered,
/// one for each row. At its peak it holds about as much memory again as `products`, which it takes to
/// centre in place. The two layers may read different numbers of features.
///
/// # Errors
/// Where no rows were seen, shapes disagree, only one layer has a bias, a value is not finite, before
/// or after, or a system cannot be solved even with the most damping.
///
/// # Examples
/// ```
/// use compress_core::linalg::Damping;
/// use compress_prune::{InputProducts, LayerView, reconstruct_layer};
/// use ndarray::arr2;
///
/// // The second input is twice the first, and its weight is pruned.
/// let inputs = arr2(&[[1.0, 2.0], [-2.0, -4.0], [0.5, 1.0]]);
/// let mut products = InputProducts::new(2, 2)?;
/// products.add(inputs.view(), inputs.view())?;
/// let (weight, pruned) = (arr2(&[[1.0, 3.0]]), arr2(&[[1.0, 0.0]]));
/// let layer = |weight| LayerView { name: "w", weight, bias: None };
/// let (original, pruned) = (layer(weight.view()), layer(pruned.view()));
/// let repaired = reconstruct_layer(&original, &pruned, products, &Damping::NONE)?;
/// assert_eq!(repaired.weight, arr2(&[[7.0, 0.0]]));
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// - Luo, Wu, Lin 2017, *ThiNet* (1707.06342), section 3.2.3, equation 7: least squares after
///   channels are gone.
/// - He, Zhang, Sun 2017, *Channel pruning for accelerating very deep neural networks* (1707.06168),
///   equation 4: whole weights, fitted to the outputs of the original model.
pub fn reconstruct_layer(
    original: &LayerView<'_>,
    pruned: &LayerView<'_>,
    products: InputProducts,
    damping: &Damping,
) -> Result<RepairedLayer> {
    check_pair(original, pruned)?;
    let columns = [original.weight.ncols(), pruned.weight.ncols()];
    let what = format!("columns of the inputs of {}", pruned.name);
    Error::check_shape(&what, &columns, products.minus_cross.shape())?;
    if products.samples() == 0 {
        let what = format!("the inputs of {}", pruned.name);
        return Err(Error::Empty { what });
    }
    // With a bias the means are its business, and the weight fits what varies.
    let varying = match pruned.bias {
        Some(_) => products.centered(),
        None => products,
    };
    let residual = residual(original, pruned, &varying)?;
    let solved = solve(pruned, &varying, &residual, damping)?;
    let solved = keep_gains(pruned, &varying, &residual, solved)?;
    match original.bias {
        Some(_) => with_bias(original, pruned, &varying, solved),
        None => Ok(RepairedLayer {
            weight: solved,
            bias: None,
        }),
    }
}

/// What the original outputs and those of the pruned layer differ by, times the inputs:
/// `Σ (W·x − Ŵ₀·x̂)·x̂ᵀ` `[outputs, columns]`.
fn residual(
    original: &LayerView<'_>,
    pruned: &LayerView<'_>,
    products: &InputProducts,
) -> Result<Array2<f64>> {
    let mut residual = Array2::zeros(pruned.weight.dim());
    let before = original.weight.mapv(f64::from);
    let now = pruned.weight.mapv(f64::from);
    subtract_product(
        residual.view_mut(),
        before.view(),
        products.minus_cross.view(),
    )?;
    subtract_product(
        residual.view_mut(),
        (-now).view(),
        products.minus_gram.view(),
    )?;
    Ok(residual)
}

/// The pruned weight plus the solution of the normal equations for what is left of each row.
fn solve(
    pruned: &LayerView<'_>,
    products: &InputProducts,
    residual: &Array2<f64>,
    damping: &Damping,
) -> Result<Array2<f32>> {
    let live = products.live();
    let mut rows_of: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (row, weights) in pruned.weight.rows().into_iter().enumerate() {
        let stays = weights.iter().zip(&live).enumerate();
        let support = stays.filter(|(_, (w, live))| **w != 0.0 && **live);
        let support = support.map(|(column, _)| column).collect();
        rows_of.entry(support).or_default().push(row);
    }
    let mut solved = pruned.weight.to_owned();
    for (support, rows) in rows_of.iter().filter(|(support, _)| !support.is_empty()) {
        let rows_of_gram = products.minus_gram.select(Axis(0), support);
        let gram = -rows_of_gram.select(Axis(1), support);
        drop(rows_of_gram);
        let sides = residual.select(Axis(0), rows).select(Axis(1), support);
        let what = format!("the Gram matrix of the inputs of {}", pruned.name);
        let (factor, _) = Cholesky::factor_damped(&what, gram.view(), damping)?;
        let change = factor.solve(sides.t())?;
        for (&row, change) in rows.iter().zip(change.columns()) {
            for (&column, change) in support.iter().zip(change) {
                let weight = &mut solved[(row, column)];
                *weight = (f64::from(*weight) + change) as f32;
            }
        }
    }
    let values = solved.as_slice().unwrap_or_default();
    let what = format!("{}, fitted to the original outputs,", pruned.name);
    Error::check_finite(&what, values)?;
    Ok(solved)
}

/// `solved`, with the rows of the pruned weight where these are as good: the squared error changes by
/// `d·G·dᵀ − 2·d·r` where a row with residual `r` changes by `d`.
fn keep_gains(
    pruned: &LayerView<'_>,
    products: &InputProducts,
    residual: &Array2<f64>,
    mut solved: Array2<f32>,
) -> Result<Array2<f32>> {
    let mut change = solved.mapv(f64::from);
    Zip::from(&mut change)
        .and(pruned.weight)
        .for_each(|change, &w| *change -= f64::from(w));
    let mut curved = residual * -2.0;
    subtract_product(curved.view_mut(), change.view(), products.minus_gram.view())?;
    for (row, (change, curved)) in change.rows().into_iter().zip(curved.rows()).enumerate() {
        let grows: f64 = change.iter().zip(curved).map(|(d, c)| d * c).sum();
        let better = grows < 0.0;
        if !better {
            solved.row_mut(row).assign(&pruned.weight.row(row));
        }
    }
    Ok(solved)
}

/// With the bias for it. In a row whose weights are as they were, the bias changes only for the
/// better.
fn with_bias(
    original: &LayerView<'_>,
    pruned: &LayerView<'_>,
    products: &InputProducts,
    weight: Array2<f32>,
) -> Result<RepairedLayer> {
    let now = LayerView {
        weight: weight.view(),
        ..*pruned
    };
    let (before, after) = (products.original_means(), products.pruned_means());
    let bias = Some(correct_bias(original, &before, &now, &after)?);
    Ok(RepairedLayer { weight, bias })
}

/// Fits each weight of `pruned` and its bias to the outputs of the same layer of `original`, as
/// [`reconstruct_layer`]. It goes through the weights in order, so that later ones also make up for what
/// is left of the errors of earlier ones. A weight's bias is the only one whose name is the same up to the
/// last dot (`layers.0.weight`, `layers.0.bias`). Runs the calibration data of both models once for
/// each weight; the sums of one weight are held at a time.
///
/// The models have the same shapes: prune neurons by a mask ([`crate::Neurons`]), reconstruct, and
/// then remove them ([`crate::compact`]).
///
/// # Errors
/// Where the models have no data, other tensors or shapes, or do not show what a weight reads; as
/// [`reconstruct_layer`]. Weights before the one at fault are fitted then.
///
/// # Examples
/// ```
/// use compress_core::linalg::Damping;
/// use compress_core::network::Edit;
/// use compress_core::observe::WithSamples;
/// use compress_prune::{Known, NeuronNorm, Neurons, Structure, reconstruct, score};
///
/// let mut network = compress_testing::Chain::random(&[8, 16, 4], 1);
/// let mut pruned = network.clone();
/// let scores = score(&pruned, &NeuronNorm::default(), &Known::nothing())?;
/// Neurons::of(&pruned.graph()).mask(&scores, 0.75)?.apply(&mut pruned)?;
///
/// let samples = compress_testing::blobs(64, 8, 4, 2);
/// let original = WithSamples::new(&mut network, &samples);
/// let mut repaired = WithSamples::new(&mut pruned, &samples);
/// reconstruct(&original, &mut repaired, &Damping::default())?;
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn reconstruct(
    original: &(impl Parameters + Observe),
    pruned: &mut (impl Parameters + Observe),
    damping: &Damping,
) -> Result<()> {
    for names in pairs(pruned)? {
        let pair = Pair::read(original, pruned, names)?;
        let [before, now] = pair.columns();
        let mut products = InputProducts::new(before, now)?;
        let places = [Place::InputOf(&pair.names.weight)];
        compare(original, &*pruned, &places, &mut |_, first, second| {
            products.add(first, second)
        })?;
        let [before, now] = pair.layers()?;
        let repaired = reconstruct_layer(&before, &now, products, damping)?;
        pair.names
            .write(pruned, Some(&repaired.weight), repaired.bias.as_deref())?;
        tracing::debug!(weight = pair.names.weight, "reconstructed");
    }
    Ok(())
}
