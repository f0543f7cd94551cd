//! Rotary positions: their keys in GGUF, the factors of Llama 3.1's frequencies, and the order of
//! rows.
//!
//! # References
//! Su et al., "RoFormer" (2021); Peng et al., "YaRN" (2023); `modeling_rope_utils.py` in Hugging
//! Face's `transformers`.

use std::f64::consts::PI;

use compress_core::Result;

use super::folder::Json;
use crate::metadata::{Metadata, Value};
use crate::stream::RowOrder;

/// The base unless the configuration says another.
const BASE: f64 = 10_000.0;

/// The object that says how positions are scaled, in either spelling, and the kind of scaling.
fn scaling(config: &Json) -> Result<(Json, String)> {
    let new = "rope_parameters";
    let key = if config.value(new).is_some() {
        new
    } else {
        "rope_scaling"
    };
    let scaling = config.object(key)?;
    let kind = scaling.text("rope_type")?.or(scaling.text("type")?);
    let kind = kind.unwrap_or("default").to_owned();
    Ok((scaling, kind))
}

fn base(config: &Json, scaling: &Json) -> Result<f64> {
    let base = scaling
        .real("rope_theta")?
        .or(config.real("rope_theta")?)
        .unwrap_or(BASE);
    match base.is_finite() && base >= 1.0 {
        true => Ok(base),
        false => Err(config.refuse("rope_theta", base, "at least 1")),
    }
}

/// The keys below the architecture's name.
pub(super) fn metadata(config: &Json) -> Result<Metadata> {
    let (scaling, kind) = scaling(config)?;
    let mut keys = Metadata::new();
    let mut add = |key: &str, value| keys.push((format!("rope.{key}"), value));
    add("freq_base", Value::F32(base(config, &scaling)? as f32));
    match kind.as_str() {
        // Those of llama3 are a tensor.
        "default" | "llama3" => {}
        "linear" | "yarn" => {
            add("scaling.type", kind.as_str().into());
            add(
                "scaling.factor",
                Value::F32(scaling.needed_real("factor")? as f32),
            );
        }
        _ => {
            let expected = "default, linear, yarn or llama3";
            return Err(config.refuse("the type of rope_scaling", kind, expected));
        }
    }
    if kind == "yarn" {
        let key = "original_max_position_embeddings";
        let original = scaling
            .count(key)?
            .or(config.count("max_position_embeddings")?);
        if let Some(original) = original {
            add("scaling.original_context_length", Value::U32(original));
        }
        for (key, theirs) in [
            ("scaling.yarn_ext_factor", "extrapolation_factor"),
            ("scaling.yarn_attn_factor", "attention_factor"),
            ("scaling.yarn_beta_fast", "beta_fast"),
            ("scaling.yarn_beta_slow", "beta_slow"),
        ] {
            if let Some(value) = scaling.real(theirs)? {
                add(key, Value::F32(value as f32));
            }
        }
    }
    Ok(keys)
}

/// What Llama 3.1 divides the frequencies of a head of `length` values by; none where it does not.
pub(super) fn factors(config: &Json, length: u32) -> Result<Option<Vec<f32>>> {
    let (scaling, kind) = scaling(config)?;
    if kind != "llama3" {
        return Ok(None);
    }
    let factor = scaling.needed_real("factor")?;
    let low = scaling.needed_real("low_freq_factor")?;
    let high = scaling.needed_real("high_freq_factor")?;
    if !(factor > 0.0 && low > 0.0 && high > low) {
        let found = format!("{low} and {high}, with a factor of {factor}");
        return Err(scaling.refuse(
            "low_freq_factor and high_freq_factor",
            found,
            "ascending, above 0",
        ));
    }
    let context = f64::from(scaling.needed_count("original_max_position_embeddings")?);
    let step = root(base(config, &scaling)?, length / 2);
    let mut wavelength = 2.0 * PI;
    let factors = (0..length / 2).map(|_| {
        // How often it turns within the context: many turns stay, few are slowed.
        let turns = context / wavelength;
        wavelength *= step;
        let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
    });
    Ok(Some(factors.collect()))
}

/// The root of `base`, at least 1, of degree `degree`, by halving: the platform's powers differ.
fn root(base: f64, degree: u32) -> f64 {
    let (mut low, mut high) = (1.0, base);
    for _ in 0..128 {
        let middle = low + (high - low) / 2.0;
        let mut power = 1.0;
        for _ in 0..degree {
            power *= middle;
        }
        match power > base {
            true => high = middle,
            false => low = middle,
        }
    }
    low
}

/// The order of rows in which neighbours are rotated, of those in which the halves of heads with
/// `length` rows are.
pub(super) fn to_neighbours(length: usize) -> RowOrder<'static> {
    let half = length / 2;
    Box::new(move |row| {
        let (head, within) = (row / length * length, row % length);
        head + within % 2 * half + within / 2
    })
}

/// The way back of [`to_neighbours`].
pub(super) fn to_halves(length: usize) -> RowOrder<'static> {
    let half = length / 2;
    Box::new(move |row| {
        let (head, within) = (row / length * length, row % length);
        head + within % half * 2 + within / half
    })
}
