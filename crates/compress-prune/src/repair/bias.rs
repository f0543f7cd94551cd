//! The mean of each output, put back by the bias.

use compress_core::observe::{Observe, Place, compare};
use compress_core::ops::rows::add_column_sums;
use compress_core::parameters::Parameters;
use compress_core::{Error, Result};

use super::layer::{LayerView, check_pair};
use super::model::{Pair, pairs};

/// The bias of a pruned layer with which each output has the mean that it had in the original one:
/// `b + W·x̄ − Ŵ·x̂̄`, given the means of what the original layer read and of what the pruned one reads.
/// Where nothing but zeros is left of an output, it is gone and stays zero.
///
/// # Errors
/// Where a layer has no bias, shapes disagree, or a value is not finite, before or after.
///
/// # Examples
/// ```
/// use compress_prune::{LayerView, correct_bias};
/// use ndarray::arr2;
///
/// let (weight, pruned) = (arr2(&[[2.0, 1.0]]), arr2(&[[2.0, 0.0]]));
/// let (name, bias) = ("w", Some(&[0.5][..]));
/// let original = LayerView { name, weight: weight.view(), bias };
/// let pruned = LayerView { name, weight: pruned.view(), bias };
/// // The second input is 3 on average.
/// let means = [4.0, 3.0];
/// assert_eq!(correct_bias(&original, &means, &pruned, &means)?, [3.5]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Nagel, van Baalen, Blankevoort, Welling 2019, *Data-free quantization through weight equalization
/// and bias correction* (1906.04721), section 4.2, there for the error of quantization.
pub fn correct_bias(
    original: &LayerView<'_>,
    original_means: &[f64],
    pruned: &LayerView<'_>,
    pruned_means: &[f64],
) -> Result<Vec<f32>> {
    check_pair(original, pruned)?;
    let (Some(before), Some(now)) = (original.bias, pruned.bias) else {
        let what = format!("the bias beside {}", pruned.name);
        return Err(Error::invalid(what, "absent", "given"));
    };
    check_means(original, original_means)?;
    check_means(pruned, pruned_means)?;
    let mean_output = |layer: &LayerView<'_>, means: &[f64], row: usize| -> f64 {
        let products = layer.weight.row(row).into_iter().zip(means);
        products.map(|(&w, mean)| f64::from(w) * mean).sum()
    };
    let bias = (0..now.len()).map(|row| {
        if pruned.is_gone(row) {
            return now[row];
        }
        let wanted = f64::from(before[row]) + mean_output(original, original_means, row);
        (wanted - mean_output(pruned, pruned_means, row)) as f32
    });
    let bias: Vec<f32> = bias.collect();
    let what = format!("the corrected bias beside {}", pruned.name);
    Error::check_finite(&what, &bias)?;
    Ok(bias)
}

/// Fails unless there is a finite mean for each input.
fn check_means(layer: &LayerView<'_>, means: &[f64]) -> Result<()> {
    let what = format!("means of the inputs of {}", layer.name);
    Error::check_shape(&what, &[layer.weight.ncols()], &[means.len()])?;
    match means.iter().find(|mean| !mean.is_finite()) {
        Some(mean) => Err(Error::invalid(what, mean, "finite")),
        None => Ok(()),
    }
}

/// Corrects the bias of each weight of `pruned`, as [`correct_bias`]. It goes through the weights
/// in order, so that later ones are measured behind corrected ones. A weight's bias is the only
/// one whose name is the same up to the last dot (`layers.0.weight`, `layers.0.bias`); weights without
/// one are left out. Runs the calibration data of both models once for each bias.
///
/// # Errors
/// Where no weight has a bias, or the models have no data, other tensors or shapes, or do not show
/// what a weight reads; as [`correct_bias`]. Biases before the one at fault are corrected then.
///
/// # Examples
/// ```
/// use compress_core::observe::WithSamples;
/// use compress_prune::{Known, Magnitude, PerLayer, Structure, correct_biases, score};
///
/// let mut network = compress_testing::Chain::random(&[8, 16, 4], 1);
/// let mut pruned = network.clone();
/// let scores = score(&pruned, &Magnitude, &Known::nothing())?;
/// PerLayer.mask(&scores, 0.5)?.apply(&mut pruned)?;
///
/// let samples = compress_testing::blobs(64, 8, 4, 2);
/// let original = WithSamples::new(&mut network, &samples);
/// correct_biases(&original, &mut WithSamples::new(&mut pruned, &samples))?;
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn correct_biases(
    original: &(impl Parameters + Observe),
    pruned: &mut (impl Parameters + Observe),
) -> Result<()> {
    let mut with_bias = pairs(pruned)?;
    with_bias.retain(|names| names.bias.is_some());
    if with_bias.is_empty() {
        let what = "the list of weights with a bias to correct".into();
        return Err(Error::Empty { what });
    }
    for names in with_bias {
        let pair = Pair::read(original, pruned, names)?;
        let (mut rows, mut sums) = (0, pair.columns().map(|columns| vec![0.0; columns]));
        let places = [Place::InputOf(&pair.names.weight)];
        compare(original, &*pruned, &places, &mut |_, first, second| {
            rows += first.nrows();
            add_column_sums(first, &mut sums[0])?;
            add_column_sums(second, &mut sums[1])
        })?;
        let means = sums.map(|sums| {
            let mean = |sum: &f64| sum / rows.max(1) as f64;
            sums.iter().map(mean).collect::<Vec<f64>>()
        });
        let [before, now] = pair.layers()?;
        let bias = correct_bias(&before, &means[0], &now, &means[1])?;
        pair.names.write(pruned, None, Some(&bias))?;
    }
    Ok(())
}
