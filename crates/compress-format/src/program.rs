//! The architecture in a few bytes.
//!
//! In this order: a byte of flags; the number of features; the height of their image, only where
//! they pass through a front that does not imply a square one; which features are selected; the
//! number of layers; the width of each. Activations and names follow only where they are not the
//! usual ones.

use crate::coding::matrix::code_integers;
use crate::coding::range_coder::{Decoder, Encoder};
use crate::coding::reader::Reader;
use crate::coding::{gaps, varint};
use crate::front::Pooling;
use crate::limits::MOST_PARAMETERS;
use compress_core::chain::{Activation, Architecture, Front, LayerSpec};
use compress_core::{Error, Result};

use crate::tensors::floats::nonzero_positions;
use crate::tensors::stream::Arrangements;

/// Bits 0 and 1: how the selected features are coded.
const SELECTION: u8 = 0b11;
const ALL: u8 = 0;
const GAPS: u8 = 1;
const CODED: u8 = 2;
/// Bit 2: the layers have names of their own, not `layers.0`, `layers.1`, ….
const NAMES: u8 = 1 << 2;
/// Bit 3: each layer says its activation. Otherwise bits 4 and 5 give that of all but the last,
/// which has none.
const ACTIVATIONS: u8 = 1 << 3;
/// Bits 6 and 7: the front. So the pooling of a square image takes no byte of its own.
const NO_FRONT: u8 = 0;
/// [`Pooling::TentPool`] of a square image.
const TENT_POOL_SQUARE: u8 = 1;
/// [`Pooling::TentPool`] of an image whose height follows the number of features.
const TENT_POOL: u8 = 2;
/// Another front: its number follows the number of features, and then the height of its image.
const OTHER_FRONT: u8 = 3;
/// [`Pooling::TentPyramid`], under [`OTHER_FRONT`].
const TENT_PYRAMID: u8 = 0;

/// Each activation's number is its position.
pub(crate) const ACTIVATION_CODES: [Activation; 4] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Gelu,
    Activation::Tanh,
];

/// Appends a valid architecture.
pub(crate) fn write(bytes: &mut Vec<u8>, architecture: &Architecture) {
    let layers = &architecture.layers;
    let named = (0..).zip(layers).any(|(i, l)| l.name != default_name(i));
    let hidden = usual_activation(layers);
    let (how, selection) = match &architecture.selected {
        None => (ALL, Vec::new()),
        Some(selected) => write_selection(architecture, selected),
    };
    let (front, height) = front_code(Pooling::of(architecture));
    bytes.push(
        front << 6
            | how
            | if named { NAMES } else { 0 }
            | hidden.map_or(ACTIVATIONS, |a| activation_code(a) << 4),
    );
    varint::write(bytes, architecture.features as u64);
    if front == OTHER_FRONT {
        varint::write(bytes, TENT_PYRAMID.into());
    }
    if let Some(height) = height {
        varint::write(bytes, height.into());
    }
    bytes.extend(selection);
    varint::write(bytes, layers.len() as u64);
    for layer in layers {
        varint::write(bytes, layer.outputs as u64);
    }
    if hidden.is_none() {
        bytes.extend(layers.iter().map(|l| activation_code(l.activation)));
    }
    for layer in layers.iter().filter(|_| named) {
        varint::write(bytes, layer.name.len() as u64);
        bytes.extend_from_slice(layer.name.as_bytes());
    }
}

/// Reads an architecture of at most `most` features and at most `most` parameters, and of no more
/// than [`MOST_PARAMETERS`].
pub(crate) fn read(reader: &mut Reader<'_>, most: usize) -> Result<Architecture> {
    let most = most.min(MOST_PARAMETERS);
    let start = reader.clone();
    let flags = reader.byte("the flags of the architecture")?;
    let features = reader.varint(most, "the number of features")?;
    let front = read_front(reader, flags >> 6, features)?;
    let selectable = front.map_or(features, |front| front.outputs());
    let selected = read_selection(reader, flags & SELECTION, front, selectable)?;
    let inputs = selected.as_ref().map_or(selectable, Vec::len);
    let mut layers = read_widths(reader, inputs, most)?;
    read_activations(reader, flags, &mut layers)?;
    if flags & NAMES != 0 {
        for layer in &mut layers {
            let length = reader.varint(usize::MAX, "the length of a layer's name")?;
            let name = std::str::from_utf8(reader.take(length, "a layer's name")?);
            layer.name = name
                .map_err(|_| reader.error("a layer's name is not UTF-8"))?
                .to_owned();
        }
    }
    let architecture = Architecture {
        features,
        front: front.map(Pooling::shared).transpose()?,
        selected,
        layers,
    };
    match architecture.validate() {
        Ok(()) => Ok(architecture),
        Err(error) => Err(start.error(error.to_string())),
    }
}

/// The number of a front, and the height of its image where the file must say it.
fn front_code(front: Option<Pooling>) -> (u8, Option<u32>) {
    match front {
        None => (NO_FRONT, None),
        Some(Pooling::TentPool { height, width }) if height == width => (TENT_POOL_SQUARE, None),
        Some(Pooling::TentPool { height, .. }) => (TENT_POOL, Some(height)),
        Some(Pooling::TentPyramid { height, .. }) => (OTHER_FRONT, Some(height)),
    }
}

fn read_front(reader: &mut Reader<'_>, code: u8, features: usize) -> Result<Option<Pooling>> {
    let start = reader.clone();
    let (height, width) = match code {
        NO_FRONT => return Ok(None),
        TENT_POOL_SQUARE => (features.isqrt(), features.isqrt()),
        _ => {
            if code == OTHER_FRONT {
                reader.varint(TENT_PYRAMID.into(), "the number of the front")?;
            }
            let height = reader.varint(features, "the height of the image")?;
            (height, features.checked_div(height).unwrap_or(0))
        }
    };
    if height * width != features || features == 0 {
        return Err(start.error(format!("{features} features are no image of {height} rows")));
    }
    match (u32::try_from(height), u32::try_from(width)) {
        (Ok(height), Ok(width)) => Ok(Some(match code {
            OTHER_FRONT => Pooling::TentPyramid { height, width },
            _ => Pooling::TentPool { height, width },
        })),
        _ => Err(start.error("the image is too large")),
    }
}

/// Writes the selection as gaps or as a bitmap through the range coder, whichever is shorter.
fn write_selection(architecture: &Architecture, selected: &[u32]) -> (u8, Vec<u8>) {
    let features = architecture.selectable();
    let mut by_gaps = Vec::new();
    let bits = gaps::write_all(&mut by_gaps, selected);
    by_gaps.extend(bits.finish());

    let mut bitmap = vec![0; features];
    for &feature in selected {
        bitmap[feature as usize] = 1;
    }
    let mut coded = Vec::new();
    Arrangements::features(Pooling::of(architecture), features, None).write(
        &mut coded,
        |geometry| {
            let mut encoder = Encoder::default();
            code_integers(&mut encoder, geometry, &mut bitmap.clone(), |_| (0, 1));
            encoder.finish()
        },
    );
    if coded.len() < by_gaps.len() {
        (CODED, coded)
    } else {
        (GAPS, by_gaps)
    }
}

fn read_selection(
    reader: &mut Reader<'_>,
    how: u8,
    front: Option<Pooling>,
    features: usize,
) -> Result<Option<Vec<u32>>> {
    match how {
        ALL => Ok(None),
        GAPS => {
            let count = reader.varint(features, "the number of selected features")?;
            let parameter = reader.varint(31, "the parameter of the gaps")? as u32;
            let total = features as u32;
            Ok(Some(
                reader.bits(|bits| gaps::read(bits, count, total, parameter))?,
            ))
        }
        CODED => {
            let arrangements = Arrangements::features(front, features, None);
            let (coded, geometry) = arrangements.read(reader)?;
            let mut bitmap = vec![0; features];
            code_integers(&mut Decoder::new(coded), geometry, &mut bitmap, |_| (0, 1));
            Ok(Some(nonzero_positions(bitmap.iter().map(|&b| b != 0))))
        }
        _ => Err(reader.error("an unknown coding of the selected features")),
    }
}

fn read_widths(reader: &mut Reader<'_>, mut inputs: usize, most: usize) -> Result<Vec<LayerSpec>> {
    // Each layer takes at least a byte.
    let count = reader.varint(reader.remaining(), "the number of layers")?;
    let mut parameters = 0_usize;
    let mut layers = Vec::with_capacity(count.min(reader.remaining()));
    for i in 0..count {
        let start = reader.clone();
        let outputs = reader.varint(most, "the width of a layer")?;
        parameters = outputs
            .checked_mul(inputs.saturating_add(1))
            .and_then(|more| parameters.checked_add(more))
            .filter(|&parameters| parameters <= most)
            .ok_or_else(|| start.error(format!("there are more than {most} parameters")))?;
        layers.push(LayerSpec {
            name: default_name(i),
            inputs,
            outputs,
            activation: Activation::Identity,
        });
        inputs = outputs;
    }
    Ok(layers)
}

fn read_activations(reader: &mut Reader<'_>, flags: u8, layers: &mut [LayerSpec]) -> Result<()> {
    let last = layers.len().saturating_sub(1);
    for (i, layer) in layers.iter_mut().enumerate() {
        let code = match (flags & ACTIVATIONS != 0, i == last) {
            (true, _) => reader.varint(ACTIVATION_CODES.len() - 1, "an activation")?,
            (false, true) => continue,
            (false, false) => usize::from(flags >> 4 & 0b11),
        };
        layer.activation = ACTIVATION_CODES[code];
    }
    Ok(())
}

/// The activation that all layers but the last share, if there is one and the last has none.
pub(crate) fn usual_activation(layers: &[LayerSpec]) -> Option<Activation> {
    let (last, hidden) = layers.split_last()?;
    let usual = hidden
        .first()
        .map_or(Activation::Identity, |l| l.activation);
    let same = hidden.iter().all(|l| l.activation == usual);
    (same && last.activation == Activation::Identity).then_some(usual)
}

pub(crate) fn activation_code(activation: Activation) -> u8 {
    match activation {
        Activation::Identity => 0,
        Activation::Relu => 1,
        Activation::Gelu => 2,
        Activation::Tanh => 3,
    }
}

pub(crate) fn default_name(layer: usize) -> String {
    format!("layers.{layer}")
}

/// Fails where `architecture` is more than a reader accepts.
pub(crate) fn check_size(architecture: &Architecture, most: usize) -> Result<()> {
    let parameters = architecture.layers.iter().try_fold(0_usize, |sum, layer| {
        layer
            .outputs
            .checked_mul(layer.inputs.checked_add(1)?)?
            .checked_add(sum)
    });
    let largest = parameters.map(|p| p.max(architecture.features));
    match largest {
        Some(largest) if largest <= most => Ok(()),
        _ => Err(Error::invalid(
            "the number of parameters or features",
            largest.map_or("too large to count".into(), |n| n.to_string()),
            format!("at most {most}"),
        )),
    }
}

/// Name and shape of each tensor, and how its columns may be arranged: those of the first layer
/// are features.
pub(crate) fn expected(
    architecture: &Architecture,
) -> impl Iterator<Item = (String, Vec<usize>, Arrangements)> + use<'_> {
    (0..)
        .zip(architecture.parameters())
        .map(|(i, (name, shape))| {
            let arrangements = match i {
                0 => of_features(architecture),
                _ => Arrangements::line(shape[shape.len() - 1]),
            };
            (name, shape, arrangements)
        })
}

/// How the columns of the first layer's weight may be arranged.
pub(crate) fn of_features(architecture: &Architecture) -> Arrangements {
    let selected = architecture.selected.as_deref();
    let (front, features) = (Pooling::of(architecture), architecture.selectable());
    Arrangements::features(front, features, selected)
}
