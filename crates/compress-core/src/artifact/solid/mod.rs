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
//! symmetric linear grids of one scale: what [`compress-quant`'s folding] leaves.
//!
//! [`compress-quant`'s folding]: https://docs.rs/compress-quant

mod architecture;
mod selection;
mod tensor;

use crc::{CRC_16_IBM_3740, Crc};

use super::header::{check_size, expected};
use super::stream::Arrangements;
use super::{Artifact, MOST_PARAMETERS, StoredTensor, Tensor};
use crate::coding::matrix::geometry::Geometry;
use crate::coding::meter::{Meter, Part};
use crate::coding::range_coder::{BitCoder, Decoder};
use crate::{Error, Result};

/// What such a file begins with, and the version of the format at once.
pub(super) const MAGIC: u8 = 0xd1;

/// Where the checksum is.
pub(super) const CHECKSUM: std::ops::Range<usize> = 1..3;

/// What such a file is made of.
pub(super) struct Solid {
    pub(super) bytes: Vec<u8>,
    pub(super) stored: Vec<StoredTensor>,
    /// Bits spent on each of [`Part::ALL`], the beginning of the file counted as header.
    pub(super) parts: [f64; Part::ALL.len()],
}

/// The file of a valid model; `None` where it is of another kind.
pub(super) fn write(artifact: &Artifact) -> Option<Solid> {
    let wide;
    let (all, selects) = match artifact.architecture.selected {
        None => (artifact, false),
        Some(_) => {
            wide = selection::all_features(artifact)?;
            (&wide, true)
        }
    };
    if !architecture::is_usual(&all.architecture)
        || check_size(&all.architecture, MOST_PARAMETERS).is_err()
    {
        return None;
    }
    let line = write_as(all, selects, false)?;
    let is_image = expected(&all.architecture).any(|(_, _, a)| a.image.is_some());
    Some(
        match is_image.then(|| write_as(all, selects, true)).flatten() {
            Some(image) if image.bytes.len() <= line.bytes.len() => image,
            _ => line,
        },
    )
}

/// With the first layer's columns in a line, or as pixels of an `image`; `selects` where those
/// that no weight reads are not selected.
fn write_as(all: &Artifact, selects: bool, image: bool) -> Option<Solid> {
    let mut meter = Meter::default();
    meter.code(image, 1 << 15);
    meter.code(selects, 1 << 15);
    architecture::code(&mut meter, Some(&all.architecture), MOST_PARAMETERS).ok()?;
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
            bytes: ((meter.bits() - before) / 8.0).round() as usize,
        });
    }
    let (coded, mut parts) = meter.finish();
    let mut bytes = vec![MAGIC, 0, 0];
    parts[0] += 8.0 * bytes.len() as f64;
    bytes.extend(coded);
    repair_checksum(&mut bytes);
    Some(Solid {
        bytes,
        stored,
        parts,
    })
}

/// Reads what [`write`] wrote, with at most `most` features, and as many parameters, all of the
/// features counted.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Artifact> {
    let Some((beginning, coded)) = bytes.split_at_checked(CHECKSUM.end) else {
        return Err(error(bytes.len(), "the file ends before its checksum does"));
    };
    if beginning[CHECKSUM] != checksum(coded).to_le_bytes() {
        let reason = "the checksum is not that of the content: the file is damaged";
        return Err(error(CHECKSUM.start, reason));
    }
    if coded.last() == Some(&0) {
        return Err(error(bytes.len() - 1, "zeros follow the end of the model"));
    }
    let mut decoder = Decoder::new(coded);
    let image = decoder.code(false, 1 << 15);
    let selects = decoder.code(false, 1 << 15);
    let architecture = architecture::code(&mut decoder, None, most)
        .map_err(|reason| error(CHECKSUM.end, &reason))?;
    let mut tensors = Vec::new();
    for (name, shape, arrangements) in expected(&architecture) {
        let geometry = geometry(&arrangements, image);
        let tensor = tensor::code(&mut decoder, (name, shape), geometry, None);
        tensors.extend(tensor.map(Tensor::Quantized));
    }
    let mut artifact = Artifact {
        architecture,
        tensors,
    };
    if selects {
        artifact = selection::read_features_alone(artifact)
            .ok_or_else(|| error(CHECKSUM.end, "there is no layer"))?;
    }
    artifact
        .validate()
        .map_err(|e| error(CHECKSUM.end, &e.to_string()))?;
    Ok(artifact)
}

fn error(offset: usize, reason: &str) -> Error {
    let reason = reason.to_owned();
    Error::Format { offset, reason }
}

/// The image where there is one and it is asked for.
fn geometry(arrangements: &Arrangements, image: bool) -> &Geometry {
    let found = arrangements.image.as_ref().filter(|_| image);
    found.unwrap_or(&arrangements.line)
}

/// Makes the checksum right, where there is one.
pub(super) fn repair_checksum(bytes: &mut [u8]) {
    if let Some((beginning, coded)) = bytes.split_at_mut_checked(CHECKSUM.end) {
        beginning[CHECKSUM].copy_from_slice(&checksum(coded).to_le_bytes());
    }
}

fn checksum(coded: &[u8]) -> u16 {
    Crc::<u16>::new(&CRC_16_IBM_3740).checksum(coded)
}
