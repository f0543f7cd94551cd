//! A model of integers as one stream of the range coder, for files of a few thousand bytes: no
//! tensor has a length, a header or an end of its own.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | 0xD1 |
//! | 2 | CRC-16 (IBM 3740) of all that follow, little-endian |
//! | rest | the architecture, then each layer's weight and bias |
//!
//! For models whose layers have the usual names and activations, and whose tensors all are on
//! symmetric linear grids of one scale: what folding in `compress-quant` leaves.

mod architecture;
mod selection;
mod tensor;

use crc::{CRC_16_IBM_3740, Crc};

use super::model::Artifact;
use super::written::Written;
use crate::coding::matrix::geometry::Geometry;
use crate::coding::meter::{Meter, Part};
use crate::coding::range_coder::{BitCoder, Decoder};
use crate::program::{check_size, expected};
use crate::tensors::StoredTensor;
use crate::tensors::stream::Arrangements;
use compress_core::codec::Tensor;
use compress_core::{Error, Result};

/// The first byte of such a file, which also is the version of the format.
pub(super) const MAGIC: u8 = 0xd1;

/// Where the checksum is. It detects any two flipped bits in a file of up to [`LONGEST`] bytes.
pub(super) const CHECKSUM: std::ops::Range<usize> = 1..3;
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);

/// The most bytes of such a file.
pub(super) const LONGEST: usize = 4096;

/// The most parameters of such a file, with those of features that are not selected.
const MOST: usize = 1 << 19;

/// The file of a valid model; `None` where one stream cannot hold it.
pub(super) fn write(artifact: &Artifact) -> Option<Written> {
    if !is_of_this_kind(artifact) {
        return None;
    }
    let wide;
    let (all, selects) = match artifact.architecture.selected {
        None => (artifact, false),
        Some(_) => {
            wide = selection::all_features(artifact)?;
            (&wide, true)
        }
    };
    let line = write_as(all, selects, false)?;
    let is_image = expected(&all.architecture).any(|(_, _, a)| a.image.is_some());
    let image = is_image.then(|| write_as(all, selects, true)).flatten();
    let smallest = match image {
        Some(image) if image.bytes.len() < line.bytes.len() => image,
        _ => line,
    };
    (smallest.bytes.len() <= LONGEST).then_some(smallest)
}

/// Whether one stream can hold the model.
fn is_of_this_kind(artifact: &Artifact) -> bool {
    let wide = selection::unselected(&artifact.architecture);
    let mut tensors = artifact.tensors.iter();
    architecture::is_usual(&wide)
        && check_size(&wide, MOST).is_ok()
        && tensors.all(|tensor| match tensor {
            Tensor::Quantized(tensor) => tensor::linear(&tensor.grid).is_some(),
            Tensor::Float { .. } | Tensor::Blocks(_) => false,
        })
}

/// Writes the model, with the first layer's columns in a line or as pixels of an `image`. With
/// `selects`, the features that no weight reads are not selected.
fn write_as(all: &Artifact, selects: bool, image: bool) -> Option<Written> {
    let mut meter = Meter::default();
    meter.code(image, 1 << 15);
    meter.code(selects, 1 << 15);
    architecture::code(&mut meter, Some(&all.architecture), MOST).ok()?;
    let mut stored = Vec::new();
    for ((name, shape, arrangements), tensor) in expected(&all.architecture).zip(&all.tensors) {
        let Tensor::Quantized(given) = tensor else {
            return None;
        };
        let before = meter.bits();
        let geometry = geometry(&arrangements, image);
        tensor::code(&mut meter, (name.clone(), shape), geometry, Some(given))?;
        stored.push(StoredTensor {
            name,
            coding: "solid",
            // Rounded this way, the tensors' bytes add up to what they take together.
            bytes: whole_bytes(meter.bits()) - whole_bytes(before),
        });
    }
    let (coded, mut parts) = meter.finish();
    let mut bytes = vec![MAGIC, 0, 0];
    // The first bytes of the file count as header.
    parts[0] += 8.0 * bytes.len() as f64;
    bytes.extend(coded);
    repair_checksum(&mut bytes);
    let parts = Part::ALL.into_iter().zip(parts.map(|bits| bits / 8.0));
    Some(Written {
        bytes,
        stored,
        parts: Some(parts.collect()),
    })
}

fn whole_bytes(bits: f64) -> usize {
    (bits / 8.0).round() as usize
}

/// Reads what [`write`] wrote, with at most `most` features and at most as many parameters, counted
/// with those of all features.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Artifact> {
    let Some((beginning, coded)) = bytes.split_at_checked(CHECKSUM.end) else {
        return Err(error(bytes.len(), "the file ends before its checksum does"));
    };
    if beginning[CHECKSUM] != checksum(coded).to_le_bytes() {
        let reason = "the checksum is not that of the content: the file is damaged";
        return Err(error(CHECKSUM.start, reason));
    }
    if bytes.len() > LONGEST {
        return Err(error(LONGEST, "the file is longer than one stream may be"));
    }
    let mut decoder = Decoder::new(coded);
    let image = decoder.code(false, 1 << 15);
    let selects = decoder.code(false, 1 << 15);
    let architecture = architecture::code(&mut decoder, None, most.min(MOST))
        .map_err(|reason| error(CHECKSUM.end, &reason))?;
    if image && !expected(&architecture).any(|(_, _, a)| a.image.is_some()) {
        let reason = "columns that are no image are coded as one";
        return Err(error(CHECKSUM.end, reason));
    }
    let mut tensors = Vec::new();
    for (name, shape, arrangements) in expected(&architecture) {
        let geometry = geometry(&arrangements, image);
        let tensor = tensor::code(&mut decoder, (name, shape), geometry, None);
        tensors.extend(tensor.map(Tensor::Quantized));
    }
    let all = Artifact {
        architecture,
        tensors,
    };
    all.validate()
        .map_err(|e| error(CHECKSUM.end, &e.to_string()))?;
    // Any bytes decode to something. Only bytes that a writer would write are accepted.
    let written = write_as(&all, selects, image);
    if written.is_none_or(|written| written.bytes != bytes) {
        let reason = "the bytes are not those that the model is written as: write the file anew";
        return Err(error(CHECKSUM.end, reason));
    }
    if !selects {
        return Ok(all);
    }
    let artifact = selection::read_features_alone(all)
        .ok_or_else(|| error(CHECKSUM.end, "there is no layer"))?;
    artifact
        .validate()
        .map_err(|e| error(CHECKSUM.end, &e.to_string()))?;
    Ok(artifact)
}

fn error(offset: usize, reason: &str) -> Error {
    let reason = reason.to_owned();
    Error::Format { offset, reason }
}

/// The image if there is one and it is asked for, else a line.
fn geometry(arrangements: &Arrangements, image: bool) -> &Geometry {
    let found = arrangements.image.as_ref().filter(|_| image);
    found.unwrap_or(&arrangements.line)
}

/// Corrects the checksum, if there is one.
pub(super) fn repair_checksum(bytes: &mut [u8]) {
    if let Some((beginning, coded)) = bytes.split_at_mut_checked(CHECKSUM.end) {
        beginning[CHECKSUM].copy_from_slice(&checksum(coded).to_le_bytes());
    }
}

fn checksum(coded: &[u8]) -> u16 {
    CRC.checksum(coded)
}
