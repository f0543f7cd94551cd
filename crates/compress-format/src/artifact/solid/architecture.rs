//! The architecture, in either direction.

use crate::coding::meter::Part;
use crate::coding::numbers::Numbers;
use crate::coding::range_coder::BitCoder;
use crate::program::{ACTIVATION_CODES, activation_code, default_name, usual_activation};
use compress_core::chain::{Architecture, Front, LayerSpec};

use crate::front::Pooling;

/// A model with more layers than this is not small.
const MOST_LAYERS: usize = 64;

/// Whether names and activations are the usual ones, which need not be stored.
pub(super) fn is_usual(architecture: &Architecture) -> bool {
    let layers = &architecture.layers;
    let named = (0..).zip(layers).any(|(i, l)| l.name != default_name(i));
    !named && layers.len() <= MOST_LAYERS && usual_activation(layers).is_some()
}

/// Codes an architecture that [`is_usual`], without a selection: an encoder the one it is
/// `given`, a decoder one of at most `most` features and parameters.
pub(super) fn code(
    coder: &mut impl BitCoder,
    given: Option<&Architecture>,
    most: usize,
) -> Result<Architecture, String> {
    coder.begin(Part::Header);
    let features = code_features(coder, given.map_or(0, |a| a.features));
    if features > most {
        return Err(format!("there are more than {most} features"));
    }
    let front = code_front(coder, given.and_then(Pooling::of), features)?;
    let layers = given.map_or(&[][..], |a| &a.layers);
    let widths: Vec<usize> = layers.iter().map(|l| l.outputs).collect();
    let widths = code_widths(coder, &widths);
    let hidden = usual_activation(layers).map_or(0, activation_code);
    let hidden = ACTIVATION_CODES[coder.code_bits(hidden.into(), 2) as usize];
    let mut inputs = front.map_or(features, |front| front.outputs());
    let mut parameters = 0_usize;
    let mut layers = Vec::with_capacity(widths.len());
    for (i, &outputs) in widths.iter().enumerate() {
        parameters = inputs
            .checked_add(1)
            .and_then(|columns| columns.checked_mul(outputs))
            .and_then(|more| more.checked_add(parameters))
            .filter(|&parameters| parameters <= most)
            .ok_or_else(|| format!("there are more than {most} parameters"))?;
        layers.push(LayerSpec {
            name: default_name(i),
            inputs,
            outputs,
            activation: match i + 1 == widths.len() {
                true => ACTIVATION_CODES[0],
                false => hidden,
            },
        });
        inputs = outputs;
    }
    let architecture = Architecture {
        features,
        front: front.and_then(|front| front.shared().ok()),
        selected: None,
        layers,
    };
    match architecture.validate() {
        Ok(()) => Ok(architecture),
        Err(error) => Err(error.to_string()),
    }
}

/// Codes the number of features; for a square image, the number of its rows.
fn code_features(coder: &mut impl BitCoder, features: usize) -> usize {
    let side = features.isqrt();
    let square = coder.code(side * side == features, 1 << 15);
    let number = if square { side } else { features };
    let most = if square { u16::MAX.into() } else { u32::MAX };
    let number = Numbers::default().code(coder, number as u32, most) as usize;
    if square { number * number } else { number }
}

fn code_front(
    coder: &mut impl BitCoder,
    front: Option<Pooling>,
    features: usize,
) -> Result<Option<Pooling>, String> {
    if !coder.code(front.is_some(), 1 << 15) {
        return Ok(None);
    }
    let height_of_any =
        |coder: &mut _, height: usize| Numbers::default().code(coder, height as u32, u32::MAX);
    let (given, side) = (front.map_or(0, |front| front.image().0), features.isqrt());
    let is_pyramid = matches!(front, Some(Pooling::TentPyramid { .. }));
    // 0 rows stand for a pyramid.
    let mut height = height_of_any(coder, if is_pyramid { 0 } else { given });
    let is_pyramid = height == 0;
    if is_pyramid {
        let is_square = given == side && side * side == features;
        height = match coder.code(is_square, 1 << 15) {
            true => side as u32,
            false => height_of_any(coder, given),
        };
    }
    let width = (features as u32).checked_div(height).unwrap_or(0);
    if height as usize * width as usize != features || features == 0 {
        return Err(format!("{features} features are no image of {height} rows"));
    }
    Ok(Some(match is_pyramid {
        true => Pooling::TentPyramid { height, width },
        false => Pooling::TentPool { height, width },
    }))
}

fn code_widths(coder: &mut impl BitCoder, widths: &[usize]) -> Vec<usize> {
    let most = MOST_LAYERS as u32;
    let count = Numbers::default().code(coder, widths.len() as u32, most);
    let mut numbers = Numbers::default();
    (0..count as usize)
        .map(|i| {
            let width = widths.get(i).map_or(0, |w| *w as u32);
            numbers.code(coder, width, u32::MAX) as usize
        })
        .collect()
}
