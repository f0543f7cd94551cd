//! One row of inputs times a small layer of integer weights: `y = W·x + b`. The codes have 8 bits,
//! as in the file, and each is turned into f32 where it is multiplied.
//!
//! Each output is one chain of fused multiply-adds that starts from the bias, with inputs
//! ascending. So every level gives the same bits: those of the same weights in f32, as long as no
//! product overflows. (A zero that is left out makes no NaN of an infinity; a zero that is stored
//! does.)
//!
//! # Layout
//!
//! Outputs go 16 at a time, one in each lane.
//!
//! [`Form::Scattered`]: outputs are sorted by how many weights they have. Slot i holds the i-th
//! weight of each output that has so many: `count` codes, each with the place of its input. At
//! AVX-512 the inputs are gathered. Outputs stay in that order, and [`CodeRows::places`] tells the
//! next layer where they are. A selection of features tells the first layer the same. So nothing is
//! copied between layers.
//!
//! [`Form::Dense`]: each input has a code for each output. Up to 64 outputs go side by side, so
//! that their chains do not wait for each other.
//!
//! # Speed
//!
//! At AVX-512 a slot costs the gathering of 16 elements, an input of a dense form the latency of a
//! multiply-add: [`Form::of`] goes by that. The example `predict_small` times whole models.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod reference;
#[cfg(test)]
mod tests;

use crate::isa::Isa;
use crate::{Error, Result};

/// Outputs that are worked on at once.
const LANES: usize = 16;
/// Vectors of outputs that go side by side in a dense form.
const VECTORS: usize = 4;
/// This many codes of a dense form (whole vectors of them) take as long as one scattered code.
const SCATTERED: usize = 9;

/// How the weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only the weights that are not zero.
    Scattered,
    /// All weights.
    Dense,
}

impl Form {
    /// The faster one for one row, where `kept` of W `[n, k]` are not zero.
    pub fn of(n: usize, k: usize, kept: usize) -> Self {
        let dense = n.next_multiple_of(LANES).saturating_mul(k);
        match kept.saturating_mul(SCATTERED) < dense {
            true => Form::Scattered,
            false => Form::Dense,
        }
    }

    /// How many codes this form stores.
    pub fn stored(self, n: usize, k: usize, kept: usize) -> usize {
        match self {
            Form::Scattered => kept,
            Form::Dense => n.saturating_mul(k),
        }
    }
}

/// A layer's weights and biases, laid out for one row of inputs.
#[derive(Clone, Debug)]
pub struct CodeRows {
    form: Form,
    /// How many elements a row of inputs has.
    width: usize,
    /// Whole vectors, with zeros at the end.
    bias: Vec<f32>,
    codes: Vec<i8>,
    /// Where the inputs are: of each code, or of each column of a dense form.
    inputs: Vec<u16>,
    /// For a scattered form: how many slots each vector has, and how many codes each slot.
    slots: Vec<usize>,
    counts: Vec<u8>,
    places: Vec<u16>,
}

impl CodeRows {
    /// Lays out W `[n, k]`, row-major, whose column i meets the element `inputs[i]` of a row of
    /// `width`.
    ///
    /// # Errors
    /// Where the numbers of values differ, an input is not below `width`, or `width` or the number
    /// of outputs is above 65,536.
    pub fn new(
        form: Form,
        codes: &[i8],
        bias: &[f32],
        inputs: &[u16],
        width: usize,
    ) -> Result<Self> {
        let (n, k) = (bias.len(), inputs.len());
        Error::check_shape("codes of a layer", &[n.saturating_mul(k)], &[codes.len()])?;
        let size = width.max(n);
        if size > 1 << 16 {
            return Err(Error::invalid("inputs or outputs", size, "at most 65,536"));
        }
        if let Some(&input) = inputs.iter().find(|&&input| usize::from(input) >= width) {
            let expected = format!("below {width}");
            return Err(Error::invalid("the place of an input", input, expected));
        }
        let mut rows = CodeRows {
            form,
            width,
            bias: Vec::new(),
            codes: Vec::new(),
            inputs: inputs.to_vec(),
            slots: Vec::new(),
            counts: Vec::new(),
            places: vec![0; n],
        };
        let order = match form {
            Form::Scattered => rows.scatter(codes, inputs, n),
            Form::Dense => rows.fill(codes, k, n),
        };
        for (place, &row) in order.iter().enumerate() {
            rows.places[row] = place as u16;
            rows.bias.push(bias[row]);
        }
        rows.bias.resize(n.next_multiple_of(LANES), 0.0);
        Ok(rows)
    }

    /// Slot by slot; returns the outputs in their order.
    fn scatter(&mut self, codes: &[i8], inputs: &[u16], n: usize) -> Vec<usize> {
        self.inputs.clear();
        let k = inputs.len();
        let kept = |row: usize| {
            let entries = codes[row * k..(row + 1) * k].iter().zip(inputs);
            let entries = entries.filter(|(code, _)| **code != 0);
            entries.map(|(&c, &i)| (c, i)).collect::<Vec<_>>()
        };
        let mut rows: Vec<(usize, Vec<(i8, u16)>)> = (0..n).map(|row| (row, kept(row))).collect();
        rows.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.len()));
        for vector in rows.chunks(LANES) {
            let longest = vector[0].1.len();
            self.slots.push(longest);
            for slot in 0..longest {
                let entries = vector.iter().map_while(|(_, kept)| kept.get(slot));
                let before = self.codes.len();
                for &(code, input) in entries {
                    self.codes.push(code);
                    self.inputs.push(input);
                }
                self.counts.push((self.codes.len() - before) as u8);
            }
        }
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// For each group of vectors, input by input; the outputs keep their order.
    fn fill(&mut self, codes: &[i8], k: usize, n: usize) -> Vec<usize> {
        let lanes = n.next_multiple_of(LANES);
        for first in (0..lanes).step_by(VECTORS * LANES) {
            let group = first..lanes.min(first + VECTORS * LANES);
            for column in 0..k {
                let code = |row: usize| if row < n { codes[row * k + column] } else { 0 };
                self.codes.extend(group.clone().map(code));
            }
        }
        (0..n).collect()
    }

    /// The length of the output: the outputs, rounded up to whole vectors.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Where each output is in the result.
    pub fn places(&self) -> &[u16] {
        &self.places
    }

    /// `y = W·x + b`. With `relu`, values not above zero become +0. `y` has the length of
    /// [`CodeRows::outputs`].
    ///
    /// # Errors
    /// Where a length differs, or the machine lacks the level.
    pub fn multiply(&self, isa: Isa, x: &[f32], relu: bool, y: &mut [f32]) -> Result<()> {
        if x.len() != self.width || y.len() != self.bias.len() {
            Error::check_shape("a row of inputs", &[self.width], &[x.len()])?;
            Error::check_shape("a row of outputs", &[self.bias.len()], &[y.len()])?;
        }
        isa.require("a layer of codes")?;
        match self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Scattered if isa >= Isa::Avx512 => {
                // SAFETY: the processor has the level, as was just asked.
                unsafe { avx512::scattered(self, x, relu, y) }
            }
            Form::Scattered => reference::scattered_at(isa, self, x, relu, y),
            Form::Dense => reference::dense_at(isa, self, x, relu, y),
        }
        Ok(())
    }
}
