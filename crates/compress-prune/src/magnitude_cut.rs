//! Pruning by magnitude of models that are larger than memory: what stays is found by looking at one
//! tensor at a time.

use compress_core::Error;
use compress_core::parameters::Parameters;
use compress_core::tensor::TensorRef;

use crate::Result;
use crate::error::check_fraction;
use crate::structure::kept_count;

/// Which values of a tensor stay: those of a magnitude above a boundary, and of those at the boundary
/// the ones before a position.
///
/// The same values stay as under [`crate::Global`], or [`crate::PerLayer`], of the magnitudes, but no
/// scores and no mask are held.
///
/// # Examples
/// ```
/// use compress_prune::{Lent, MagnitudeCut};
/// let mut weight = ndarray::array![[1.0_f32, -3.0], [2.0, 0.5]];
/// let model = Lent::new().weight("w", weight.view_mut())?;
/// let cuts = MagnitudeCut::global(&model, 0.5, &|_| true)?;
/// let mut values = [1.0, -3.0, 2.0, 0.5];
/// cuts[0].apply(0, &mut values);
/// assert_eq!(values, [0.0, -3.0, 2.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MagnitudeCut {
    /// The name of the tensor.
    pub tensor: String,
    /// The bits of the least magnitude of which values stay.
    boundary: u32,
    /// Values at the boundary stay before this position.
    before: usize,
}

impl MagnitudeCut {
    /// The cuts that let `round(density · n)` of all `n` values of the chosen tensors stay. Looks at
    /// each tensor three times.
    ///
    /// # Errors
    /// Where the density is not from 0 to 1, a chosen tensor has a value that is not finite, or loses
    /// all of its values at a density above 0; those of the model.
    pub fn global<P: Parameters + ?Sized>(
        model: &P,
        density: f64,
        chosen: &dyn Fn(&TensorRef<'_>) -> bool,
    ) -> Result<Vec<Self>> {
        check_fraction("the density", density)?;
        let ranking = Ranking { model, chosen };
        let mut coarse = vec![0; BINS];
        ranking.each(&mut |tensor| {
            Error::check_finite(tensor.name, tensor.values)?;
            count_high(&mut coarse, tensor.values);
            Ok(())
        })?;
        let kept = kept_count(density, coarse.iter().sum());
        if kept == 0 {
            return ranking.nothing();
        }
        let (high, rest) = find(&coarse, kept);
        let mut fine = vec![0; BINS];
        ranking.each(&mut |tensor| {
            count_low(&mut fine, high, tensor.values);
            Ok(())
        })?;
        let (low, mut ties) = find(&fine, rest);
        let mut cuts = Vec::new();
        ranking.each(&mut |tensor| {
            let (cut, left) = cut(&tensor, bits(high, low), ties)?;
            ties = left;
            cuts.push(cut);
            Ok(())
        })?;
        Ok(cuts)
    }

    /// The cuts that let `round(density · n)` of the `n` values of each chosen tensor stay. Looks at
    /// each tensor once.
    ///
    /// # Errors
    /// As [`MagnitudeCut::global`].
    pub fn per_tensor<P: Parameters + ?Sized>(
        model: &P,
        density: f64,
        chosen: &dyn Fn(&TensorRef<'_>) -> bool,
    ) -> Result<Vec<Self>> {
        check_fraction("the density", density)?;
        let ranking = Ranking { model, chosen };
        if density == 0.0 {
            return ranking.nothing();
        }
        let mut cuts = Vec::new();
        ranking.each(&mut |tensor| {
            Error::check_finite(tensor.name, tensor.values)?;
            let kept = kept_count(density, tensor.values.len());
            let mut counts = vec![0; BINS];
            count_high(&mut counts, tensor.values);
            let (high, rest) = find(&counts, kept);
            counts.fill(0);
            count_low(&mut counts, high, tensor.values);
            let (low, ties) = find(&counts, rest);
            // Where nothing is to stay, no magnitude is above the boundary.
            let boundary = if kept == 0 { u32::MAX } else { bits(high, low) };
            cuts.push(cut(&tensor, boundary, ties)?.0);
            Ok(())
        })?;
        Ok(cuts)
    }

    /// Zeroes what does not stay of some values, which begin at the position `start` of the tensor.
    pub fn apply(&self, start: usize, values: &mut [f32]) {
        for (position, value) in (start..).zip(values) {
            let bits = magnitude(*value);
            let stays = bits > self.boundary || bits == self.boundary && position < self.before;
            if !stays {
                *value = 0.0;
            }
        }
    }
}

/// Values of 16 bits.
const BINS: usize = 1 << 16;

/// The bits of |v|, which are in the order of the magnitudes.
fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// Counts the upper halves of the magnitudes.
fn count_high(counts: &mut [usize], values: &[f32]) {
    for value in values {
        counts[(magnitude(*value) >> 16) as usize] += 1;
    }
}

/// Counts the lower halves of the magnitudes whose upper half is `high`.
fn count_low(counts: &mut [usize], high: usize, values: &[f32]) {
    let magnitudes = values.iter().map(|value| magnitude(*value));
    for bits in magnitudes.filter(|bits| (bits >> 16) as usize == high) {
        counts[(bits & 0xffff) as usize] += 1;
    }
}

/// The magnitude of two halves.
fn bits(high: usize, low: usize) -> u32 {
    (high as u32) << 16 | low as u32
}

/// The bin in which the last of the `kept` largest is, and how many of that bin stay.
fn find(counts: &[usize], kept: usize) -> (usize, usize) {
    let mut rest = kept;
    for (bin, &count) in counts.iter().enumerate().rev() {
        if rest <= count {
            return (bin, rest);
        }
        rest -= count;
    }
    (0, 0)
}

/// The position before which `ties` values at the boundary are, and how many are left for the tensors
/// behind. `usize::MAX` where all of this tensor stay.
fn place(values: &[f32], boundary: u32, ties: usize) -> (usize, usize) {
    let mut left = ties;
    for (position, value) in values.iter().enumerate() {
        if magnitude(*value) == boundary {
            if left == 0 {
                return (position, 0);
            }
            left -= 1;
        }
    }
    (usize::MAX, left)
}

/// The cut of a tensor, of which `ties` values at the boundary may stay, and how many ties are left
/// for the tensors behind.
fn cut(
    tensor: &TensorRef<'_>,
    boundary: u32,
    ties: usize,
) -> compress_core::Result<(MagnitudeCut, usize)> {
    let (before, left) = place(tensor.values, boundary, ties);
    let stays = |(position, value): (usize, &f32)| {
        magnitude(*value) > boundary || magnitude(*value) == boundary && position < before
    };
    if !tensor.values.is_empty() && !tensor.values.iter().enumerate().any(stays) {
        let what = format!("the number of values that stay of {}", tensor.name);
        return Err(Error::invalid(
            what,
            0,
            "at least 1; prune each tensor by itself, or less",
        ));
    }
    let cut = MagnitudeCut {
        tensor: tensor.name.to_owned(),
        boundary,
        before,
    };
    Ok((cut, left))
}

/// The chosen tensors of a model.
struct Ranking<'a, P: ?Sized> {
    model: &'a P,
    chosen: &'a dyn Fn(&TensorRef<'_>) -> bool,
}

impl<P: Parameters + ?Sized> Ranking<'_, P> {
    fn each(
        &self,
        see: &mut dyn FnMut(TensorRef<'_>) -> compress_core::Result<()>,
    ) -> compress_core::Result<()> {
        self.model
            .visit(&mut |tensor| match (self.chosen)(&tensor) {
                true => see(tensor),
                false => Ok(()),
            })
    }

    /// Cuts that let nothing stay.
    fn nothing(&self) -> Result<Vec<MagnitudeCut>> {
        let mut cuts = Vec::new();
        self.each(&mut |tensor| {
            cuts.push(MagnitudeCut {
                tensor: tensor.name.to_owned(),
                boundary: u32::MAX,
                before: 0,
            });
            Ok(())
        })?;
        Ok(cuts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Global, Known, Lent, Magnitude, PerLayer, Structure, score};
    use ndarray::Array2;

    /// Values with many ties, as bf16 has them.
    fn weights(seed: u64, rows: usize, columns: usize) -> Array2<f32> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % 81) as f32 / 8.0 - 5.0
        };
        Array2::from_shape_fn((rows, columns), |_| next())
    }

    #[test]
    fn the_same_values_stay_as_under_the_structures() {
        for density in [0.01, 0.25, 0.5, 0.77, 1.0] {
            let arrays = [weights(1, 20, 30), weights(2, 7, 50), weights(3, 1, 9)];
            let mut lent = arrays.clone();
            let [a, b, c] = &mut lent;
            let model = Lent::new()
                .weight("a", a.view_mut())
                .and_then(|m| m.weight("b", b.view_mut()))
                .and_then(|m| m.weight("c", c.view_mut()))
                .unwrap();
            let scores = score(&model, &Magnitude, &Known::nothing()).unwrap();
            for global in [true, false] {
                let (cuts, mask) = match global {
                    true => (
                        MagnitudeCut::global(&model, density, &|_| true),
                        Global::default().mask(&scores, density),
                    ),
                    false => (
                        MagnitudeCut::per_tensor(&model, density, &|_| true),
                        PerLayer.mask(&scores, density),
                    ),
                };
                let Ok(mask) = mask else {
                    assert!(cuts.is_err(), "both refuse {density}, {global}");
                    continue;
                };
                for ((cut, mask), array) in cuts.unwrap().iter().zip(&mask.tensors).zip(&arrays) {
                    let mut values = array.iter().copied().collect::<Vec<f32>>();
                    // In two parts, as a stream has them.
                    let (first, second) = values.split_at_mut(array.len() / 3);
                    cut.apply(0, first);
                    cut.apply(array.len() / 3, second);
                    let expected = array
                        .iter()
                        .zip(&mask.keep)
                        .map(|(v, k)| if *k { *v } else { 0.0 });
                    assert!(
                        values.iter().copied().eq(expected),
                        "{} {density} {global}",
                        cut.tensor
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_chosen_does_not_count() {
        let (mut a, mut b) = (weights(4, 10, 10), weights(5, 10, 10));
        b.mapv_inplace(|v| v * 100.0);
        let model = Lent::new()
            .weight("a", a.view_mut())
            .and_then(|m| m.weight("b", b.view_mut()))
            .unwrap();
        let cuts = MagnitudeCut::global(&model, 0.3, &|tensor| tensor.name == "a").unwrap();
        assert_eq!(cuts.len(), 1);
        let mut values = a.iter().copied().collect::<Vec<f32>>();
        cuts[0].apply(0, &mut values);
        assert!(values.iter().filter(|v| **v != 0.0).count() <= 30);
        assert!(MagnitudeCut::global(&Lent::new(), 1.5, &|_| true).is_err());
    }
}
